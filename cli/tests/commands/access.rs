//! Tokens, revocation and the audit.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    sync::{Arc, Mutex},
};

use cofi_proto::pb::v1 as pb;
use serde_json::json;
use tonic::Status;

use crate::{
    fake::{Fake, Script},
    home::text_of,
    program::cofi,
};

const ID: &str = "0123456789abcdef";

fn join_token() -> pb::Token {
    pb::Token {
        token_id: ID.to_owned(),
        kind: pb::TokenKind::Join.into(),
        agent: "gpu-01".to_owned(),
        state: pb::TokenState::Good.into(),
        created_micros: 1_795_000_000_000_000,
        expires_micros: 1_795_003_600_000_000,
        ..pb::Token::default()
    }
}

fn viewer_token() -> pb::Token {
    pb::Token {
        token_id: "fedcba9876543210".to_owned(),
        kind: pb::TokenKind::Viewer.into(),
        note: "Asha\u{1b}[2J".to_owned(),
        state: pb::TokenState::Revoked.into(),
        created_micros: 1_795_000_000_000_000,
        revoked_micros: 1_795_000_001_000_000,
        ..pb::Token::default()
    }
}

/// Answers both kinds of creations with the secret `sesame`.
fn creating() -> (Script, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (joins, accesses) = (Arc::clone(&asked), Arc::clone(&asked));
    let script = Script {
        join_token: Box::new(move |request| {
            joins.lock().expect("no panic before").push(format!("{} {}", request.agent, request.ttl_seconds));
            Ok(pb::CreateJoinTokenResponse { secret: "sesame".to_owned(), token: Some(join_token()) })
        }),
        access_token: Box::new(move |request| {
            let words = format!("{} {} {}", request.role().as_str_name(), request.ttl_seconds, request.note);
            accesses.lock().expect("no panic before").push(words);
            Ok(pb::CreateAccessTokenResponse { secret: "sesame".to_owned(), token: Some(viewer_token()) })
        }),
        ..Script::default()
    };
    (script, asked)
}

#[test]
fn a_secret_stands_alone_on_stdout() {
    let (script, asked) = creating();
    let fake = Fake::start(script);
    let ran = cofi(&fake, &["token", "create", "--join", "gpu-01", "--ttl", "2h"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "sesame\n"), "{ran:?}");
    let expected = format!("join token {ID} for gpu-01, good until 2026-11-18T");
    assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    assert!(ran.stderr.contains("cofi-agent join"), "{}", ran.stderr);

    let ran = cofi(&fake, &["token", "create", "--role", "viewer", "--note", "Asha"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "sesame\n"), "{ran:?}");
    assert!(ran.stderr.contains(r"for Asha\u{1b}[2J, good until it is revoked"), "{}", ran.stderr);
    assert_eq!(cofi(&fake, &["token", "create", "--role", "operator", "--ttl", "30d"]).code, Some(0));
    let all = ["gpu-01 7200", "TOKEN_KIND_VIEWER 0 Asha", "TOKEN_KIND_OPERATOR 2592000 "];
    assert_eq!(*asked.lock().unwrap(), all);
}

#[test]
fn a_secret_goes_into_a_file_that_was_not_there() {
    let (script, asked) = creating();
    let fake = Fake::start(script);
    let file = text_of(&fake.home.path("join.token"));
    let create = ["token", "create", "--join", "gpu-01", "--out", &file];
    let ran = cofi(&fake, &create);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.stderr.contains(&format!(", in {file}")) && !ran.stderr.contains("sesame"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), "sesame\n");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);

    let again = cofi(&fake, &create);
    assert_eq!(again.code, Some(64), "{again:?}");
    assert!(again.stderr.contains("File exists"), "{}", again.stderr);
    assert_eq!(asked.lock().unwrap().len(), 1, "nothing is made that has no place");
}

#[test]
fn a_refused_token_leaves_no_file() {
    let fake = Fake::start(Script {
        join_token: Box::new(|_| Err(Status::failed_precondition("agent gpu-01 was removed"))),
        ..Script::default()
    });
    let file = fake.home.path("join.token");
    let ran = cofi(&fake, &["token", "create", "--join", "gpu-01", "--out", &text_of(&file)]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(64), "error: agent gpu-01 was removed\n"));
    assert!(!file.exists());
}

#[test]
fn a_program_gets_one_object_for_a_new_token() {
    let fake = Fake::start(creating().0);
    let document = cofi(&fake, &["token", "create", "--join", "gpu-01", "--json"]).document();
    let expected = json!({
        "token": {
            "token_id": ID, "kind": "join", "agent": "gpu-01", "note": null, "state": "good",
            "created_time": "2026-11-18T11:06:40Z", "expires_time": "2026-11-18T12:06:40Z",
            "revoked_time": null, "used_time": null,
        },
        "secret": "sesame", "secret_file": null,
    });
    assert_eq!(document, expected);
    let file = text_of(&fake.home.path("token"));
    let document = cofi(&fake, &["token", "create", "--role", "viewer", "--json", "--out", &file]).document();
    assert_eq!((&document["secret"], &document["secret_file"]), (&json!(null), &json!(file)));
}

