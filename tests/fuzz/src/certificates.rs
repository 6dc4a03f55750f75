//! Requests for certificates, certificates, and the PEM files of keys and
//! certificates.

use std::{sync::OnceLock, time::Duration};

use cofi_identity::{
    AGENT_LIFETIME, Authority, CertificateRequest, Credential, Facts, MAX_AUTHORITIES, MAX_REQUEST_BYTES,
    PeerIdentity, PrivateKey, Renewal, Serial, TrustBundle, Validity,
};
use cofi_proto::AgentName;
use rcgen::SigningKey as _;
use rustls_pki_types::CertificateDer;

use crate::{Kind, check_words, dispatch};

/// What an input may be.
pub const KINDS: &[Kind] = &[
    ("request", whole_request),
    ("signed_request", signed_request),
    ("certificate", certificate),
    ("pem", pem),
];

/// The target.
pub fn check(input: &[u8]) {
    dispatch(KINDS, input);
}

/// A key that is used for nothing else, in PKCS #8: what is signed with it must
/// be the same each time an input is tried.
const KEY: &[u8] = include_bytes!("../keys/request.p8");

/// The key that `signed_request` signs with.
///
/// # Panics
/// The file of the key is damaged.
#[must_use]
pub fn key() -> PrivateKey {
    PrivateKey::from_pkcs8(KEY).expect("the key of the fuzz targets")
}

/// A moment at which certificates are issued, in microseconds since 1970.
const NOW: i64 = 1_800_000_000_000_000;

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::create(NOW).expect("a new authority"))
}

fn whole_request(der: &[u8]) {
    request(der);
}

/// Whoever's request is accepted gets a certificate for that key and no other,
/// under the name that was decided on.
fn request(der: &[u8]) -> Option<CertificateRequest> {
    let request = CertificateRequest::parse(der).inspect_err(|error| check_words(error)).ok()?;
    assert!(der.len() <= MAX_REQUEST_BYTES);
    let mut longer = der.to_vec();
    longer.push(0);
    assert!(CertificateRequest::parse(&longer).is_err(), "something after it");
    assert!(CertificateRequest::parse(&der[..der.len() - 1]).is_err(), "cut off");

    let agent: AgentName = "gpu-01".parse().expect("a name");
    let key = request.public_key();
    let issued = authority().issue_agent(&agent, key, NOW, AGENT_LIFETIME).expect("a certificate");
    let peer = PeerIdentity::from_certificate(&issued.der).expect("an agent's certificate");
    assert_eq!((peer.agent, peer.serial), (agent, issued.serial));
    assert_eq!(Facts::of(&issued.der).map(|facts| facts.key), Ok(key.hash()));
    Some(request)
}

/// The content of a request (`CertificationRequestInfo`, RFC 2986 4.1), to which
/// a signature is made here: mutations of a whole request never get past its
/// own.
fn signed_request(info: &[u8]) {
    let key = key();
    let signature = key.sign(info).expect("a signature");
    let der = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(info);
            writer.next().write_sequence(|writer| {
                let ecdsa_with_sha256 = [1, 2, 840, 10045, 4, 3, 2];
                writer.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(&ecdsa_with_sha256));
            });
            writer.next().write_bitvec_bytes(&signature, signature.len() * 8);
        });
    });
    if let Some(request) = request(&der) {
        assert_eq!(request.public_key(), key.public_key(), "a request of who does not hold the key");
    }
}

/// Nothing is verified here, so that whatever can be read is looked at.
fn certificate(der: &[u8]) {
    let der = CertificateDer::from(der.to_vec());
    let facts = Facts::of(&der).inspect_err(|error| check_words(error)).ok();
    match PeerIdentity::from_certificate(&der) {
        Ok(peer) => {
            let facts = facts.expect("what an agent's certificate has as well");
            assert_eq!(peer.serial, facts.serial);
            assert_eq!(peer.not_after_micros, facts.validity.not_after_micros);
            assert_eq!(peer.agent.as_str().parse(), Ok(peer.agent.clone()));
            assert_eq!(
                PeerIdentity::from_certificates(&[der.clone(), CertificateDer::from(vec![])]),
                Ok(peer)
            );
        }
        Err(error) => check_words(&error),
    }
    if let Some(Facts { serial, validity, .. }) = facts {
        check_renewal(serial, validity);
    }
    match TrustBundle::new([der.clone(), der.clone()]) {
        Ok(bundle) => {
            let facts = facts.expect("what an authority's certificate has as well");
            assert!(bundle.certificates().eq([&der]), "each authority once");
            assert!(bundle.trusts(facts.key));
            check_bundle(&bundle);
        }
        Err(error) => check_words(&error),
    }
}

/// A certificate is never renewed at a moment that is past, nor after its last.
fn check_renewal(serial: Serial, validity: Validity) {
    for now in [validity.not_before_micros, NOW, validity.not_after_micros] {
        match validity.renewal(serial, now) {
            Renewal::At(moment) => assert!(now < moment && now <= validity.not_after_micros),
            Renewal::Due => assert!(now <= validity.not_after_micros),
            Renewal::TooLate => assert!(now > validity.not_after_micros),
        }
    }
}

fn check_bundle(bundle: &TrustBundle) {
    assert!((1..=MAX_AUTHORITIES).contains(&bundle.certificates().count()));
    assert_eq!(TrustBundle::from_pem(bundle.to_pem().as_bytes()).as_ref(), Ok(bundle));
}

/// A text is trust or a secret, never both, and reads back as it is written.
fn pem(text: &[u8]) {
    let bundle = TrustBundle::from_pem(text).inspect_err(|error| check_words(error)).ok();
    let credential = Credential::from_pem(text).inspect_err(|error| check_words(error)).ok();
    let authority = Authority::from_pem(text).inspect_err(|error| check_words(error)).ok();
    assert!(bundle.is_none() || (credential.is_none() && authority.is_none()), "a key that is trusted");
    if let Some(bundle) = bundle {
        check_bundle(&bundle);
    }
    if let Some(credential) = credential {
        let again = Credential::from_pem(credential.to_pem().as_bytes()).expect("what was written");
        assert_eq!(again.chain(), credential.chain());
        assert_eq!(again.key().public_key(), credential.key().public_key());
        assert_eq!(again.to_pem(), credential.to_pem());
    }
    if let Some(authority) = authority {
        let again = Authority::from_pem(authority.to_pem().as_bytes()).expect("what was written");
        assert_eq!(again.certificate(), authority.certificate());
        assert_eq!(again.key_hash(), authority.key_hash());
        let agent: AgentName = "gpu-01".parse().expect("a name");
        let key = key();
        // Its time may be over, or what it signs with be of another kind; then that is said.
        let issued = authority.issue_agent(&agent, key.public_key(), NOW, Duration::from_hours(1));
        issued.inspect_err(|error| check_words(error)).ok();
    }
}
