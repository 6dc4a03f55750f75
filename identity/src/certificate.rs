//! What stands in a certificate.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{KeyHash, Serial};

/// Microseconds in a second: certificates count seconds, a
/// [`Clock`](cofi_proto::clock::Clock) microseconds.
pub(crate) const MICROS: i64 = 1_000_000;

/// From when until when a certificate is valid, in microseconds since
/// 1970-01-01 UTC, both ends included and a multiple of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before_micros: i64,
    /// The last moment.
    pub not_after_micros: i64,
}

impl Validity {
    /// Whether the certificate is valid at `now_micros`, in microseconds since
    /// 1970-01-01 UTC.
    #[must_use]
    pub fn holds_at(&self, now_micros: i64) -> bool {
        (self.not_before_micros..=self.not_after_micros).contains(&now_micros)
    }
}

/// Why a certificate cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not one certificate in DER and nothing else.
    #[error("not a certificate in DER")]
    Der,
    /// Its serial number is not of the kind that Cofi gives.
    #[error("certificate with a serial number that is none of ours")]
    Serial,
}

/// The parts of a certificate that every kind of ours has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its serial number.
    pub serial: Serial,
    /// When it is valid.
    pub validity: Validity,
    /// The hash of its public key.
    pub key: KeyHash,
}

impl Facts {
    /// Reads `der`, a certificate in DER. Nothing is verified.
    pub fn of(der: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        Self::from_parsed(&parse(der)?)
    }

    pub(crate) fn from_parsed(certificate: &X509Certificate<'_>) -> Result<Self, Unreadable> {
        let validity = certificate.validity();
        Ok(Self {
            serial: Serial::from_bytes(certificate.raw_serial()).map_err(|_| Unreadable::Serial)?,
            validity: Validity {
                not_before_micros: validity.not_before.timestamp().saturating_mul(MICROS),
                not_after_micros: validity.not_after.timestamp().saturating_mul(MICROS),
            },
            key: KeyHash::of_spki(certificate.public_key().raw),
        })
    }
}

/// Parses one certificate, with nothing after it.
pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Unreadable> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(Unreadable::Der),
    }
}
