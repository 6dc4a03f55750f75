//! Where a controller answers operators.

use std::{fmt, net::SocketAddr, str::FromStr};

use rustls_pki_types::ServerName;
use tonic::transport::Uri;

/// The address of a controller's control listener, as a person types it:
/// `https://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    text: String,
    host: String,
    port: u16,
    /// What its certificate has to be for.
    name: ServerName<'static>,
}

/// Why a text is no address of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongAddress {
    #[error("controllers speak nothing but TLS, expected https://HOST:PORT")]
    Plaintext,
    #[error("expected https://HOST:PORT")]
    Form,
}

impl Address {
    /// The URL.
    pub(crate) fn url(&self) -> &str {
        &self.text
    }

    /// What is resolved and dialled.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(super) fn server_name(&self) -> ServerName<'static> {
        self.name.clone()
    }
}

impl FromStr for Address {
    type Err = WrongAddress;

    fn from_str(text: &str) -> Result<Self, WrongAddress> {
        let uri: Uri = text.parse().map_err(|_| WrongAddress::Form)?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") => return Err(WrongAddress::Plaintext),
            Some(_) | None => return Err(WrongAddress::Form),
        }
        let authority = uri.authority().ok_or(WrongAddress::Form)?;
        if uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(WrongAddress::Form);
        }
        let port = authority.port_u16().ok_or(WrongAddress::Form)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| WrongAddress::Form)?;
        Ok(Self { text: text.trim_end_matches('/').to_owned(), host, port, name })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self {
            text: format!("https://{address}"),
            host: address.ip().to_string(),
            port: address.port(),
            name: ServerName::IpAddress(address.ip().into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read() {
        for (text, host, port) in [
            ("https://127.0.0.1:7400", "127.0.0.1", 7400),
            ("https://[::1]:7400/", "::1", 7400),
            ("https://cofi.example.org:443", "cofi.example.org", 443),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.host_and_port(), (host, port));
            assert_eq!(address.url(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn an_address_of_a_socket_is_the_same_as_its_text() {
        for text in ["127.0.0.1:7400", "[::1]:7400"] {
            let socket: SocketAddr = text.parse().unwrap();
            assert_eq!(format!("https://{text}").parse(), Ok(Address::from(socket)));
        }
    }

    #[test]
    fn what_is_not_encrypted_is_refused_with_its_own_words() {
        assert_eq!("http://127.0.0.1:7400".parse::<Address>(), Err(WrongAddress::Plaintext));
    }

    #[test]
    fn other_texts_are_refused() {
        let wrong = [
            "",
            "localhost:7400",
            "127.0.0.1",
            "https://127.0.0.1",
            "https://:7400",
            "https://a b:7400",
            "https://me@host:7400",
            "https://host:7400/path",
            "https://host:7400?query",
            "ftp://host:7400",
            "https://host:74000",
            "https://-host:7400",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Address>(), Err(WrongAddress::Form), "{text}");
        }
    }
}
