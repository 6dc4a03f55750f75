//! What somebody did is in the audit exactly if it is done, and once.

use cofi_controller::ledger::{
    AgentFault, AuditEntry, AuditFilter, Deed, Ledger, LedgerError, NewToken, QuarantineRecord, ReleaseCause,
    ReleaseTerms, Standing, StandingRecord,
};
use cofi_identity::token::{AccessToken, Role};
use cofi_language::LanguageTable;
use cofi_proto::{BatchId, RecordingId};
use rstest::rstest;

use crate::{
    auditing::denial,
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    machines::{self, HOUR, Machine},
    scene::{self, NOW},
};

fn deed() -> Deed {
    Deed::new(NOW, "operator:00112233445566ff", "192.0.2.7", "Some.Call")
}

/// A ledger that acts for a deed of its own.
pub fn acting(db: &Fixture) -> Ledger {
    db.ledger().acting(deed())
}

/// All entries, oldest first: target and detail.
async fn entries(db: &Fixture) -> Vec<[String; 2]> {
    let records = db.ledger().audit(&AuditFilter::default(), i64::MAX, 1_000).await.unwrap();
    records.into_iter().rev().map(|record| [record.entry.target, record.entry.detail]).collect()
}

pub fn decided(agent: &str, standing: Standing, reason: &str) -> StandingRecord {
    StandingRecord {
        agent: scene::agent(agent),
        standing,
        reason: reason.to_owned(),
        since: NOW,
        deadline: None,
    }
}

fn terms() -> ReleaseTerms {
    ReleaseTerms { cause: ReleaseCause::Operator, reason: "archived".to_owned(), older_than_seconds: 0 }
}

fn recordings(batch: BatchId, ordinals: std::ops::Range<i64>) -> Vec<RecordingId> {
    ordinals.map(|ordinal| RecordingId { batch, ordinal }).collect()
}

#[rstest]
#[tokio::test]
async fn what_is_done_to_a_batch_is_written_down(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::begin(db.ledger(), &scene::wish()).await;
    db.ledger().add_to_manifest(batch, &scene::entries(&scene::names(4))).await.unwrap();
    acting(&db).publish_batch(batch).await.unwrap();
    scene::record(db.ledger(), batch, 0..2, "a").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "hi")]).await;
    db.ledger().fail_placements(&[scene::unplaceable(batch, 3)], NOW).await.unwrap();
    acting(&db).retry(batch, &[3], NOW).await.unwrap();
    db.execute("UPDATE `call` SET status = 'Complete'").await;
    acting(&db).release(&recordings(batch, 0..2), &terms(), NOW).await.unwrap();
    acting(&db).apply_lid_results(batch, &LanguageTable::default(), NOW).await.unwrap();
    acting(&db).cancel_batch(batch, NOW).await.unwrap();
    let about = |detail: &str| [format!("batch:{batch}"), detail.to_owned()];
    let expected = [
        about("4 recordings of /srv/calls"),
        about("1 placements, 0 identifications"),
        about("archived"),
        about("calls brought in line with lidStatus"),
        about("2 recordings"),
    ];
    assert_eq!(entries(&db).await, expected);
}

