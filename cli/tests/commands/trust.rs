//! Whom `cofi` speaks with, and what with: refusals on both sides.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    sync::Arc,
    thread,
    time::Duration,
};

use cofi_identity::{
    Authority, Revocations, ServerNames, TrustBundle,
    tls::{AgentGate, CurrentCredential, agents_listener},
    token::{AccessToken, JoinToken, Role},
};
use cofi_proto::clock::{Clock as _, SystemClock};
use cofi_proto::pb::v1 as pb;
use tonic::Status;

use crate::{
    fake::{Fake, Script},
    home::{Home, text_of, tls},
    program::{Ran, cofi, finish, start},
};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const LIST: &[&str] = &["batch", "list"];

fn empty() -> Script {
    Script { batches: Box::new(|_| Ok(pb::ListBatchesResponse::default())), ..Script::default() }
}

/// That it ended with this exit code, these words and this advice.
fn expect(ran: &Ran, code: i32, words: &str, advice: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(
        ran.stderr.starts_with("error: ") && ran.stderr.contains(words),
        "{words} is not in {}",
        ran.stderr
    );
    assert!(ran.stderr.contains(advice), "{advice} is not in {}", ran.stderr);
}

#[test]
fn a_state_directory_is_all_it_takes() {
    let ran = cofi(&Fake::start(empty()), LIST);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "no batches\n"), "{ran:?}");
}

#[test]
fn named_files_take_the_place_of_a_state_directory() {
    let fake = Fake::start(empty());
    let token = fake.home.secret("my.token", &fake.home.token.to_text());
    let trust = text_of(&fake.home.trust());
    let args = [LIST, &["--state-dir", "/nowhere", "--ca", &trust, "--token-file", &token]].concat();
    assert_eq!(cofi(&fake, &args).code, Some(0));
}

