//! Where a controller is dialled.

use std::{fmt, net::SocketAddr, str::FromStr};

use rustls_pki_types::ServerName;

/// Host and port of a controller. The host is also the name that its
/// certificate must be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerAddress {
    host: ServerName<'static>,
    port: u16,
}

/// A text that is no address of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongAddress {
    /// It asks for a connection without encryption.
    #[error("nothing is sent unencrypted: expected https://HOST:PORT or HOST:PORT, not http://")]
    Plaintext,
    /// It has no port, or none that can be dialled.
    #[error("expected https://HOST:PORT or HOST:PORT, with a port from 1 to 65535")]
    Port,
    /// Its host is neither a name nor an address.
    #[error("expected a DNS name, an IPv4 address, or an IPv6 address in brackets before the port")]
    Host,
}

impl ControllerAddress {
    /// The name that the controller's certificate must be for.
    #[must_use]
    pub fn server_name(&self) -> ServerName<'static> {
        self.host.clone()
    }

    /// The host, without brackets: what is looked up.
    #[must_use]
    pub fn host(&self) -> String {
        self.host.to_str().into_owned()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// It as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{self}")
    }
}

impl From<SocketAddr> for ControllerAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: ServerName::from(address.ip()), port: address.port() }
    }
}

impl FromStr for ControllerAddress {
    type Err = WrongAddress;

    fn from_str(text: &str) -> Result<Self, WrongAddress> {
        if text.starts_with("http://") {
            return Err(WrongAddress::Plaintext);
        }
        let authority = text.strip_prefix("https://").unwrap_or(text);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = authority.rsplit_once(':').ok_or(WrongAddress::Port)?;
        let plain = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| plain && *port != 0).ok_or(WrongAddress::Port)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let name = ServerName::try_from(bracketed.unwrap_or(host)).map_err(|_| WrongAddress::Host)?;
        if bracketed.is_some() == is_ipv6(&name) {
            Ok(Self { host: name.to_owned(), port })
        } else {
            Err(WrongAddress::Host)
        }
    }
}

fn is_ipv6(host: &ServerName<'_>) -> bool {
    matches!(host, ServerName::IpAddress(rustls_pki_types::IpAddr::V6(_)))
}

impl fmt::Display for ControllerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_ipv6(&self.host) {
            write!(f, "[{}]:{}", self.host.to_str(), self.port)
        } else {
            write!(f, "{}:{}", self.host.to_str(), self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ControllerAddress, WrongAddress> {
        text.parse()
    }

    #[test]
    fn names_and_addresses_are_read_with_or_without_https() {
        for (text, host, shown) in [
            ("https://cofi.example.org:7401", "cofi.example.org", "cofi.example.org:7401"),
            ("localhost:9/", "localhost", "localhost:9"),
            ("https://10.0.0.1:65535/", "10.0.0.1", "10.0.0.1:65535"),
            ("[::1]:7401", "::1", "[::1]:7401"),
        ] {
            let address = read(text).unwrap();
            assert_eq!((address.host().as_str(), address.to_string().as_str()), (host, shown));
            assert_eq!(read(&address.url()), Ok(address));
        }
    }

    #[test]
    fn socket_addresses_read_back_as_the_same() {
        for text in ["127.0.0.1:7401", "[2001:db8::1]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(read(text), Ok(address.into()));
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        assert_eq!(read("http://localhost:7401"), Err(WrongAddress::Plaintext));
        for text in ["localhost", "https://localhost", "h:0", "h:65536", "h:+1", "h:", "https://h:1/path"] {
            assert_eq!(read(text), Err(WrongAddress::Port), "{text}");
        }
        for text in
            [":1", "a b:1", "::1:7401", "[10.0.0.1]:1", "[localhost]:1", "user@host:1", "[::1%lo]:1", "ü:1"]
        {
            assert_eq!(read(text), Err(WrongAddress::Host), "{text}");
        }
    }
}
