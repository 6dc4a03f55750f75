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

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;
    use crate::{Authority, SERVER_LIFETIME, ServerNames, TrustBundle};

    fn server() -> (Authority, Credential) {
        let authority = Authority::create(1_800_000_000_000_000).unwrap();
        let names = ServerNames::new([]).unwrap();
        let server = authority.issue_server(&names, 1_800_000_000_000_000, SERVER_LIFETIME).unwrap();
        (authority, server)
    }

    #[test]
    fn a_credential_is_read_as_it_is_written() {
        let (_, server) = server();
        let again = Credential::from_pem(server.to_pem().as_bytes()).unwrap();
        assert_eq!(again.chain(), server.chain());
        assert_eq!(again.key().public_key(), server.key().public_key());
    }

    #[test]
    fn the_key_of_another_certificate_is_refused() {
        let (_, server) = server();
        let other = Credential::new(PrivateKey::generate().unwrap(), server.chain().to_vec());
        assert_eq!(other.unwrap_err(), CredentialUnusable::OtherKey);
        let none = Credential::new(PrivateKey::generate().unwrap(), Vec::new());
        assert_eq!(none.unwrap_err(), CredentialUnusable::Empty);
    }

    /// The secret scalar stands in a PKCS#8 document of ours at these bytes
    /// (RFC 5915, 3, inside RFC 5958, 2).
    #[test]
    fn no_debug_output_shows_a_key() {
        let (authority, server) = server();
        let shown = format!("{server:?} {:?} {authority:?}", server.key());
        for pem in [server.to_pem(), authority.to_pem()] {
            let (key, _) = pem_file::read_key_and_certificates(pem.as_bytes(), 0).unwrap();
            let secret = &key.pkcs8()[36..68];
            assert_eq!(key.pkcs8()[34..36], [0x04, 32], "an octet string of 32 bytes");
            let number = u64::from_be_bytes(*secret.first_chunk().unwrap());
            let list = format!("{:?}", &secret[..8]);
            for spelling in
                [list.trim_matches(['[', ']']), &format!("{number:016x}"), &STANDARD.encode(&secret[..9])]
            {
                assert!(!shown.contains(spelling), "{shown}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_mutated_text_is_read_or_refused_without_a_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let (_, server) = server();
            let mut text = server.to_pem().as_bytes().to_vec();
            for (at, byte) in changes {
                let at = at.index(text.len());
                text[at] = byte;
            }
            if let Ok(read) = Credential::from_pem(&text) {
                prop_assert_eq!(read.key().public_key(), server.key().public_key());
            }
            let short = &text[..cut.index(text.len())];
            prop_assert!(TrustBundle::from_pem(short).is_err(), "a private key is no trust");
        }
    }
}
