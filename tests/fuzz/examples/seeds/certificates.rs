//! Requests and certificates as the programs make them.

use std::{io, time::Duration};

use cofi_fuzz::certificates::key;
use cofi_identity::{
    AGENT_LIFETIME, Authority, CertificateRequest, SERVER_LIFETIME, ServerNames, TrustBundle,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, SanType,
};

use super::Corpus;

const NOW: i64 = 1_800_000_000_000_000;

/// A request for the key of the fuzz targets.
pub(super) fn request() -> Vec<u8> {
    CertificateRequest::write(&key()).expect("a request")
}

pub(super) fn write(corpus: &Corpus) -> io::Result<()> {
    corpus.add("request", "usual", &request())?;
    corpus.add("request", "p384", &foreign_request())?;
    corpus.add("signed_request", "usual", content(&request()))?;
    let request = full().serialize_request(&key()).expect("a request");
    corpus.add("signed_request", "names_and_extensions", content(request.der()))?;

    let authority = Authority::create(NOW).expect("an authority");
    let other = Authority::create(NOW).expect("an authority");
    let names = ServerNames::new(["cofi.example.org", "10.0.0.1"]).expect("names");
    let server = authority.issue_server(&names, NOW, SERVER_LIFETIME).expect("a certificate");
    let agent = "gpu-01.rack_2".parse().expect("a name");
    let issued =
        authority.issue_agent(&agent, key().public_key(), NOW, AGENT_LIFETIME).expect("a certificate");
    let short = authority.issue_agent(&agent, key().public_key(), NOW, Duration::from_secs(5));
    corpus.add("certificate", "agent", &issued.der)?;
    corpus.add("certificate", "short_lived", &short.expect("a certificate").der)?;
    corpus.add("certificate", "server", &server.chain()[0])?;
    corpus.add("certificate", "authority", authority.certificate())?;
    let mut foreign = full();
    foreign.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let foreign = KeyPair::generate().and_then(|key| foreign.self_signed(&key)).expect("a certificate");
    corpus.add("certificate", "foreign", foreign.der())?;

    let both = [authority.certificate().clone(), other.certificate().clone()];
    let bundle = TrustBundle::new(both).expect("trust");
    corpus.add("pem", "trust", bundle.to_pem().as_bytes())?;
    corpus.add("pem", "server", server.to_pem().as_bytes())?;
    corpus.add("pem", "authority", authority.to_pem().as_bytes())
}

/// A request for a key of another kind.
fn foreign_request() -> Vec<u8> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    CertificateParams::default().serialize_request(&key).expect("a request").der().to_vec()
}

/// What a request says, without the signature: the first element of the outer
/// sequence (RFC 2986, 4.2).
fn content(request: &[u8]) -> &[u8] {
    let (outer, _) = header(request);
    let (inner, length) = header(&request[outer..]);
    &request[outer..outer + inner + length]
}

/// Bytes of an element's header, and of its content.
fn header(der: &[u8]) -> (usize, usize) {
    match der {
        [0x30, 0x81, length, ..] => (3, usize::from(*length)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        [0x30, length @ ..=0x7f, ..] => (2, usize::from(*length)),
        _ => panic!("no short sequence"),
    }
}

/// With much that a certificate may have and ours have not.
fn full() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "gpu-01");
    params.distinguished_name.push(DnType::OrganizationName, "Ünlü Örgüt");
    params.subject_alt_names = vec![
        SanType::DnsName("cofi.example.org".try_into().expect("a name")),
        SanType::URI("cofi://agent/gpu-01".try_into().expect("a name")),
        SanType::IpAddress([10, 0, 0, 1].into()),
        SanType::Rfc822Name("operator@example.org".try_into().expect("a name")),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Any];
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0])];
    params
}
