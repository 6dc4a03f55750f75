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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, SERVER_LIFETIME, ServerNames};

    const NOW: i64 = 1_800_000_000_000_000;

    fn authorities<const COUNT: usize>() -> [Authority; COUNT] {
        std::array::from_fn(|_| Authority::create(NOW).unwrap())
    }

    fn bundle(authorities: &[Authority]) -> Result<TrustBundle, BundleUnusable> {
        TrustBundle::new(authorities.iter().map(|authority| authority.certificate().clone()))
    }

    #[test]
    fn a_bundle_is_read_as_it_is_written() {
        let [one, other, stranger] = authorities();
        let both = bundle(&[one, other]).unwrap();
        assert_eq!(TrustBundle::from_pem(both.to_pem().as_bytes()), Ok(both.clone()));
        assert_eq!(TrustBundle::new(both.certificates().cloned()), Ok(both.clone()));
        assert!(both.key_hashes().all(|key| both.trusts(key)));
        assert!(!both.trusts(stranger.key_hash()));
    }

    #[test]
    fn each_authority_is_trusted_once() {
        let [one] = authorities();
        let alone = bundle(std::slice::from_ref(&one)).unwrap();
        assert_eq!(alone.with(one.certificate().clone()), Ok(alone));
    }

    #[test]
    fn a_certificate_that_is_no_authority_is_not_trusted() {
        let [one] = authorities();
        let server = one.issue_server(&ServerNames::new([]).unwrap(), NOW, SERVER_LIFETIME).unwrap();
        assert_eq!(TrustBundle::new([server.chain()[0].clone()]), Err(BundleUnusable::NoAuthority));
        let noise = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(TrustBundle::new([noise]), Err(BundleUnusable::Certificate(Unreadable::Der)));
    }

    #[test]
    fn there_are_one_to_four() {
        let five = authorities::<5>();
        assert_eq!(bundle(&[]), Err(BundleUnusable::Count(0)));
        assert!(bundle(&five[..4]).is_ok());
        assert_eq!(bundle(&five), Err(BundleUnusable::Count(5)));
        let full = bundle(&five[..4]).unwrap();
        assert_eq!(full.with(five[4].certificate().clone()), Err(BundleUnusable::Count(5)));
    }
}
