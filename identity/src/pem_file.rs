//! PEM (RFC 7468), the form in which keys and certificates are kept in files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{
    CertificateDer,
    pem::{PemObject as _, SectionKind},
};
use zeroize::Zeroizing;

use crate::{KeyError, PrivateKey};

/// Largest PEM text that is read.
pub(crate) const MAX_PEM_BYTES: usize = 64 * 1024;

/// What the section of a private key is called.
const PRIVATE_KEY: &str = "PRIVATE KEY";

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
    let certificates = write_certificates(certificates);
    // All the room at once: a string that grows leaves copies behind.
    let room = section_bytes(PRIVATE_KEY, key.pkcs8()) + certificates.len();
    let mut text = Zeroizing::new(String::with_capacity(room));
    write_section(PRIVATE_KEY, key.pkcs8(), &mut text);
    text.push_str(&certificates);
    text
}

/// Writes certificates.
pub(crate) fn write_certificates(certificates: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for der in certificates {
        write_section("CERTIFICATE", der, &mut text);
    }
    text
}

/// Characters of base64 in a line.
const LINE: usize = 64;

fn write_section(label: &str, der: &[u8], text: &mut String) {
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, others) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = others;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
}

/// How long a section gets.
fn section_bytes(label: &str, der: &[u8]) -> usize {
    let encoded = der.len().div_ceil(3) * 4;
    let frame = "-----BEGIN -----\n-----END -----\n".len() + 2 * label.len();
    frame + encoded + encoded.div_ceil(LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_as_long_as_was_reckoned_and_reads_back() {
        for length in [0, 1, 47, 48, 49, 138, 1000] {
            let der = vec![7; length];
            let mut text = String::new();
            write_section("CERTIFICATE", &der, &mut text);
            assert_eq!(text.len(), section_bytes("CERTIFICATE", &der), "{length}");
            assert!(text.lines().all(|line| line.len() <= LINE));
            assert_eq!(read_certificates(text.as_bytes()).unwrap(), [CertificateDer::from(der)]);
        }
    }

    #[test]
    fn texts_that_hold_something_else_are_refused() {
        let key = PrivateKey::generate().unwrap();
        let pem = write_key_and_certificates(&key, &[]);
        assert_eq!(read_certificates(pem.as_bytes()), Err(PemError::Keys { found: 1, expected: 0 }));
        let refused = |text: &str, least| read_key_and_certificates(text.as_bytes(), least).unwrap_err();
        assert_eq!(refused(&pem, 1), PemError::Certificates { found: 0, least: 1 });
        assert_eq!(refused(&pem.repeat(2), 0), PemError::Keys { found: 2, expected: 1 });
        assert_eq!(refused(&pem.replace("PRIVATE KEY", "EC PRIVATE KEY"), 0), PemError::Section);
        assert_eq!(refused(&pem.replacen("\nM", "\n!", 1), 0), PemError::Malformed);
        assert_eq!(refused(&pem.replacen("\nM", "\nN", 1), 0), PemError::Key);
        assert_eq!(refused(&" ".repeat(MAX_PEM_BYTES + 1), 0), PemError::TooLong);
        let many = write_certificates(&vec![CertificateDer::from(vec![0]); 9]);
        assert_eq!(read_certificates(many.as_bytes()), Err(PemError::Certificates { found: 9, least: 1 }));
    }
}
