//! The names that the controller's certificate is for.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rcgen::SanType;
use rustls_pki_types::{CertificateDer, DnsName};
use x509_parser::prelude::GeneralName;

use crate::certificate::parse;

/// The names under which the controller can be dialled: `localhost`, the
/// loopback addresses, and those that were configured. Sorted, each one once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNames(Vec<HostName>);

/// A host's name or address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum HostName {
    Dns(String),
    Address(IpAddr),
}

/// A name that no certificate can be for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server name {name} is not accepted, expected a DNS name without wildcard, or an IP address")]
pub struct WrongServerName {
    /// What was configured, escaped.
    pub name: String,
}

impl ServerNames {
    /// Loopback and `configured`.
    pub fn new<'a>(configured: impl IntoIterator<Item = &'a str>) -> Result<Self, WrongServerName> {
        let loopback = [
            HostName::Dns("localhost".to_owned()),
            HostName::Address(Ipv4Addr::LOCALHOST.into()),
            HostName::Address(Ipv6Addr::LOCALHOST.into()),
        ];
        let mut names = Vec::from(loopback);
        for name in configured {
            names.push(HostName::parse(name)?);
        }
        names.sort();
        names.dedup();
        Ok(Self(names))
    }

    /// The names in the form that a certificate holds them.
    pub(crate) fn alternatives(&self) -> Result<Vec<SanType>, rcgen::Error> {
        let alternative = |name: &HostName| match name {
            HostName::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
            HostName::Address(address) => Ok(SanType::IpAddress(*address)),
        };
        self.0.iter().map(alternative).collect()
    }

    /// Whether the certificate in `der` is for these names and no others.
    pub(crate) fn are_those_of(&self, der: &CertificateDer<'_>) -> bool {
        let Ok(certificate) = parse(der) else { return false };
        let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return false };
        let names: Option<Vec<_>> =
            alternatives.value.general_names.iter().map(HostName::from_certificate).collect();
        names.is_some_and(|mut names| {
            names.sort();
            names == self.0
        })
    }
}

impl fmt::Display for ServerNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { ", " })?;
            match name {
                HostName::Dns(name) => f.write_str(name)?,
                HostName::Address(address) => address.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl HostName {
    fn from_certificate(name: &GeneralName<'_>) -> Option<Self> {
        if let GeneralName::DNSName(name) = name {
            return Some(Self::Dns((*name).to_owned()));
        }
        let GeneralName::IPAddress(bytes) = name else { return None };
        let four = || Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?));
        let sixteen = || Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?));
        four().or_else(sixteen).map(Self::Address)
    }

    fn parse(name: &str) -> Result<Self, WrongServerName> {
        let wrong = || WrongServerName { name: name.escape_debug().to_string() };
        if let Ok(address) = name.parse() {
            return Ok(Self::Address(address));
        }
        // The type of names to dial: it knows no wildcards. A dot at the end
        // is good for dialling, but certificates do not hold it.
        let name = name.to_ascii_lowercase();
        match DnsName::try_from(name.as_str()) {
            Ok(_) if !name.ends_with('.') => Ok(Self::Dns(name)),
            Ok(_) | Err(_) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_always_among_them() {
        assert_eq!(ServerNames::new([]).unwrap().to_string(), "localhost, 127.0.0.1, ::1");
    }

    #[test]
    fn order_and_case_make_no_difference() {
        let one = ServerNames::new(["Cofi.Example.org", "10.0.0.1"]).unwrap();
        let other = ServerNames::new(["10.0.0.1", "cofi.example.org", "cofi.example.org"]).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn what_is_no_name_of_a_host_is_refused() {
        for wrong in ["", "*.example.org", "a b", "host:7400", "https://host", "-a", "a..b", "ä", "host."] {
            assert!(ServerNames::new([wrong]).is_err(), "{wrong}");
        }
    }
}
