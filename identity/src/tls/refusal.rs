//! Why a connection was refused, out of the errors that programs see.
//!
//! The end that refuses has an error of its own; the other one sees an alert,
//! in TLS 1.3 only after it believes the handshake done, as the error of its
//! first read. gRPC wraps either several times over.

use std::{error::Error, fmt, io};

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::OtherAuthority;

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The other side refused the certificate of this one.
    Own(Fault),
    /// This side refused the certificate of the other one.
    Peer(Fault),
    /// The two do not speak the same version of TLS, or not HTTP/2 inside.
    Incompatible,
    /// The other side does not speak TLS at all.
    NotTls,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It has expired. Of one's own: or it is not valid yet, which the alert
    /// does not tell apart.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It was revoked.
    Revoked,
    /// No trusted authority issued it.
    UnknownAuthority,
    /// Another authority than the join token's issued it.
    OtherAuthority,
    /// It is for other names than the one that was dialled.
    OtherName,
    /// There is none.
    Missing,
    /// It is for another use, damaged, or names no agent.
    Unfit,
}

impl Fault {
    /// The fault as a word, for counting.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::UnknownAuthority => "unknown_authority",
            Self::OtherAuthority => "other_authority",
            Self::OtherName => "other_name",
            Self::Missing => "missing",
            Self::Unfit => "unfit",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Expired => "has expired",
            Self::NotYetValid => "is not valid yet",
            Self::Revoked => "was revoked",
            Self::UnknownAuthority => "is from an authority that is not trusted",
            Self::OtherAuthority => "is from another authority than the token's",
            Self::OtherName => "is for other names than the one that was dialled",
            Self::Missing => "is missing",
            Self::Unfit => "is not fit for this use",
        }
    }
}

impl Refusal {
    /// Looks for a refusal in `error` and what caused it.
    #[must_use]
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return Self::of(error);
            }
            // An error in an `io::Error` is not its source.
            let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = inside.map(|inside| -> &(dyn Error + 'static) { inside }).or_else(|| error.source());
        }
        None
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "of the library's many errors these are about the other side"
    )]
    fn of(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            rustls::Error::InvalidCertificate(error) => Some(Self::Peer(fault(error))),
            rustls::Error::NoCertificatesPresented => Some(Self::Peer(Fault::Missing)),
            rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
                Some(Self::Incompatible)
            }
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Some(Self::NotTls),
            _ => None,
        }
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "of the many alerts these are about certificates or versions"
    )]
    fn of_alert(alert: AlertDescription) -> Option<Self> {
        match alert {
            AlertDescription::CertificateExpired => Some(Self::Own(Fault::Expired)),
            AlertDescription::CertificateRevoked => Some(Self::Own(Fault::Revoked)),
            AlertDescription::UnknownCA => Some(Self::Own(Fault::UnknownAuthority)),
            AlertDescription::CertificateRequired => Some(Self::Own(Fault::Missing)),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => Some(Self::Own(Fault::Unfit)),
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::NoApplicationProtocol => Some(Self::Incompatible),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(Fault::Expired) => {
                f.write_str("the certificate of this side has expired or is not valid yet")
            }
            Self::Own(fault) => write!(f, "the certificate of this side {}", fault.words()),
            Self::Peer(fault) => write!(f, "the certificate of the other side {}", fault.words()),
            Self::Incompatible => f.write_str("the other side speaks no tls 1.3 with http/2 inside"),
            Self::NotTls => f.write_str("the other side speaks no tls"),
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "whatever else is wrong with a certificate, it is unfit")]
fn fault(error: &CertificateError) -> Fault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Fault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Fault::NotYetValid,
        CertificateError::Revoked => Fault::Revoked,
        // Two authorities differ in their names; a signature that fails under
        // a known name is as foreign as an unknown name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::UnknownAuthority,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Fault::OtherName
        }
        CertificateError::Other(other) if other.0.is::<OtherAuthority>() => Fault::OtherAuthority,
        _ => Fault::Unfit,
    }
}
