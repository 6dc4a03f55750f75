//! PEM (RFC 7468), the form in which keys and certificates are kept in files.

use pem::{EncodeConfig, LineEnding, Pem};
use rustls_pki_types::{
    CertificateDer,
    pem::{PemObject as _, SectionKind},
};
use zeroize::Zeroizing;

use crate::{KeyError, PrivateKey};

/// Largest PEM text that is read.
pub(crate) const MAX_PEM_BYTES: usize = 64 * 1024;

/// Most certificates in one text.
const MAX_CERTIFICATES: usize = 8;

/// Why a PEM text is refused. What stands in it is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It is too long.
    #[error("more than {MAX_PEM_BYTES} bytes")]
    TooLong,
    /// It is not PEM.
    #[error("not PEM")]
    Malformed,
    /// It holds something that does not belong there.
    #[error("a section that is neither a certificate nor a private key in PKCS#8")]
    Section,
    /// It has no private key or several, or one where none belongs.
    #[error("{found} private keys, expected {expected}")]
    Keys {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// It has no certificate, or too many.
    #[error("{found} certificates, expected {least} to {MAX_CERTIFICATES}")]
    Certificates {
        /// How many there are.
        found: usize,
        /// The fewest there can be.
        least: usize,
    },
    /// The private key is not one of ours.
    #[error("a private key that is not P-256 in PKCS#8")]
    Key,
}

impl From<KeyError> for PemError {
    fn from(_: KeyError) -> Self {
        Self::Key
    }
}

/// What a PEM text holds, by kind.
#[derive(Default)]
struct Sections {
    keys: Vec<Zeroizing<Vec<u8>>>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Sections {
    fn read(text: &[u8]) -> Result<Self, PemError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(PemError::TooLong);
        }
        let mut sections = Self::default();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            match section.map_err(|_| PemError::Malformed)? {
                (SectionKind::PrivateKey, der) => sections.keys.push(Zeroizing::new(der)),
                (SectionKind::Certificate, der) => sections.certificates.push(der.into()),
                _ => return Err(PemError::Section),
            }
        }
        Ok(sections)
    }

    fn certificates(self, least: usize) -> Result<Vec<CertificateDer<'static>>, PemError> {
        match self.certificates.len() {
            found if (least..=MAX_CERTIFICATES).contains(&found) => Ok(self.certificates),
            found => Err(PemError::Certificates { found, least }),
        }
    }

    fn key(&self) -> Result<PrivateKey, PemError> {
        match self.keys.as_slice() {
            [key] => Ok(PrivateKey::from_pkcs8(key)?),
            keys => Err(PemError::Keys { found: keys.len(), expected: 1 }),
        }
    }
}

/// Reads one private key and `least` certificates or more.
pub(crate) fn read_key_and_certificates(
    text: &[u8],
    least: usize,
) -> Result<(PrivateKey, Vec<CertificateDer<'static>>), PemError> {
    let sections = Sections::read(text)?;
    Ok((sections.key()?, sections.certificates(least)?))
}

/// Reads one certificate or more, and nothing else.
pub(crate) fn read_certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let sections = Sections::read(text)?;
    match sections.keys.len() {
        0 => sections.certificates(1),
        found => Err(PemError::Keys { found, expected: 0 }),
    }
}

/// Writes a private key and then certificates.
pub(crate) fn write_key_and_certificates(
    key: &PrivateKey,
    certificates: &[CertificateDer<'_>],
) -> Zeroizing<String> {
    // The encoder's own copy of the key lives until the end of the statement
    // and is not overwritten.
    let mut text = Zeroizing::new(section("PRIVATE KEY", key.pkcs8()));
    // Growing a string would leave the key behind in the memory it outgrew.
    let certificates = write_certificates(certificates);
    let mut whole = Zeroizing::new(String::with_capacity(text.len() + certificates.len()));
    whole.push_str(&text);
    whole.push_str(&certificates);
    text.clear();
    whole
}

/// Writes certificates.
pub(crate) fn write_certificates(certificates: &[CertificateDer<'_>]) -> String {
    certificates.iter().map(|der| section("CERTIFICATE", der)).collect()
}

fn section(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}
