//! Requests for a certificate (PKCS#10, RFC 2986).
//!
//! A request says one thing: "I hold the private half of this key". Names and
//! extensions in it are not read at all; who the agent is says its token, or
//! the certificate that it renews.

use rcgen::{CertificateParams, DistinguishedName};
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256},
    prelude::{FromDer as _, X509CertificationRequest},
};

use crate::{PrivateKey, PublicKey};

/// Largest request that is read. One of ours has some 200 bytes.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefused {
    /// It is too long to be one.
    #[error("certificate request of {bytes} bytes, at most {MAX_REQUEST_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is not one PKCS#10 request in DER and nothing else.
    #[error("certificate request that is not PKCS#10 in DER")]
    Malformed,
    /// Its key or its signature is of another kind.
    #[error("certificate request with another key than ECDSA P-256, or signed otherwise than with SHA-256")]
    Algorithm,
    /// Its signature was not made with its key, or it was changed since.
    #[error("certificate request whose signature is wrong")]
    Signature,
}

/// Why a request could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write a certificate request")]
pub struct RequestUnwritten(#[from] rcgen::Error);

/// A request for a certificate whose signature is right: whoever made it holds
/// the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    key: PublicKey,
}

impl CertificateRequest {
    /// Writes the request for `key`, in DER.
    pub fn write(key: &PrivateKey) -> Result<Vec<u8>, RequestUnwritten> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(key)?.der().to_vec())
    }

    /// Reads a request and checks its signature.
    pub fn parse(der: &[u8]) -> Result<Self, RequestRefused> {
        if der.len() > MAX_REQUEST_BYTES {
            return Err(RequestRefused::TooLong { bytes: der.len() });
        }
        let (_, request) = X509CertificationRequest::from_der(der).map_err(|_| RequestRefused::Malformed)?;
        let key = &request.certification_request_info.subject_pki;
        let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        if key.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY
            || curve != Some(OID_EC_P256)
            || request.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256
        {
            return Err(RequestRefused::Algorithm);
        }
        if exact(&request) != der {
            return Err(RequestRefused::Malformed);
        }
        request.verify_signature().map_err(|_| RequestRefused::Signature)?;
        let key = PublicKey::from_point(&key.subject_public_key.data).ok_or(RequestRefused::Algorithm)?;
        Ok(Self { key })
    }

    /// The key that a certificate is asked for. Two requests for one key are
    /// the same request.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }
}

/// The one DER spelling of a request, with nothing after it. The signature
/// covers what it is about; the frame around that is read leniently.
fn exact(request: &X509CertificationRequest<'_>) -> Vec<u8> {
    let signature: &[u8] = &request.signature_value.data;
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(request.certification_request_info.raw);
            writer.next().write_sequence(|writer| {
                // ecdsa-with-SHA256, without parameters (RFC 5758, 3.2).
                writer
                    .next()
                    .write_oid(&yasna::models::ObjectIdentifier::from_slice(&[1, 2, 840, 10045, 4, 3, 2]));
            });
            writer.next().write_bitvec_bytes(signature, signature.len() * 8);
        });
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

    use super::*;

    #[test]
    fn a_request_carries_its_key() {
        let key = PrivateKey::generate().unwrap();
        let request = CertificateRequest::parse(&CertificateRequest::write(&key).unwrap()).unwrap();
        assert_eq!(request.public_key(), key.public_key());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let der = CertificateRequest::write(&PrivateKey::generate().unwrap()).unwrap();
        for bit in 0..der.len() * 8 {
            let mut tampered = der.clone();
            tampered[bit / 8] ^= 1 << (bit % 8);
            assert!(CertificateRequest::parse(&tampered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_key_put_into_the_request_of_another_is_refused() {
        let victim = PrivateKey::generate().unwrap();
        let der = CertificateRequest::write(&victim).unwrap();
        let point = rcgen::PublicKeyData::der_bytes(victim.public_key()).to_vec();
        let at = der.windows(point.len()).position(|window| window == point).unwrap();
        let thief = PrivateKey::generate().unwrap();
        let mut tampered = der;
        tampered[at..at + point.len()].copy_from_slice(rcgen::PublicKeyData::der_bytes(thief.public_key()));
        assert_eq!(CertificateRequest::parse(&tampered), Err(RequestRefused::Signature));
    }

    #[test]
    fn other_keys_and_other_lengths_are_refused() {
        let other = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let der = CertificateParams::default().serialize_request(&other).unwrap();
        assert_eq!(CertificateRequest::parse(der.der()), Err(RequestRefused::Algorithm));

        let mut longer = CertificateRequest::write(&PrivateKey::generate().unwrap()).unwrap();
        longer.push(0);
        assert_eq!(CertificateRequest::parse(&longer), Err(RequestRefused::Malformed));
        longer.resize(MAX_REQUEST_BYTES + 1, 0);
        let bytes = longer.len();
        assert_eq!(CertificateRequest::parse(&longer), Err(RequestRefused::TooLong { bytes }));
    }

    proptest! {
        #[test]
        fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(CertificateRequest::parse(&bytes).is_err());
        }

        #[test]
        fn a_mutated_request_is_refused_without_a_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = CertificateRequest::write(&PrivateKey::generate().unwrap()).unwrap();
            let mut der = whole.clone();
            for (at, byte) in changes {
                let at = at.index(der.len());
                der[at] = byte;
            }
            prop_assume!(der != whole);
            prop_assert!(CertificateRequest::parse(&der).is_err());
            prop_assert!(CertificateRequest::parse(&der[..cut.index(der.len())]).is_err());
        }
    }
}
