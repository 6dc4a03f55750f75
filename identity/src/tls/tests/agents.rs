//! Agents and the listener for them.

use std::collections::HashSet;

use rustls::{HandshakeKind, client::Resumption};

use super::*;
use crate::Renewal;

const OWN: fn(Fault) -> Option<Refusal> = |fault| Some(Refusal::Own(fault));
const PEER: fn(Fault) -> Option<Refusal> = |fault| Some(Refusal::Peer(fault));

#[tokio::test]
async fn an_agent_is_known_by_its_certificate() {
    let controller = Controller::new();
    let credential = controller.credential();
    let seen = meet(&controller.agents(), &controller.agent(&credential)).await;
    let peer = seen.server.unwrap();
    assert_eq!(peer.agent.as_str(), "gpu-01");
    assert_eq!(peer.serial, credential.serial());
    assert_eq!(peer.not_after_micros, credential.validity().not_after_micros);
    assert_eq!(seen.received, b"secret");
    assert!(seen.client.is_ok());
}

#[tokio::test]
async fn nobody_gets_in_without_a_certificate() {
    let controller = Controller::new();
    let servers = Arc::new(TrustedServers::new(&trust(&[&controller.authority])).unwrap());
    let nobody = operator_client(servers, controller.clock.clone()).unwrap();
    let seen = meet(&controller.agents(), &nobody).await;
    assert_eq!(seen.refusals(), (PEER(Fault::Missing), OWN(Fault::Missing)));
    assert!(seen.received.is_empty());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let (controller, other) = (Controller::new(), Authority::create(START).unwrap());
    let foreign = credential_of(&other, START);
    let seen = meet(&controller.agents(), &controller.agent(&foreign)).await;
    assert_eq!(seen.refusals(), (PEER(Fault::UnknownAuthority), OWN(Fault::UnknownAuthority)));
}

#[tokio::test]
async fn an_agent_cannot_vouch_for_another() {
    let controller = Controller::new();
    let agent = controller.credential();
    // A certificate that the agent issues with its own key, under its name.
    let key = PrivateKey::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::URI("cofi://agent/gpu-02".try_into().unwrap())];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let serial = Serial::random().unwrap();
    params.serial_number = Some(rcgen::SerialNumber::from_slice(serial.as_bytes()));
    let issuer = rcgen::Issuer::from_ca_cert_der(&agent.chain()[0], agent.key()).unwrap();
    let forged = params.signed_by(&key, &issuer).unwrap().der().clone();
    let forged = Credential::new(key, vec![forged, agent.chain()[0].clone()]).unwrap();
    let seen = meet(&controller.agents(), &controller.agent(&forged)).await;
    assert!(matches!(seen.refusals().0, Some(Refusal::Peer(_))), "{:?}", seen.server);
}

