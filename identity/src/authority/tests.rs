use cofi_proto::AgentName;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::*;
use crate::{
    NotAnAgent::{Name, OtherNames, OtherUri},
    PeerIdentity,
};

const NOW: i64 = 1_800_000_000 * MICROS;

fn name() -> AgentName {
    "gpu-01".parse().unwrap()
}

fn agent_certificate(authority: &Authority, now: i64) -> AgentCertificate {
    authority.issue_agent(&name(), PrivateKey::generate().unwrap().public_key(), now, AGENT_LIFETIME).unwrap()
}

#[test]
fn an_authority_survives_being_written_down() {
    let authority = Authority::create(NOW).unwrap();
    let again = Authority::from_pem(authority.to_pem().as_bytes()).unwrap();
    assert_eq!(again.key_hash(), authority.key_hash());
    assert_eq!(again.certificate(), authority.certificate());
    assert_eq!(again.certificate().len(), authority.certificate().len());
}

#[test]
fn an_agents_certificate_names_it_and_nothing_else() {
    let authority = Authority::create(NOW).unwrap();
    let key = PrivateKey::generate().unwrap();
    let issued = authority.issue_agent(&name(), key.public_key(), NOW, AGENT_LIFETIME).unwrap();
    let (rest, parsed) = X509Certificate::from_der(&issued.der).unwrap();
    assert!(rest.is_empty());
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::URI("cofi://agent/gpu-01")]);
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    assert!(!parsed.is_ca());
    assert_eq!(Facts::of(&issued.der).unwrap().key, key.public_key().hash());
    assert_eq!(issued.validity.not_before_micros, NOW - 300 * MICROS);
    assert_eq!(issued.validity.not_after_micros, NOW + 30 * 86_400 * MICROS);
    let peer = PeerIdentity::from_certificates(&[issued.der]).unwrap();
    assert_eq!(peer.agent, name());
    assert_eq!(peer.serial, issued.serial);
    assert_eq!(peer.not_after_micros, issued.validity.not_after_micros);
}

#[test]
fn two_certificates_for_one_key_have_two_serial_numbers() {
    let authority = Authority::create(NOW).unwrap();
    let key = PrivateKey::generate().unwrap();
    let issue = || authority.issue_agent(&name(), key.public_key(), NOW, AGENT_LIFETIME).unwrap().serial;
    assert_ne!(issue(), issue());
}

#[test]
fn no_certificate_outlives_the_authority() {
    let authority = Authority::create(NOW).unwrap();
    let end = authority.validity().not_after_micros;
    let late = agent_certificate(&authority, end - 86_400 * MICROS);
    assert_eq!(late.validity.not_after_micros, end);
    let key = PrivateKey::generate().unwrap();
    let refused = authority.issue_agent(&name(), key.public_key(), end, AGENT_LIFETIME);
    assert!(matches!(refused, Err(IssueError::AuthorityExpired)));
}

#[test]
fn a_clock_that_is_far_off_is_an_error() {
    for now in [i64::MAX, i64::MIN] {
        assert!(matches!(Authority::create(now), Err(IssueError::Time { .. })), "{now}");
    }
}

#[test]
fn an_authority_that_was_tampered_with_is_refused() {
    let (one, other) = (Authority::create(NOW).unwrap(), Authority::create(NOW).unwrap());
    let mixed =
        pem_file::write_key_and_certificates(one.issuer.key(), std::slice::from_ref(other.certificate()));
    assert!(matches!(Authority::from_pem(mixed.as_bytes()), Err(AuthorityUnusable::OtherKey)));

    let key = PrivateKey::generate().unwrap();
    let agent = one.issue_agent(&name(), key.public_key(), NOW, AGENT_LIFETIME).unwrap();
    let promoted = pem_file::write_key_and_certificates(&key, &[agent.der]);
    assert!(matches!(Authority::from_pem(promoted.as_bytes()), Err(AuthorityUnusable::NoAuthority)));

    let pem = one.to_pem();
    for text in [&pem[..pem.len() / 2], "", &pem.repeat(2)] {
        assert!(matches!(Authority::from_pem(text.as_bytes()), Err(AuthorityUnusable::Pem(_))));
    }
}

#[test]
fn names_other_than_one_agents_are_no_identity() {
    let authority = Authority::create(NOW).unwrap();
    let key = PrivateKey::generate().unwrap();
    let named = |names: &[SanType]| {
        let mut params = authority.leaf(NOW, AGENT_LIFETIME).unwrap();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name.push(DnType::CommonName, "gpu-01");
        let der = params.signed_by(&key, &authority.issuer).unwrap().der().clone();
        PeerIdentity::from_certificate(&der)
    };
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let dns = SanType::DnsName("gpu-01".try_into().unwrap());
    let agent = uri("cofi://agent/gpu-01");
    assert!(named(std::slice::from_ref(&agent)).is_ok());
    assert_eq!(named(&[]), Err(OtherNames));
    assert_eq!(named(&[agent.clone(), agent.clone()]), Err(OtherNames));
    assert_eq!(named(&[agent.clone(), dns.clone()]), Err(OtherNames));
    assert_eq!(named(&[dns]), Err(OtherNames));
    assert_eq!(named(&[uri("cofi://server/gpu-01")]), Err(OtherUri));
    assert_eq!(named(&[uri("COFI://agent/gpu-01")]), Err(OtherUri));
    for wrong in ["", "a/b", "../x", "a b", "%61", "a\u{0}b", &"x".repeat(65)] {
        assert_eq!(named(&[uri(&format!("cofi://agent/{wrong}"))]), Err(Name), "{wrong}");
    }
    assert_eq!(PeerIdentity::from_certificates(&[]), Err(crate::NotAnAgent::NoCertificate));
}

mod mutated {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mutated_certificate_is_read_or_refused_without_a_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let authority = Authority::create(NOW).unwrap();
            let mut der = agent_certificate(&authority, NOW).der.to_vec();
            for (at, byte) in changes {
                let at = at.index(der.len());
                der[at] = byte;
            }
            let short = der[..cut.index(der.len())].to_vec();
            if let Ok(peer) = PeerIdentity::from_certificate(&der.into()) {
                prop_assert!(peer.agent.as_str().parse::<AgentName>().is_ok());
            }
            prop_assert!(PeerIdentity::from_certificate(&short.into()).is_err());
        }

        #[test]
        fn random_text_is_no_pem(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Authority::from_pem(&text).is_err());
            prop_assert!(crate::Credential::from_pem(&text).is_err());
            prop_assert!(crate::TrustBundle::from_pem(&text).is_err());
        }
    }
}
