//! The audit: what was refused is counted there, what is there is read, and
//! nothing there is a secret.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cofi_controller::ledger::{AuditEntry, AuditFilter, NewToken, Standing};
use cofi_identity::token::{AccessToken, Role};
use rstest::rstest;

use crate::{
    deeds::{acting, decided},
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture, hex,
    },
    machines::{self, HOUR, Machine},
    scene::{self, NOW},
};

pub fn denial(actor: &str, target: &str, count: u32) -> AuditEntry {
    AuditEntry {
        at: NOW,
        actor: actor.to_owned(),
        peer: "2001:db8::7".to_owned(),
        action: "Some.Call".to_owned(),
        target: target.to_owned(),
        denied: true,
        detail: "token not known here".to_owned(),
        count,
    }
}

#[rstest]
#[tokio::test]
async fn audit_is_read_newest_first_by_page_actor_and_target(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    scene::meet(db.ledger(), "a").await;
    let denials: Vec<AuditEntry> = (0..250)
        .map(|number| denial(if number % 2 == 0 { "nobody" } else { "viewer:1" }, "agent:a", number + 1))
        .collect();
    db.ledger().note_denials(&denials).await.unwrap();
    db.ledger().note_denials(&[]).await.unwrap();
    acting(&db).put_standing(&decided("a", Standing::Draining, "")).await.unwrap();
    let counts = async |filter: AuditFilter, before, limit| {
        let records = db.ledger().audit(&filter, before, limit).await.unwrap();
        records.iter().map(|record| (record.id, record.entry.count)).collect::<Vec<_>>()
    };
    let first = counts(AuditFilter::default(), i64::MAX, 3).await;
    let next = counts(AuditFilter::default(), first[2].0, 1_000).await;
    let all: Vec<u32> = first.iter().chain(&next).map(|(_, count)| *count).collect();
    let expected: Vec<u32> = [1].into_iter().chain((1..=250).rev()).collect();
    assert_eq!(all, expected);

    let of = |actor: Option<&str>, target: Option<&str>, denied_only| AuditFilter {
        actor: actor.map(str::to_owned),
        target: target.map(str::to_owned),
        denied_only,
    };
    for (filter, expected) in [
        (of(Some("nobody"), None, false), 125),
        (of(Some("Nobody"), None, false), 0),
        (of(None, Some("agent:a"), false), 251),
        (of(None, None, true), 250),
        (of(Some("viewer:1"), Some("agent:a"), true), 125),
        (of(Some("operator:00112233445566ff"), Some("agent:a"), true), 0),
    ] {
        assert_eq!(counts(filter.clone(), i64::MAX, 1_000).await.len(), expected, "{filter:?}");
    }
    assert_eq!(db.ledger().audit(&of(None, None, true), i64::MAX, 1).await.unwrap()[0].entry, denials[249]);
}

#[rstest]
#[tokio::test]
async fn whatever_a_caller_says_fits(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let said = "😀\0\n".repeat(1_000);
    let long = AuditEntry {
        actor: said.clone(),
        peer: said.clone(),
        action: said.clone(),
        target: said.clone(),
        detail: said.clone(),
        count: u32::MAX,
        ..denial("", "", 1)
    };
    db.ledger().note_denials(&[long]).await.unwrap();
    let cut = |chars| said.chars().take(chars).collect::<String>();
    let expected = AuditEntry {
        actor: cut(100),
        peer: cut(64),
        action: cut(100),
        target: cut(200),
        detail: cut(1_000),
        count: u32::MAX,
        ..denial("", "", 1)
    };
    let records = db.ledger().audit(&AuditFilter::default(), i64::MAX, 1).await.unwrap();
    assert_eq!(records[0].entry, expected);
}

#[rstest]
#[tokio::test]
async fn no_table_holds_a_secret(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let machine = Machine::new("a");
    let join = machines::join_token();
    let access = AccessToken::generate(Role::Operator).unwrap();
    acting(&db).add_token(&NewToken::join(&join, machine.agent.clone(), NOW, NOW + HOUR)).await.unwrap();
    acting(&db).add_token(&NewToken::access(&access, "for me", NOW, None)).await.unwrap();
    machine.join(&acting(&db), &join, NOW).await.unwrap();
    assert!(machine.join(&acting(&db), &machines::join_token(), NOW).await.is_err());
    acting(&db).revoke_token(access.id(), NOW).await.unwrap();
    let mut rows = Vec::new();
    for table in db.tables().await {
        rows.extend(db.records(&format!("SELECT * FROM `{table}`")).await);
    }
    let dump = format!("{rows:?}");
    assert!(dump.contains(&join.id().to_string()) && dump.contains(&access.id().to_string()), "{dump}");
    assert!(dump.contains(&hex(join.hash().as_bytes())), "hashes are seen");
    for text in [join.to_text(), access.to_text()] {
        let secret = text.rsplit('.').next().unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap();
        for form in [secret.to_owned(), hex(secret.as_bytes()), hex(&bytes)] {
            assert!(!dump.to_lowercase().contains(&form.to_lowercase()));
        }
    }
}