#[test]
fn a_token_is_read_from_a_pipe() {
    let fake = Fake::start(empty());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cofi"));
    command.args(LIST).args(["--token-file", "-", "--state-dir"]).arg(fake.home.state_dir());
    command.args(["--controller", &format!("https://{}", fake.address)]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", *fake.home.token.to_text()).unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn without_credentials_the_words_say_where_they_were_looked_for() {
    let fake = Fake::start(empty());
    let nowhere = text_of(&fake.home.path("nowhere"));
    let ran = cofi(&fake, &[LIST, &["--state-dir", &nowhere]].concat());
    let words = format!("--token-file and --ca are not given, and there is no {nowhere}/identity");
    expect(&ran, 77, &words, "name the controller's state directory with --state-dir or COFI_STATE_DIR");

    fs::remove_file(fake.home.path("state/identity/operator.token")).unwrap();
    let ran = cofi(&fake, LIST);
    expect(&ran, 77, "there is no ", "cofi token create --role operator");
    assert!(ran.stderr.contains("state/identity/operator.token"), "{ran:?}");
}

#[test]
fn a_token_file_that_is_none_is_refused_and_never_repeated() {
    let fake = Fake::start(empty());
    let join = JoinToken::generate(fake.home.authority.key_hash()).unwrap().to_text();
    let damaged = format!("{}!", *fake.home.token.to_text());
    for (text, words) in [(join.as_str(), "join token, expected access token"), (&damaged, "damaged")] {
        let file = fake.home.secret("some.token", text);
        let ran = cofi(&fake, &[LIST, &["--token-file", &file]].concat());
        expect(&ran, 64, words, "some.token");
        let secret = text.rsplit('.').next().unwrap();
        assert!(!ran.stderr.contains(&secret[..8]), "{ran:?}");
    }
    let open = fake.home.secret("open.token", &fake.home.token.to_text());
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = cofi(&fake, &[LIST, &["--token-file", &open]].concat());
    expect(&ran, 64, "open to others than its owner", "chmod 600");
}

#[test]
fn a_token_that_is_not_accepted_is_named_by_its_file() {
    let fake = Fake::start(empty());
    let strange = AccessToken::generate(Role::Operator).unwrap().to_text();
    let file = fake.home.secret("strange.token", &strange);
    let ran = cofi(&fake, &[LIST, &["--token-file", &file]].concat());
    expect(&ran, 77, &format!("does not accept the token in {file}: token not known here"), "--token-file");
    assert!(!ran.stderr.contains(strange.rsplit('.').next().unwrap()), "{ran:?}");
}

#[test]
fn a_token_that_may_not_do_this_is_told_who_may() {
    let fake = Fake::start(Script {
        cancel: Box::new(|_| Err(Status::permission_denied("a viewer may not change anything"))),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "cancel", "7"]);
    expect(&ran, 77, "a viewer may not change anything", "an operator may");
}

#[test]
fn a_controller_of_another_authority_is_told_nothing() {
    let (home, other) = (Arc::new(Home::new()), Home::new());
    let fake = Fake::start_with(LOOPBACK, home, other.tls(), empty());
    let ran = cofi(&fake, LIST);
    expect(
        &ran,
        76,
        "is from an authority that is not trusted (trusted are those in ",
        "with --ca or COFI_CA",
    );
}

#[test]
fn a_controller_under_another_name_is_refused() {
    // Loopback as well, but none of the names that every certificate has.
    let address = SocketAddr::from(([127, 0, 0, 2], 0));
    let fake = Fake::start_at(address, Arc::new(Home::new()), empty());
    expect(&cofi(&fake, LIST), 76, "for other names than the one that was dialled", "server_names");
    let named = format!("https://localhost:{}", fake.address.port());
    let ran = cofi(&fake, &[LIST, &["--controller", &named]].concat());
    assert_eq!(ran.code, Some(69), "another address, on which nobody answers: {ran:?}");
}

#[test]
fn an_expired_certificate_is_refused() {
    let home = Arc::new(Home::new());
    let day = Duration::from_hours(24);
    let before = SystemClock.now_micros() - i64::try_from(2 * day.as_micros()).unwrap();
    let expired = home.authority.issue_server(&ServerNames::new([]).unwrap(), before, day).unwrap();
    let fake = Fake::start_with(LOOPBACK, Arc::clone(&home), tls(&expired), empty());
    expect(
        &cofi(&fake, LIST),
        76,
        "the certificate of the other side has expired",
        "clocks of both machines",
    );
}

#[test]
fn where_agents_are_answered_no_operator_is() {
    let home = Arc::new(Home::new());
    let trust = TrustBundle::new([home.authority.certificate().clone()]).unwrap();
    let gate = Arc::new(AgentGate::new(&trust, Arc::new(Revocations::default())).unwrap());
    let shown = Arc::new(CurrentCredential::new(&home.server).unwrap());
    let config = agents_listener(shown, gate, Arc::new(SystemClock)).unwrap();
    let fake = Fake::start_with(LOOPBACK, home, config, empty());
    expect(&cofi(&fake, LIST), 76, "the certificate of this side is missing", "where agents are answered");
}

#[test]
fn a_server_without_tls_gets_no_token() {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    let received = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 4_096];
        let length = stream.read(&mut hello).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        [&hello[..length], &rest].concat()
    });
    let home = Home::new();
    let ran = finish(start(address, &home, LIST));
    expect(&ran, 76, "the other side speaks no tls", "--controller");
    let token = home.token.to_text();
    let received = received.join().unwrap();
    assert!(
        !received.is_empty()
            && !received.windows(8).any(|window| window == &token.as_bytes()[token.len() - 8..])
    );
}

#[test]
fn an_address_without_tls_is_refused_with_the_reason() {
    let ran = cofi(&Fake::start(empty()), &[LIST, &["--controller", "http://127.0.0.1:7400"]].concat());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("controllers speak nothing but TLS, expected https://HOST:PORT"), "{ran:?}");
}

#[test]
fn a_successor_of_the_authority_is_trusted_with_it() {
    let fake = Fake::start(empty());
    let next = Authority::create(SystemClock.now_micros()).unwrap();
    let both =
        TrustBundle::new([next.certificate().clone(), fake.home.authority.certificate().clone()]).unwrap();
    let file = fake.home.secret("both.pem", &both.to_pem());
    assert_eq!(cofi(&fake, &[LIST, &["--ca", &file]].concat()).code, Some(0));
}
