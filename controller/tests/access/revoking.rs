//! What ends: certificates and tokens that are revoked or expire, with the
//! streams that they opened; and what is replaced while everything goes on.

use std::time::{Duration, Instant};

use cofi_controller::config::Keys;
use cofi_identity::PrivateKey;
use cofi_proto::pb::{
    agent::{
        self, FromAgent, Heartbeat, Hello, agent_service_client::AgentServiceClient, from_agent,
        identity_service_client::IdentityServiceClient,
    },
    v1::{RevokeAgentRequest, RevokeTokenRequest, TokenKind},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::house::{House, Machine, Token, dial, trusting};

/// Opens a session, and keeps it open by what it gives back.
async fn session(
    machine: &Machine,
    name: &str,
) -> (mpsc::Sender<FromAgent>, Streaming<agent::FromController>) {
    let (up, messages) = mpsc::channel(4);
    let engine = agent::Engine { state: agent::EngineState::Ready.into(), ..Default::default() };
    let hello = Hello {
        protocol: cofi_proto::limits::PROTOCOL,
        version: "test".to_owned(),
        name: name.to_owned(),
        storage_id: uuid::Uuid::new_v4().to_string(),
        local_address: "127.0.0.1".to_owned(),
        weight: 100,
        receive_connections: 1,
        heartbeat: Some(Heartbeat { engine: Some(engine), ..Default::default() }),
        verifies: true,
        ..Default::default()
    };
    up.send(FromAgent { message: Some(from_agent::Message::Hello(hello)) }).await.unwrap();
    let mut client = AgentServiceClient::new(machine.dial().await.unwrap());
    let mut down = client.session(ReceiverStream::new(messages)).await.unwrap().into_inner();
    assert!(down.message().await.unwrap().is_some(), "no welcome");
    (up, down)
}

/// Waits for the end of a stream, and says how long it took.
async fn until_cut<T>(stream: &mut Streaming<T>) -> Duration {
    let begun = Instant::now();
    timeout(Duration::from_secs(20), async { while let Ok(Some(_)) = stream.message().await {} })
        .await
        .unwrap();
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_revoked_is_cut_at_once_and_for_good() {
    let mut house = House::open().await;
    let (machine, other) = (house.joined("gpu-01").await, house.joined("gpu-02").await);
    let (_up, mut down) = session(&machine, "gpu-01").await;
    let (_other_up, mut other_down) = session(&other, "gpu-02").await;
    // A connection without a session goes as well.
    let mut idle = IdentityServiceClient::new(machine.dial().await.unwrap());
    idle.get_trust(agent::GetTrustRequest {}).await.unwrap();

    let request = RevokeAgentRequest { name: "gpu-01".to_owned(), reason: "sold".to_owned() };
    let answer = house.access().await.revoke_agent(request.clone()).await.unwrap().into_inner();
    assert_eq!(answer.revoked_certificates, 1);
    let took = until_cut(&mut down).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(idle.get_trust(agent::GetTrustRequest {}).await.is_err());
    assert!(!machine.is_let_in().await);
    assert!(other.is_let_in().await);
    assert!(
        timeout(Duration::from_millis(300), other_down.message()).await.is_err(),
        "another agent was cut"
    );
    // Again: nothing more. Also after a restart.
    let answer = house.access().await.revoke_agent(request).await.unwrap().into_inner();
    assert_eq!(answer.revoked_certificates, 0);
    house.restart().await;
    assert!(!machine.is_let_in().await);
    // The way back.
    assert!(house.joined("gpu-01").await.is_let_in().await);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_outlives_its_certificate_and_a_renewed_one_goes_on() {
    let keys = Keys { agent_certificate_seconds: Some(5), ..Keys::default() };
    let mut house = House::open_with(keys).await;
    let machine = house.joined("gpu-01").await;
    let begun = Instant::now();
    let (_up, mut down) = session(&machine, "gpu-01").await;
    // A renewed certificate is good for longer.
    let key = PrivateKey::generate().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut calls = IdentityServiceClient::new(machine.dial().await.unwrap());
    let request = agent::RenewRequest {
        certificate_request: cofi_identity::CertificateRequest::write(&key).unwrap().into(),
    };
    let renewed = calls.renew(request.clone()).await.unwrap().into_inner();
    assert_eq!(calls.renew(request).await.unwrap().into_inner(), renewed, "asked again with the same key");
    let renewed = house.machine(key, renewed.certificate.to_vec());
    until_cut(&mut down).await;
    let lived = begun.elapsed();
    assert!(lived > Duration::from_secs(3) && lived < Duration::from_secs(10), "{lived:?}");
    assert!(!machine.is_let_in().await, "an expired certificate");
    assert!(renewed.is_let_in().await, "a renewed certificate");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_token_that_opened_them() {
    let mut house = House::open().await;
    let revoked = house.access_token(TokenKind::Viewer, 0).await;
    let expires = house.access_token(TokenKind::Viewer, 2).await;
    let stays = house.access_token(TokenKind::Viewer, 0).await;
    let mut streams = Vec::new();
    for token in [&revoked, &expires, &stays] {
        let mut client = HealthClient::new(house.control(Token::of(&token.secret)).await);
        let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert!(stream.message().await.unwrap().is_some());
        streams.push((client, stream));
    }
    let token_id = revoked.token.unwrap().token_id;
    house.access().await.revoke_token(RevokeTokenRequest { token_id }).await.unwrap();
    for (_, stream) in streams.iter_mut().take(2) {
        let ended = timeout(Duration::from_secs(5), stream.message()).await.unwrap();
        assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated);
    }
    let (client, stream) = streams.last_mut().unwrap();
    assert!(timeout(Duration::from_millis(300), stream.message()).await.is_err(), "a good token's stream");
    assert!(client.check(HealthCheckRequest::default()).await.is_ok());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controllers_authority_is_replaced_without_a_restart_and_without_a_failed_call() {
    let mut house = House::open().await;
    let machine = house.joined("gpu-01").await;
    let (_up, mut down) = session(&machine, "gpu-01").await;
    let mut calls = IdentityServiceClient::new(machine.dial().await.unwrap());
    let before = calls.get_trust(agent::GetTrustRequest {}).await.unwrap().into_inner();

    let now = || cofi_proto::clock::Clock::now_micros(&cofi_proto::clock::SystemClock);
    let both = house.files().announce_successor(now()).unwrap();
    let announced = until_told(&mut calls, &before.trusted_authorities).await;
    assert_eq!(announced, both.to_pem());
    // The one of before is trusted by agents that have not heard yet.
    assert!(machine.is_let_in().await);
    house.files().install_successor().unwrap();
    let old_trust = std::mem::replace(&mut house.trust, both);
    machine.servers.replace_trust(&house.trust).unwrap();
    // New handshakes show the new certificate within a look or two; who trusts
    // both gets in all the time.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        house.access().await;
        calls.get_trust(agent::GetTrustRequest {}).await.unwrap();
        assert!(machine.is_let_in().await);
        if dial(house.control, trusting(&old_trust)).await.is_err() {
            break;
        }
        assert!(Instant::now() < deadline, "the successor never took over");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(timeout(Duration::from_millis(300), down.message()).await.is_err(), "the session was cut");
    // Who joins now has a certificate of the new authority, and agents of
    // before are let in until their authority is forgotten.
    assert!(house.joined("gpu-02").await.is_let_in().await);
    house.end().await;
}

async fn until_told(calls: &mut IdentityServiceClient<tonic::transport::Channel>, before: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let told = calls.get_trust(agent::GetTrustRequest {}).await.unwrap().into_inner().trusted_authorities;
        if told != before {
            return told;
        }
        assert!(Instant::now() < deadline, "the successor was never announced");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
