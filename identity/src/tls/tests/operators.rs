//! Operators, and whoever else comes to the control listener.

use rustls::version::TLS12;
use tokio::io::AsyncWriteExt as _;

use super::*;

fn operator(controller: &Controller) -> Arc<ClientConfig> {
    let servers = Arc::new(TrustedServers::new(&trust(&[&controller.authority])).unwrap());
    operator_client(servers, controller.clock.clone()).unwrap()
}

#[tokio::test]
async fn an_operator_sees_the_controller_and_shows_no_certificate() {
    let controller = Controller::new();
    let seen = meet(&controller.control(), &operator(&controller)).await;
    assert!(seen.client.is_ok());
    assert_eq!(seen.received, b"secret");
    assert!(seen.server.is_err(), "no agent without a certificate");
}

#[tokio::test]
async fn an_expired_controller_is_refused() {
    let controller = Controller::new();
    controller.clock.turn(91 * DAY);
    let seen = meet(&controller.control(), &operator(&controller)).await;
    assert_eq!(seen.refusals().1, Some(Refusal::Peer(Fault::Expired)));
    assert!(seen.received.is_empty());
}

#[tokio::test]
async fn older_versions_of_tls_are_refused() {
    let controller = Controller::new();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut old = ClientConfig::builder_with_details(provider, Arc::new(Time(controller.clock.clone())))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(trust(&[&controller.authority]).for_tls().unwrap())
        .with_no_client_auth();
    old.alpn_protocols = vec![b"h2".to_vec()];
    let seen = meet(&controller.control(), &Arc::new(old)).await;
    assert_eq!(seen.refusals(), (Some(Refusal::Incompatible), Some(Refusal::Incompatible)));
}

#[tokio::test]
async fn other_protocols_inside_are_refused() {
    let controller = Controller::new();
    let mut web = (*operator(&controller)).clone();
    web.alpn_protocols = vec![b"http/1.1".to_vec()];
    let seen = meet(&controller.control(), &Arc::new(web)).await;
    assert_eq!(seen.refusals(), (Some(Refusal::Incompatible), Some(Refusal::Incompatible)));
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_it() {
    let controller = Controller::new();
    let (near, mut far) = tokio::io::duplex(1024);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let error = TlsConnector::from(operator(&controller)).connect(name, near).await.unwrap_err();
    assert_eq!(Refusal::find(&error), Some(Refusal::NotTls));
    assert_eq!(Refusal::find(&io::Error::other("something else")), None);
}

#[test]
fn refusals_are_words() {
    assert_eq!(Refusal::Peer(Fault::Expired).to_string(), "the certificate of the other side has expired");
    assert_eq!(Refusal::Own(Fault::Revoked).to_string(), "the certificate of this side was revoked");
}