#[test]
fn a_token_that_nobody_can_be_told_of_is_named() {
    let fake = Fake::start(creating().0);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cofi"));
    command.args(["token", "create", "--join", "gpu-01", "--state-dir"]).arg(fake.home.state_dir());
    command.args(["--controller", &format!("https://{}", fake.address)]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{words}");
    assert!(words.contains(&format!("hand over the secret of token {ID}")), "{words}");
    assert!(words.contains("cofi token revoke"), "{words}");
}

#[test]
fn tokens_are_listed_without_secrets() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let fake = Fake::start(Script {
        tokens: Box::new(move |request| {
            seen.lock().unwrap().push(request.all);
            Ok(pb::ListTokensResponse { tokens: vec![join_token(), viewer_token()], ..Default::default() })
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["token", "list"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["TOKEN", "KIND", "STATE", "FOR", "CREATED", "EXPIRES", "USED"]);
    let created = "2026-11-18T11:06:40Z";
    assert_eq!(lines[1], [ID, "join", "good", "gpu-01", created, "2026-11-18T12:06:40Z", "-"]);
    assert_eq!(lines[2][1..4], ["viewer", "revoked", r"Asha\u{1b}[2J"]);
    let all = cofi(&fake, &["token", "list", "--all", "--json"]).document();
    assert_eq!(all["tokens"][1]["revoked_time"], "2026-11-18T11:06:41Z");
    assert_eq!(*asked.lock().unwrap(), [false, true]);
}

#[test]
fn a_token_is_revoked_by_its_id_alone() {
    let fake = Fake::start(Script {
        revoke_token: Box::new(|request| {
            assert_eq!(request.token_id, ID);
            Ok(pb::Token { state: pb::TokenState::Revoked.into(), ..join_token() })
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["token", "revoke", ID]);
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("token {ID} is revoked\n")));
    assert_eq!(cofi(&fake, &["token", "revoke", ID, "--json"]).document()["state"], "revoked");

    let secret = fake.home.token.to_text();
    let ran = cofi(&fake, &["token", "revoke", &secret]);
    assert_eq!(ran.code, Some(64), "{ran:?}");
    assert!(
        ran.stderr.contains("cofi token list") && !ran.stderr.contains(secret.rsplit('.').next().unwrap())
    );
}

#[test]
fn an_agent_is_shut_out_with_a_reason() {
    let fake = Fake::start(Script {
        revoke_agent: Box::new(|request| {
            assert_eq!((request.name.as_str(), request.reason.as_str()), ("gpu-01", "stolen"));
            Ok(pb::RevokeAgentResponse { revoked_certificates: 2 })
        }),
        ..Script::default()
    });
    let revoke = ["agent", "revoke", "gpu-01", "--reason", "stolen"];
    let ran = cofi(&fake, &revoke);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "2 certificates of agent gpu-01 revoked\n"));
    let document = cofi(&fake, &[&revoke[..], &["--json"]].concat()).document();
    assert_eq!(document, json!({"revoked_certificates": 2}));
}

#[test]
fn the_audit_is_listed_by_actor_and_target() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let fake = Fake::start(Script {
        audit: Box::new(move |request| {
            seen.lock().unwrap().push((
                request.actor,
                request.target,
                request.denied_only,
                request.page_size,
            ));
            let entry = pb::AuditEntry {
                audit_id: 9,
                at_micros: 1_795_000_000_000_000,
                actor: "nobody".to_owned(),
                peer: "10.0.0.9".to_owned(),
                action: "BatchService.CancelBatch".to_owned(),
                denied: true,
                count: 12,
                ..pb::AuditEntry::default()
            };
            let done =
                pb::AuditEntry { denied: false, count: 1, target: "batch:7".to_owned(), ..entry.clone() };
            Ok(pb::ListAuditResponse { entries: vec![entry, done], ..Default::default() })
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["audit", "list"]);
    assert!(ran.stdout.contains("denied 12 times") && ran.stdout.contains("batch:7"), "{ran:?}");
    let filters = ["--actor", "agent:gpu-01", "--target", "batch:7", "--denied", "--limit", "2", "--json"];
    let listed = cofi(&fake, &[&["audit", "list"][..], &filters].concat()).document();
    assert_eq!(
        listed["entries"][0],
        json!({
            "audit_id": 9, "at_time": "2026-11-18T11:06:40Z", "actor": "nobody", "peer": "10.0.0.9",
            "action": "BatchService.CancelBatch", "target": null, "denied": true, "detail": null, "count": 12,
        })
    );
    let expected = [
        (String::new(), String::new(), false, 1_000),
        ("agent:gpu-01".to_owned(), "batch:7".to_owned(), true, 2),
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn a_token_is_for_one_thing() {
    let fake = Fake::start(Script::default());
    let wrong: &[&[&str]] = &[
        &["token", "create"],
        &["token", "create", "--join", "gpu-01", "--role", "viewer"],
        &["token", "create", "--join", "gpu-01", "--note", "hers"],
        &["token", "create", "--role", "king"],
        &["token", "create", "--role", "viewer", "--ttl", "0"],
    ];
    for args in wrong {
        assert_eq!(cofi(&fake, args).code, Some(2), "{args:?}");
    }
}
