//! How a machine becomes an agent: a token works once, and whoever is refused
//! hears what to do.

use std::time::Duration;

use cofi_identity::{CertificateRequest, KeyHash, PeerIdentity, PrivateKey, token::JoinToken};
use cofi_proto::pb::v1::{
    EnrolRequest, RevokeTokenRequest, enrolment_service_client::EnrolmentServiceClient,
};
use rustls_pki_types::CertificateDer;
use tonic::{Code, Status};

use super::house::{House, dial};

fn refused(answer: Result<impl Sized, Status>, code: Code, words: &[&str]) {
    let status = answer.err().unwrap();
    assert_eq!(status.code(), code, "{status}");
    for words in words {
        assert!(status.message().contains(words), "{status}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_once_and_a_lost_answer_can_be_had_again() {
    let mut house = House::open().await;
    let token = house.join_token("gpu-01", 0).await;
    let key = PrivateKey::generate().unwrap();
    let first = house.enrol(&token, "gpu-01", &key).await.unwrap();
    let peer = PeerIdentity::from_certificate(&CertificateDer::from(first.certificate.as_slice())).unwrap();
    assert_eq!(peer.agent.as_str(), "gpu-01");
    assert_eq!(first.trusted_authorities, house.trust.to_pem());
    // The same answer, also from the next controller.
    assert_eq!(house.enrol(&token, "gpu-01", &key).await.unwrap(), first);
    house.restart().await;
    assert_eq!(house.enrol(&token, "gpu-01", &key).await.unwrap(), first);
    assert!(house.machine(key, first.certificate).is_let_in().await);

    let other = PrivateKey::generate().unwrap();
    refused(
        house.enrol(&token, "gpu-01", &other).await,
        Code::PermissionDenied,
        &["used already", "cofi token create --join gpu-01"],
    );
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_fit_is_refused_with_what_to_do() {
    let mut house = House::open().await;
    let key = PrivateKey::generate().unwrap();

    let token = house.join_token("gpu-01", 1).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let answer = house.enrol(&token, "gpu-01", &key).await;
    refused(answer, Code::PermissionDenied, &["expired", "cofi token create --join gpu-01"]);

    let token = house.join_token("gpu-01", 0).await;
    let answer = house.enrol(&token, "gpu-02", &key).await;
    refused(answer, Code::PermissionDenied, &["for agent gpu-01", "cofi token create --join gpu-02"]);

    let request = RevokeTokenRequest { token_id: token.id().to_string() };
    house.access().await.revoke_token(request).await.unwrap();
    let answer = house.enrol(&token, "gpu-01", &key).await;
    refused(answer, Code::PermissionDenied, &["revoked", "cofi token create --join gpu-01"]);

    let authority = house.trust.key_hashes().next().unwrap();
    let made_up = JoinToken::generate(authority).unwrap();
    let answer = house.enrol(&made_up, "gpu-01", &key).await;
    refused(answer, Code::PermissionDenied, &["not known here", "cofi token create --join gpu-01"]);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_tampered_with_costs_the_token_nothing() {
    let mut house = House::open().await;
    let token = house.join_token("gpu-01", 0).await;
    let key = PrivateKey::generate().unwrap();
    let good: Vec<u8> = CertificateRequest::write(&key).unwrap();
    let channel = dial(house.control, house.operator_tls()).await.unwrap();
    let mut client = EnrolmentServiceClient::new(channel);
    // In the key, in the signature, cut off, and nothing at all.
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        *bytes.get_mut(place).unwrap() ^= 1;
        bytes
    };
    let tampered =
        [flipped(good.len() / 2), flipped(good.len() - 3), good.get(..40).unwrap().to_vec(), Vec::new()];
    for certificate_request in tampered {
        let request = EnrolRequest {
            token: token.to_text().to_string(),
            agent: "gpu-01".to_owned(),
            certificate_request,
        };
        let status = client.enrol(request).await.err().unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let secret = token.to_text().rsplit('.').next().unwrap().to_owned();
        assert!(!format!("{status:?}").contains(&secret));
    }
    // As it would be asked of a name that no agent can have.
    let answer = house.enrol(&token, "../../etc", &key).await;
    refused(answer, Code::InvalidArgument, &["name"]);
    assert!(house.enrol(&token, "gpu-01", &key).await.is_ok());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_does_not_leave_for_a_server_with_another_key() {
    let mut house = House::open().await;
    let mut other = House::open().await;
    let token = house.join_token("gpu-01", 0).await;
    let key = PrivateKey::generate().unwrap();
    // What is dialled is the other one: the handshake must end it.
    let tls = cofi_identity::tls::joining_client(
        token.authority(),
        std::sync::Arc::new(cofi_proto::clock::SystemClock),
    );
    assert!(dial(other.control, tls.unwrap()).await.is_err());
    // The other one heard of no attempt to enrol.
    tokio::time::sleep(Duration::from_millis(200)).await;
    other.end().await;
    other.restart_after_end().await;
    let entries = other.audit(false).await;
    assert!(entries.iter().all(|entry| !entry.action.contains("Enrol")), "{entries:?}");
    assert!(house.enrol(&token, "gpu-01", &key).await.is_ok(), "the token is still good");
    house.end().await;
    other.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_joins_anew_shuts_out_whoever_had_its_certificate() {
    let mut house = House::open().await;
    let before = house.joined("gpu-01").await;
    let bystander = house.joined("gpu-02").await;
    assert!(before.is_let_in().await);
    let after = house.joined("gpu-01").await;
    assert!(after.is_let_in().await && bystander.is_let_in().await);
    assert!(!before.is_let_in().await, "the certificate of before lets somebody in");
    house.restart().await;
    assert!(!before.is_let_in().await, "the controller forgot");
    assert!(after.is_let_in().await);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_with_one_token_do_not_both_get_in() {
    let mut house = House::open().await;
    for round in 0..5 {
        let agent = format!("gpu-{round}");
        let token = house.join_token(&agent, 0).await;
        let keys: [PrivateKey; 4] = std::array::from_fn(|_| PrivateKey::generate().unwrap());
        let answers = tokio::join!(
            house.enrol(&token, &agent, &keys[0]),
            house.enrol(&token, &agent, &keys[1]),
            house.enrol(&token, &agent, &keys[2]),
            house.enrol(&token, &agent, &keys[3]),
        );
        let let_in =
            [&answers.0, &answers.1, &answers.2, &answers.3].iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(let_in, 1, "{answers:?}");
    }
    let hash = KeyHash::from_bytes([0; 32]);
    assert!(!house.trust.trusts(hash));
    house.end().await;
}
