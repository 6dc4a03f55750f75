//! Machines that join.

use super::*;

fn joins(controller: &Controller, authority: &Authority) -> Arc<ClientConfig> {
    joining_client(authority.key_hash(), controller.clock.clone()).unwrap()
}

#[tokio::test]
async fn the_authority_of_the_token_is_enough() {
    let controller = Controller::new();
    let joins = joins(&controller, &controller.authority);
    for name in ["cofi.example.org", "localhost", "127.0.0.1", "::1"] {
        let seen = meet_as(&controller.control(), &joins, name).await;
        assert_eq!(seen.received, b"secret", "{name}");
        assert!(seen.client.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_of_another_authority() {
    let controller = Controller::new();
    let expected = Authority::create(START).unwrap();
    let seen = meet(&controller.control(), &joins(&controller, &expected)).await;
    assert_eq!(seen.refusals().1, Some(Refusal::Peer(Fault::OtherAuthority)));
    assert!(seen.server.is_err());
    assert!(seen.received.is_empty());
}

#[tokio::test]
async fn a_server_that_only_shows_the_authoritys_certificate_is_refused() {
    let controller = Controller::new();
    let impostor = Authority::create(START).unwrap();
    let fake = server_of(&impostor, START);
    // The certificate of an authority is no secret; everybody can put it
    // behind his own.
    let key = PrivateKey::from_pkcs8(fake.key().pkcs8()).unwrap();
    let chain = vec![fake.chain()[0].clone(), controller.authority.certificate().clone()];
    controller.shown.replace(&Credential::new(key, chain).unwrap()).unwrap();
    let seen = meet(&controller.control(), &joins(&controller, &controller.authority)).await;
    assert_eq!(seen.refusals().1, Some(Refusal::Peer(Fault::UnknownAuthority)));
    assert!(seen.received.is_empty());
}

#[tokio::test]
async fn an_agent_cannot_pose_as_the_controller() {
    let controller = Controller::new();
    let agent = controller.credential();
    let key = PrivateKey::from_pkcs8(agent.key().pkcs8()).unwrap();
    let chain = vec![agent.chain()[0].clone(), controller.authority.certificate().clone()];
    controller.shown.replace(&Credential::new(key, chain).unwrap()).unwrap();
    let seen = meet(&controller.control(), &joins(&controller, &controller.authority)).await;
    assert_eq!(seen.refusals().1, Some(Refusal::Peer(Fault::Unfit)));
    assert!(seen.received.is_empty());
}

#[tokio::test]
async fn a_name_that_the_certificate_does_not_hold_is_refused() {
    let controller = Controller::new();
    let joins = joins(&controller, &controller.authority);
    let seen = meet_as(&controller.control(), &joins, "other.example.org").await;
    assert_eq!(seen.refusals().1, Some(Refusal::Peer(Fault::OtherName)));
    assert!(seen.received.is_empty());
}
