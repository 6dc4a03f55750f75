//! The authorities that are trusted: one, or two while one replaces the other.

use std::{fmt, sync::Arc};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use crate::{
    Facts, KeyHash,
    certificate::{Unreadable, parse},
    pem_file,
    pem_file::PemError,
};

/// Most authorities that are trusted at a time.
pub const MAX_AUTHORITIES: usize = 4;

/// Certificates of the authorities that are trusted, each key once, in the
/// order in which they were added.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustBundle(Vec<(KeyHash, CertificateDer<'static>)>);

/// Why certificates are no trust bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleUnusable {
    /// The text is not what was written.
    #[error("read the trusted authorities")]
    Pem(#[from] PemError),
    /// There are none, or too many.
    #[error("{0} trusted authorities, expected 1 to {MAX_AUTHORITIES}")]
    Count(usize),
    /// A certificate cannot be read.
    #[error("read the certificate of a trusted authority")]
    Certificate(#[from] Unreadable),
    /// A certificate is not one of an authority.
    #[error("a trusted certificate that is not one of an authority")]
    NoAuthority,
}

impl TrustBundle {
    /// Trust in the authorities with these certificates.
    pub fn new(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, BundleUnusable> {
        let mut bundle = Self(Vec::new());
        for (count, certificate) in (1..).zip(certificates) {
            if count > MAX_AUTHORITIES {
                return Err(BundleUnusable::Count(count));
            }
            bundle.add(certificate)?;
        }
        if bundle.0.is_empty() { Err(BundleUnusable::Count(0)) } else { Ok(bundle) }
    }

    /// Reads the certificates from PEM.
    pub fn from_pem(text: &[u8]) -> Result<Self, BundleUnusable> {
        Self::new(pem_file::read_certificates(text)?)
    }

    /// The certificates in PEM: what `grpcurl -cacert` reads.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let certificates: Vec<_> = self.certificates().cloned().collect();
        pem_file::write_certificates(&certificates)
    }

    /// The certificates, in DER.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.iter().map(|(_, certificate)| certificate)
    }

    /// The hashes of the authorities' public keys.
    pub fn key_hashes(&self) -> impl Iterator<Item = KeyHash> {
        self.0.iter().map(|(key, _)| *key)
    }

    /// Whether the authority with this key is trusted.
    #[must_use]
    pub fn trusts(&self, key: KeyHash) -> bool {
        self.key_hashes().any(|trusted| trusted == key)
    }

    /// This trust and that in the authority with `certificate`.
    pub fn with(&self, certificate: CertificateDer<'static>) -> Result<Self, BundleUnusable> {
        let mut more = self.clone();
        more.add(certificate)?;
        Ok(more)
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), BundleUnusable> {
        if !parse(&certificate)?.is_ca() {
            return Err(BundleUnusable::NoAuthority);
        }
        let key = Facts::of(&certificate)?.key;
        if self.trusts(key) {
            return Ok(());
        }
        if self.0.len() == MAX_AUTHORITIES {
            return Err(BundleUnusable::Count(self.0.len() + 1));
        }
        self.0.push((key, certificate));
        Ok(())
    }

    /// The form that TLS works with.
    pub(crate) fn for_tls(&self) -> Result<Arc<RootCertStore>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates() {
            roots.add(certificate.clone())?;
        }
        Ok(Arc::new(roots))
    }
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.key_hashes()).finish()
    }
}