#[rstest]
#[tokio::test]
async fn what_is_done_to_agents_and_tokens_is_written_down(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    scene::meet(db.ledger(), "a").await;
    acting(&db).put_standing(&decided("a", Standing::Draining, "new disk")).await.unwrap();
    acting(&db).put_standing(&decided("a", Standing::Removed, "")).await.unwrap();
    let agent = scene::agent("a");
    acting(&db).clear_standing(&agent, NOW).await.unwrap();
    let quarantined = QuarantineRecord {
        agent: agent.clone(),
        fault: AgentFault::Engine,
        reason: "it fails".to_owned(),
        since: NOW,
    };
    db.ledger().put_quarantine(&quarantined).await.unwrap();
    acting(&db).lift_quarantine(&agent, "mended", NOW).await.unwrap();
    let viewer = AccessToken::generate(Role::Viewer).unwrap();
    acting(&db).add_token(&NewToken::access(&viewer, "dashboard", NOW, None)).await.unwrap();
    acting(&db).revoke_token(viewer.id(), NOW).await.unwrap();
    let (machine, join) = (Machine::new("a"), machines::join_token());
    acting(&db).add_token(&NewToken::join(&join, agent.clone(), NOW, NOW + HOUR)).await.unwrap();
    let joined = machine.join(&acting(&db), &join, NOW).await.unwrap();
    let shown = machines::serial(&joined.certificate);
    let renewed = Machine::new("a").renew(&acting(&db), shown, NOW).await.unwrap();
    acting(&db).revoke_agent(&agent, NOW).await.unwrap();

    let (viewer, join) = (format!("token:{}", viewer.id()), join.id());
    let joined = format!("joined with token {join}, certificate {shown}");
    let renewed = format!("certificate {}", machines::serial(&renewed));
    let join = format!("token:{join}");
    let expected = [
        ["agent:a", "draining: new disk"],
        ["agent:a", "removed"],
        ["agent:a", "takes work again"],
        ["agent:a", "quarantine lifted: mended"],
        [&viewer, "viewer: dashboard"],
        [&viewer, "viewer: dashboard"],
        [&join, "join a"],
        ["agent:a", &joined],
        ["agent:a", &renewed],
        ["agent:a", "2 certificates"],
    ];
    assert_eq!(entries(&db).await, expected.map(|entry| entry.map(str::to_owned)));
}

#[rstest]
#[tokio::test]
async fn entry_says_who_did_what_and_from_where(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    scene::meet(db.ledger(), "a").await;
    // What the controller decides by itself is nobody's deed.
    db.ledger().put_standing(&decided("a", Standing::Lost, "away")).await.unwrap();
    let told = deed().about("agent:a and its disk").because("since it is Tuesday");
    db.ledger().acting(told).put_standing(&decided("a", Standing::Draining, "")).await.unwrap();
    let records = db.ledger().audit(&AuditFilter::default(), i64::MAX, 10).await.unwrap();
    let expected = AuditEntry {
        at: NOW,
        actor: "operator:00112233445566ff".to_owned(),
        peer: "192.0.2.7".to_owned(),
        action: "Some.Call".to_owned(),
        target: "agent:a and its disk".to_owned(),
        denied: false,
        detail: "since it is Tuesday".to_owned(),
        count: 1,
    };
    assert_eq!(records.into_iter().map(|record| record.entry).collect::<Vec<_>>(), [expected]);
}

