//! Every call, by everyone, over the wire.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cofi_identity::{
    Authority, Credential, PrivateKey, tls::joining_client, token::AccessToken, token::Role,
};
use cofi_proto::{
    clock::{Clock, SystemClock},
    pb::{self, v1::TokenKind},
};
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Request, Status, client::Grpc};
use tonic_prost::ProstCodec;

use super::house::{Called, House, Machine, Token, dial};

/// The calls that a compiled set of definitions has, by path.
fn defined(descriptors: &[u8]) -> Vec<String> {
    let set = FileDescriptorSet::decode(descriptors).unwrap();
    let mut calls = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                calls.push(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    calls
}

fn all_calls() -> Vec<String> {
    let sets = [
        pb::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    sets.into_iter().flat_map(defined).collect()
}

/// Who may make which call, said once more: what is in neither list is for
/// operators alone.
const ANYONE: [&str; 2] = ["/cofi.v1.EnrolmentService/Enrol", "/grpc.health.v1.Health/Check"];
const VIEWERS: [&str; 13] = [
    "/cofi.v1.BatchService/GetBatch",
    "/cofi.v1.BatchService/ListBatches",
    "/cofi.v1.BatchService/WatchBatch",
    "/cofi.v1.BatchService/ListRecordings",
    "/cofi.v1.CallService/ListCalls",
    "/cofi.v1.ExplainService/ExplainBatch",
    "/cofi.v1.ExplainService/ExplainRecording",
    "/cofi.v1.ExplainService/ExplainAgent",
    "/cofi.v1.FleetService/ListAgents",
    "/cofi.v1.FleetService/GetAgent",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

fn is_of_agents(path: &str) -> bool {
    path.starts_with("/cofi.agent.")
}

/// Makes a call with an empty request, as a stream both ways: how it was
/// answered, as far as letting in goes. Of a refusal by the guard the code;
/// whatever a service says means that it was reached.
async fn ask(called: &Called, path: &str) -> Option<Code> {
    let mut client = Grpc::new(called.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let request = Request::new(tokio_stream::once(()));
    let asking = client.streaming(request, path, codec);
    // What waits for more than an empty request was reached.
    let Ok(answered) = tokio::time::timeout(Duration::from_secs(2), asking).await else { return None };
    answered.err().and_then(|status| refusal(&status))
}

fn refusal(status: &Status) -> Option<Code> {
    let refused = [Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented];
    Some(status.code()).filter(|code| refused.contains(code))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_listener_keeps_the_table_for_everyone() {
    let mut house = House::open().await;
    let viewer = house.access_token(TokenKind::Viewer, 0).await;
    let revoked = house.access_token(TokenKind::Operator, 0).await;
    let expired = house.access_token(TokenKind::Operator, 1).await;
    let id = revoked.token.unwrap().token_id;
    house.access().await.revoke_token(pb::v1::RevokeTokenRequest { token_id: id }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let unknown = AccessToken::generate(Role::Operator).unwrap();
    let join = house.join_token("gpu-01", 0).await;
    let strangers = [
        ("nobody", Token::default()),
        ("revoked", Token::of(&revoked.secret)),
        ("expired", Token::of(&expired.secret)),
        ("of another controller", Token::of(&unknown.to_text())),
        ("a token to join with", Token::of(&join.to_text())),
        ("rubbish", Token::of("cofi1-operator.x")),
    ];

    let calls = all_calls();
    let known: BTreeSet<&str> = calls.iter().map(String::as_str).collect();
    for path in ANYONE.iter().chain(&VIEWERS) {
        assert!(known.contains(path), "{path} is not defined");
    }
    for (who, token) in strangers {
        let called = house.control(token).await;
        for path in &calls {
            let expected = (!ANYONE.contains(&path.as_str())).then_some(Code::Unauthenticated);
            assert_eq!(ask(&called, path).await, expected, "{who}: {path}");
        }
    }
    let viewer = house.control(Token::of(&viewer.secret)).await;
    let operator = house.operator().await;
    for path in &calls {
        let looks = VIEWERS.contains(&path.as_str()) || ANYONE.contains(&path.as_str());
        let expected = (!looks).then_some(Code::PermissionDenied);
        assert_eq!(ask(&viewer, path).await, expected, "viewer: {path}");
        let expected = is_of_agents(path).then_some(Code::PermissionDenied);
        assert_eq!(ask(&operator, path).await, expected, "operator: {path}");
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_listener_lets_agents_in_to_what_is_theirs_and_nobody_else() {
    let mut house = House::open().await;
    let agent = house.joined("gpu-01").await;
    let called = tonic::service::interceptor::InterceptedService::new(
        agent.dial().await.unwrap(),
        Token::of(&house.operator_token().to_text()),
    );
    for path in all_calls() {
        let expected = (!is_of_agents(&path)).then_some(Code::PermissionDenied);
        assert_eq!(ask(&called, &path).await, expected, "agent: {path}");
    }

    let now = SystemClock.now_micros();
    let stranger = Authority::create(now).unwrap();
    let own = Authority::from_pem(&std::fs::read(house.state_dir().join("identity/authority.pem")).unwrap())
        .unwrap();
    let name = "gpu-01".parse().unwrap();
    let certified = |authority: &Authority, issued_at: i64, lifetime: Duration| {
        let key = PrivateKey::generate().unwrap();
        let issued = authority.issue_agent(&name, key.public_key(), issued_at, lifetime).unwrap();
        house.machine_with(&Credential::new(key, vec![issued.der]).unwrap())
    };
    let day = Duration::from_hours(24);
    assert!(agent.is_let_in().await);
    assert!(certified(&own, now, day).is_let_in().await, "the refusals below would show nothing");
    assert!(!certified(&stranger, now, day).is_let_in().await, "a certificate of another authority");
    let yesterday = now - 2 * 24 * 3_600 * 1_000_000;
    assert!(!certified(&own, yesterday, day).is_let_in().await, "an expired certificate");
    assert!(!certified(&own, -yesterday + 2 * now, day).is_let_in().await, "one that is not valid yet");
    let server = own.issue_server(&cofi_identity::ServerNames::new([]).unwrap(), now, day).unwrap();
    assert!(!house.machine_with(&server).is_let_in().await, "the certificate of a server");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_certificate_is_not_let_in_to_the_agents_listener() {
    let mut house = House::open().await;
    let agent = house.joined("gpu-01").await;
    let without = Machine { tls: house.operator_tls(), ..agent.clone() };
    assert!(!without.is_let_in().await);
    // Nor on the other listener as an agent: certificates count for nothing there.
    let astray = Machine { address: house.control, ..agent };
    assert!(!astray.is_let_in().await);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dials_does_not_speak_to_a_controller_of_another_authority() {
    let mut house = House::open().await;
    let other = House::open().await;
    assert!(dial(house.control, other.operator_tls()).await.is_err(), "an operator");
    let token = other.join_token("gpu-01", 0).await;
    let tls = joining_client(token.authority(), Arc::new(SystemClock)).unwrap();
    assert!(dial(house.control, tls).await.is_err(), "a machine that joins");
    house.end().await;
}