#[tokio::test]
async fn the_controllers_own_certificate_does_not_make_an_agent() {
    let controller = Controller::new();
    let server = server_of(&controller.authority, START);
    let seen = meet(&controller.agents(), &controller.agent(&server)).await;
    assert_eq!(seen.refusals(), (PEER(Fault::Unfit), OWN(Fault::Unfit)));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_a_word_for_it() {
    let controller = Controller::new();
    let agent = controller.agent(&controller.credential());
    controller.clock.turn(30 * DAY);
    assert!(meet(&controller.agents(), &agent).await.server.is_ok());
    controller.clock.turn(1_000_000);
    let seen = meet(&controller.agents(), &agent).await;
    assert_eq!(seen.refusals(), (PEER(Fault::Expired), OWN(Fault::Expired)));
}

#[tokio::test]
async fn a_controller_that_is_five_minutes_behind_still_accepts() {
    let controller = Controller::new();
    let agent = controller.agent(&controller.credential());
    controller.clock.turn(-5 * 60 * 1_000_000);
    assert!(meet(&controller.agents(), &agent).await.server.is_ok());
    controller.clock.turn(-1_000_000);
    // The controller's own certificate is from the same moment, and the agent
    // asks the same clock.
    assert_eq!(meet(&controller.agents(), &agent).await.refusals().1, PEER(Fault::NotYetValid));
}

#[tokio::test]
async fn revocation_acts_at_the_next_handshake() {
    let controller = Controller::new();
    let (kept, revoked) = (controller.credential(), controller.credential());
    let listener = controller.agents();
    let client = controller.agent(&revoked);
    assert!(meet(&listener, &client).await.server.is_ok());
    controller.revocations.revoke([revoked.serial()]);
    let seen = meet(&listener, &client).await;
    assert_eq!(seen.refusals(), (PEER(Fault::Revoked), OWN(Fault::Revoked)));
    assert!(meet(&listener, &controller.agent(&kept)).await.server.is_ok());
}

#[tokio::test]
async fn a_client_that_wants_to_resume_is_verified_again() {
    let controller = Controller::new();
    let credential = controller.credential();
    let mut eager = (*controller.agent(&credential)).clone();
    eager.resumption = Resumption::in_memory_sessions(16);
    let (eager, listener) = (Arc::new(eager), controller.agents());
    for _ in 0..3 {
        assert!(meet(&listener, &eager).await.server.is_ok());
    }
    controller.revocations.revoke([credential.serial()]);
    assert_eq!(meet(&listener, &eager).await.refusals().0, PEER(Fault::Revoked));
}

/// Also of a controller that offers to resume.
#[tokio::test]
async fn an_agent_never_resumes() {
    let controller = Controller::new();
    let mut generous = (*controller.agents()).clone();
    generous.session_storage = rustls::server::ServerSessionMemoryCache::new(16);
    generous.send_tls13_tickets = 2;
    let (generous, agent) = (Arc::new(generous), controller.agent(&controller.credential()));
    let mut eager = (*agent).clone();
    eager.resumption = Resumption::in_memory_sessions(16);
    let eager = Arc::new(eager);
    for round in 0..3 {
        assert_eq!(meet(&generous, &agent).await.kind, Some(HandshakeKind::Full));
        let resumes = if round == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
        assert_eq!(meet(&generous, &eager).await.kind, Some(resumes), "so that the above says something");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_handshake_on() {
    let controller = Controller::new();
    let (old, new) = (controller.credential(), controller.credential());
    let shown = Arc::new(CurrentCredential::new(&old).unwrap());
    let servers = Arc::new(TrustedServers::new(&trust(&[&controller.authority])).unwrap());
    let client = agent_client(Arc::clone(&shown), servers, controller.clock.clone()).unwrap();
    let mut replaced = shown.replaced();
    assert_eq!(meet(&controller.agents(), &client).await.server.unwrap().serial, old.serial());
    shown.replace(&new).unwrap();
    tokio::time::timeout(Duration::from_secs(5), replaced.wait()).await.unwrap();
    assert_eq!(meet(&controller.agents(), &client).await.server.unwrap().serial, new.serial());
}

#[tokio::test]
async fn no_handshake_fails_while_the_servers_certificate_is_replaced() {
    let controller = Controller::new();
    let listener = controller.agents();
    let client = controller.agent(&controller.credential());
    let mut shown = HashSet::new();
    for _ in 0..20 {
        let next = server_of(&controller.authority, START);
        let (seen, ()) = tokio::join!(meet(&listener, &client), async {
            tokio::task::yield_now().await;
            controller.shown.replace(&next).unwrap();
        });
        shown.insert(seen.client.unwrap());
    }
    assert!(shown.len() > 10, "{}", shown.len());
}

/// The whole way from one authority to another, without a moment at which an
/// agent is shut out.
#[tokio::test]
async fn an_authority_is_replaced_step_by_step() {
    let controller = Controller::new();
    let (old, new) = (&controller.authority, Authority::create(START).unwrap());
    let listener = controller.agents();
    let servers = Arc::new(TrustedServers::new(&trust(&[old])).unwrap());
    let shown = Arc::new(CurrentCredential::new(&controller.credential()).unwrap());
    let client = agent_client(Arc::clone(&shown), Arc::clone(&servers), controller.clock.clone()).unwrap();
    let both = trust(&[old, &new]);

    controller.gate.replace_trust(&both).unwrap();
    servers.replace_trust(&both).unwrap();
    assert!(meet(&listener, &client).await.server.is_ok());

    shown.replace(&credential_of(&new, START)).unwrap();
    assert!(meet(&listener, &client).await.server.is_ok());

    controller.shown.replace(&server_of(&new, START)).unwrap();
    assert!(meet(&listener, &client).await.server.is_ok());

    controller.gate.replace_trust(&trust(&[&new])).unwrap();
    servers.replace_trust(&trust(&[&new])).unwrap();
    assert!(meet(&listener, &client).await.server.is_ok());
    let late = controller.agent(&controller.credential());
    assert_eq!(meet(&listener, &late).await.refusals().1, PEER(Fault::UnknownAuthority));
}

#[tokio::test]
async fn renewal_keeps_both_sides_going_over_ten_lifetimes() {
    let controller = Controller::new();
    let (mut own, mut server) = (controller.credential(), server_of(&controller.authority, START));
    let shown = Arc::new(CurrentCredential::new(&own).unwrap());
    let servers = Arc::new(TrustedServers::new(&trust(&[&controller.authority])).unwrap());
    let client = agent_client(Arc::clone(&shown), servers, controller.clock.clone()).unwrap();
    let (listener, mut renewals) = (controller.agents(), 0);
    for _ in 0..300 {
        controller.clock.turn(DAY);
        let now = controller.clock.now_micros();
        if own.validity().renewal(own.serial(), now) == Renewal::Due {
            own = controller.credential();
            shown.replace(&own).unwrap();
            renewals += 1;
        }
        if server.validity().renewal(server.serial(), now) == Renewal::Due {
            server = server_of(&controller.authority, now);
            controller.shown.replace(&server).unwrap();
        }
        assert_eq!(meet(&listener, &client).await.server.unwrap().serial, own.serial());
    }
    assert!((27..=30).contains(&renewals), "{renewals}");
    controller.clock.turn(31 * DAY);
    assert_eq!(own.validity().renewal(own.serial(), controller.clock.now_micros()), Renewal::TooLate);
}