#[rstest]
#[tokio::test]
async fn what_is_refused_or_changes_nothing_is_not_written_down(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let agent = scene::agent("a");
    let token = machines::record_token(db.ledger(), &agent).await;
    let machine = Machine::new("a");
    let joined = machine.join(db.ledger(), &token, NOW).await.unwrap();
    let batch = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    db.ledger().revoke_token(token.id(), NOW).await.unwrap();

    assert!(acting(&db).put_standing(&decided("b", Standing::Draining, "")).await.is_err());
    assert!(!acting(&db).clear_standing(&agent, NOW).await.unwrap());
    assert!(!acting(&db).lift_quarantine(&agent, "", NOW).await.unwrap());
    acting(&db).publish_batch(batch).await.unwrap();
    acting(&db).retry(batch, &[], NOW).await.unwrap();
    acting(&db).release(&recordings(batch, 0..1), &terms(), NOW).await.unwrap();
    assert!(matches!(acting(&db).cancel_batch(batch, NOW).await, Err(LedgerError::NothingToCancel(_))));
    acting(&db).revoke_token(token.id(), NOW).await.unwrap();
    assert!(machine.join(&acting(&db), &token, NOW).await.is_err());
    let shown = machines::serial(&joined.certificate);
    machine.renew(&acting(&db), shown, NOW).await.unwrap();
    db.ledger().revoke_agent(&agent, NOW).await.unwrap();
    acting(&db).revoke_agent(&agent, NOW + 1).await.unwrap();
    assert!(entries(&db).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn deed_that_takes_several_transactions_is_one_entry(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    scene::meet(db.ledger(), "a").await;
    let batch = scene::batch_of(db.ledger(), 4).await;
    scene::record(db.ledger(), batch, 0..4, "a").await;
    let results: Vec<_> = (0..4).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
    scene::apply(db.ledger(), &results).await;
    db.execute("UPDATE `call` SET status = 'Complete'").await;
    let ledger = acting(&db);
    for page in [0..2, 2..4, 0..2] {
        ledger.release(&recordings(batch, page), &terms(), NOW).await.unwrap();
    }
    // As one that goes on, and as another.
    ledger.clone().put_standing(&decided("a", Standing::Draining, "")).await.unwrap();
    assert_eq!(entries(&db).await.len(), 1);
    acting(&db).put_standing(&decided("a", Standing::Draining, "")).await.unwrap();
    assert_eq!(entries(&db).await.len(), 2);
}

#[rstest]
#[tokio::test]
async fn change_that_cannot_be_written_down_is_not_done(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    scene::meet(db.ledger(), "a").await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    db.refuse("INSERT", "cofiAudit", "NEW.target <> ''").await;
    let token = machines::join_token();
    let new = NewToken::join(&token, scene::agent("a"), NOW, NOW + HOUR);
    assert!(acting(&db).put_standing(&decided("a", Standing::Draining, "")).await.is_err());
    assert!(acting(&db).cancel_batch(batch, NOW).await.is_err());
    assert!(acting(&db).add_token(&new).await.is_err());
    db.ledger().add_token(&new).await.unwrap();
    assert!(Machine::new("a").join(&acting(&db), &token, NOW).await.is_err());
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiAgentStanding").await, "0");
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiAgentCertificate").await, "0");
    assert_eq!(db.value("SELECT usedAt FROM cofiToken").await, "NULL");
    assert_eq!(db.value("SELECT cancelled FROM cofiBatch").await, "0");
}

#[rstest]
#[tokio::test]
async fn change_that_fails_after_all_is_not_written_down(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    db.refuse("INSERT", "cofiEvent", "NEW.kind = 'cancelled'").await;
    assert!(acting(&db).cancel_batch(batch, NOW).await.is_err());
    assert!(entries(&db).await.is_empty());
    db.execute("DROP TRIGGER refuse").await;
    acting(&db).cancel_batch(batch, NOW).await.unwrap();
    assert_eq!(entries(&db).await.len(), 1);
}

#[tokio::test]
async fn change_whose_commit_is_not_answered_is_done_and_written_down_once() {
    let db = Fixture::new(MariaDb).await;
    scene::meet(db.ledger(), "a").await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    let (ledger, way) = db.ledger_by_way().await;
    let acting = || ledger.acting(deed());
    let machine = Machine::new("a");
    let token = machines::join_token();

    way.cut(1);
    acting().add_token(&NewToken::join(&token, machine.agent.clone(), NOW, NOW + HOUR)).await.unwrap();
    way.cut(1);
    let joined = machine.join(&acting(), &token, NOW).await.unwrap();
    assert_eq!(
        db.value("SELECT serial FROM cofiAgentCertificate").await,
        machines::serial(&joined.certificate).to_string()
    );
    way.cut(1);
    let renewed = Machine::new("a");
    renewed.renew(&acting(), machines::serial(&joined.certificate), NOW).await.unwrap();
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiAgentCertificate").await, "2");
    way.cut(2);
    let revoked = acting().revoke_agent(&machine.agent, NOW).await.unwrap();
    assert_eq!((revoked.certificates, revoked.serials.len()), (2, 2));
    way.cut(1);
    acting().revoke_token(token.id(), NOW).await.unwrap();
    way.cut(1);
    acting().put_standing(&decided("a", Standing::Draining, "")).await.unwrap();
    way.cut(1);
    assert_eq!(acting().cancel_batch(batch, NOW).await.unwrap(), 3);
    way.cut(1);
    ledger.note_denials(&[denial("nobody", "", 1)]).await.unwrap();
    assert_eq!(way.left(), 0, "every one of them was cut");
    let targets: Vec<String> = entries(&db).await.into_iter().map(|[target, _]| target).collect();
    let (token, batch) = (format!("token:{}", token.id()), format!("batch:{batch}"));
    assert_eq!(targets, [&token, "agent:a", "agent:a", "agent:a", &token, "agent:a", &batch, ""]);
}
