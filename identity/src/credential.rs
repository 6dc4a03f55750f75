//! A certificate together with its private key.

use std::{fmt, sync::Arc};

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::{Facts, PrivateKey, Serial, Validity, certificate::Unreadable, pem_file, pem_file::PemError};

/// A private key and the certificates that vouch for it, the one for the key
/// itself first. They are kept in one file, so that a crash cannot leave the
/// one of before beside the other of after.
pub struct Credential {
    key: PrivateKey,
    chain: Vec<CertificateDer<'static>>,
    facts: Facts,
}

/// Why key and certificates are no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialUnusable {
    /// The text is not what was written.
    #[error("read key and certificate")]
    Pem(#[from] PemError),
    /// There is no certificate.
    #[error("read key and certificate: the certificate is missing")]
    Empty,
    /// The first certificate cannot be read.
    #[error("read the certificate")]
    Certificate(#[from] Unreadable),
    /// The first certificate is for another key.
    #[error("read key and certificate: they do not belong together")]
    OtherKey,
}

impl Credential {
    /// Puts `key` and the certificates that vouch for it together.
    pub fn new(key: PrivateKey, chain: Vec<CertificateDer<'static>>) -> Result<Self, CredentialUnusable> {
        let facts = Facts::of(chain.first().ok_or(CredentialUnusable::Empty)?)?;
        if facts.key == key.public_key().hash() {
            Ok(Self { key, chain, facts })
        } else {
            Err(CredentialUnusable::OtherKey)
        }
    }

    /// Reads a credential from what [`to_pem`](Self::to_pem) wrote.
    pub fn from_pem(text: &[u8]) -> Result<Self, CredentialUnusable> {
        let (key, chain) = pem_file::read_key_and_certificates(text, 1)?;
        Self::new(key, chain)
    }

    /// Key and certificates in PEM.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem_file::write_key_and_certificates(&self.key, &self.chain)
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The certificates, the one for the key first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Serial number of the certificate for the key.
    #[must_use]
    pub fn serial(&self) -> Serial {
        self.facts.serial
    }

    /// When the certificate for the key is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.facts.validity
    }

    /// The form that TLS works with.
    pub(crate) fn for_tls(&self) -> Result<Arc<CertifiedKey>, rustls::Error> {
        Ok(Arc::new(CertifiedKey::new(self.chain.clone(), self.key.for_tls()?)))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("facts", &self.facts).finish_non_exhaustive()
    }
}
