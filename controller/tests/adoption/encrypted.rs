//! Off loopback a server must show a certificate that is verified; what is
//! said to it is encrypted.

use std::{fs, path::Path};

use cofi_controller::ledger::{DatabaseUrl, Ledger, LedgerError, migrate, plan_migration};
use cofi_mariadb::{PASSWORD, Server, USER};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::place::{Place, UNICODE};

/// Not one of the addresses that count as this machine's own, and still here.
const ELSEWHERE: &str = "127.0.0.2";

/// An authority, and a server's certificate for `name` from it.
fn certify(folder: &Path, name: &str) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

/// A server that all addresses of this machine lead to, with such a certificate.
fn server(folder: &Path, name: &str) -> Server {
    certify(folder, name);
    let path = |file: &str| folder.join(file).display().to_string();
    let arguments = [
        "--bind-address=0.0.0.0".to_owned(),
        format!("--ssl-cert={}", path("server.pem")),
        format!("--ssl-key={}", path("server.key")),
    ];
    Server::start(&arguments.each_ref().map(String::as_str)).unwrap()
}

/// The database as it is reached from elsewhere.
fn url(server: &Server, place: &Place<'_>, options: &str) -> DatabaseUrl {
    let port = server.address().port();
    let url = format!("mysql://{USER}@{ELSEWHERE}:{port}/{}{options}", place.database());
    DatabaseUrl { url, password: Some(PASSWORD.to_owned()) }
}

#[tokio::test]
async fn certificate_of_a_known_authority_is_taken_and_the_connection_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), ELSEWHERE);
    let place = Place::named(&server, "calls", UNICODE).await;
    // Whoever comes in clear is turned away.
    place.execute(&format!("ALTER USER '{USER}'@'127.0.0.1' REQUIRE SSL")).await;
    let url = url(&server, &place, &format!("?ssl-ca={}", folder.path().join("ca.pem").display()));
    let plan = plan_migration(&url, true).await.unwrap();
    migrate(&url, &plan, |_| ()).await.unwrap();
    let ledger = Ledger::open(url).await.unwrap();
    ledger.probe().await.unwrap();
    let _claim = ledger.claim().await.unwrap();
}

#[tokio::test]
async fn certificate_of_an_unknown_authority_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), ELSEWHERE);
    let place = Place::named(&server, "calls", UNICODE).await;
    // Without an authority in the URL those of the web are asked.
    assert_refused(&url(&server, &place, "")).await;
}

#[tokio::test]
async fn certificate_for_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), "another.example");
    let place = Place::named(&server, "calls", UNICODE).await;
    let known = format!("?ssl-ca={}", folder.path().join("ca.pem").display());
    assert_refused(&url(&server, &place, &known)).await;
    // Nobody talks the check away by words in the URL.
    assert_refused(&url(&server, &place, &format!("{known}&ssl-mode=DISABLED"))).await;
}

#[tokio::test]
async fn server_without_encryption_is_refused() {
    let server = Server::start(&["--bind-address=0.0.0.0", "--skip-ssl"]).unwrap();
    let place = Place::named(&server, "calls", UNICODE).await;
    assert_refused(&url(&server, &place, "")).await;
}

async fn assert_refused(url: &DatabaseUrl) {
    let refused = plan_migration(url, true).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Unavailable(_) | LedgerError::Database(_)), "{refused:?}");
    let words = format!("{refused:?}");
    assert!(words.contains("Tls") || words.contains("TLS") || words.contains("ertificate"), "{words}");
    assert!(!words.contains(PASSWORD), "{words}");
}
