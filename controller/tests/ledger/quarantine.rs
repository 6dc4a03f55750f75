//! Failures of engines, the quarantine of agents, and what is read to explain
//! both.

use cofi_controller::ledger::{
    AgentFault, Applied, AttemptRecord, FailureCount, GiveUp, GiveUpScope, HistoryRecord, LedgerError,
    PendingLid, QuarantineRecord, ReportedResult,
};
use cofi_proto::{
    BatchId, RecordingId,
    session::{FailureClass, LidFailure, LidOutcome},
};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

fn quarantined(agent: &str) -> QuarantineRecord {
    QuarantineRecord {
        agent: scene::agent(agent),
        fault: AgentFault::Engine,
        reason: "its engine failed".to_owned(),
        since: scene::NOW,
    }
}

/// The engine of `agent` failed on a recording.
fn engine_failed(batch: BatchId, ordinal: i64, round: i32, agent: &str) -> ReportedResult {
    let failure = LidFailure {
        code: "worker_crashed".to_owned(),
        reason: "it died".to_owned(),
        attempts: 3,
        class: FailureClass::Agent,
    };
    let result = scene::result(batch, ordinal, round, LidOutcome::Failed(failure));
    ReportedResult { agent: scene::agent(agent), ..result }
}

async fn tell(db: &Fixture, result: &ReportedResult) -> Applied {
    let answers = db.ledger().apply_results(std::slice::from_ref(result), scene::NOW).await.unwrap();
    answers.into_iter().next().unwrap()
}

fn set_back(batch: BatchId, ordinal: i64, round: i32, agent: &str) -> Applied {
    let recording = RecordingId { batch, ordinal };
    Applied::SetBack(PendingLid { agent: agent.to_owned(), recording, round, candidates: Vec::new() })
}

async fn state(db: &Fixture, ordinal: i64) -> String {
    let select = format!(
        "SELECT placement || ' ' || lid || ' ' || lidRound || ' ' || attempts || ' ' || \
         COALESCE(agent, '-') || ' ' || COALESCE(code, '-') FROM cofiRecording WHERE ordinal = {ordinal}"
    );
    db.value(&select).await
}

/// Three recordings on "a", one on "b".
async fn stored(on: Engine) -> (Fixture, BatchId) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 4).await;
    for agent in ["a", "b"] {
        scene::meet(db.ledger(), agent).await;
    }
    scene::record(db.ledger(), batch, 0..3, "a").await;
    scene::record(db.ledger(), batch, 3..4, "b").await;
    (db, batch)
}

#[rstest]
#[tokio::test]
async fn engine_that_fails_once_costs_the_recording_nothing_but_a_round(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = stored(on).await;
    let failed = engine_failed(batch, 0, 1, "a");
    assert_eq!(tell(&db, &failed).await, set_back(batch, 0, 2, "a"));
    assert_eq!(state(&db, 0).await, "stored none 2 1 a -");
    assert_eq!(tell(&db, &failed).await, Applied::Settled, "the same again is answered and does nothing");
    assert_eq!(state(&db, 0).await, "stored none 2 1 a -");
    assert_eq!(tell(&db, &scene::identified(batch, 0, 2, "hi")).await, Applied::Settled);
    assert_eq!(state(&db, 0).await, "stored done 2 0 a -");
    assert_eq!(db.column("SELECT kind FROM cofiEvent WHERE ordinal = 0").await, ["lid_set_back"]);
}

#[rstest]
#[tokio::test]
async fn recording_that_engines_fail_on_again_and_again_rests_as_failed(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = stored(on).await;
    tell(&db, &engine_failed(batch, 0, 1, "a")).await;
    assert_eq!(tell(&db, &engine_failed(batch, 0, 2, "a")).await, Applied::Blamed);
    assert_eq!(state(&db, 0).await, "stored failed 2 2 a worker_crashed");
    let retried = db.ledger().retry(batch, &[0], scene::NOW).await.unwrap();
    assert_eq!(retried.identifications, 1);
    assert_eq!(tell(&db, &engine_failed(batch, 0, 3, "a")).await, set_back(batch, 0, 4, "a"));
}

#[rstest]
#[tokio::test]
async fn what_fails_on_a_quarantined_agent_counts_far_less(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = stored(on).await;
    db.ledger().put_quarantine(&quarantined("a")).await.unwrap();
    for round in 1..6 {
        let answer = tell(&db, &engine_failed(batch, 0, round, "a")).await;
        assert_eq!(answer, set_back(batch, 0, round + 1, "a"), "round {round}");
    }
    assert_eq!(tell(&db, &engine_failed(batch, 0, 6, "a")).await, Applied::Blamed);
}

#[rstest]
#[tokio::test]
async fn what_an_agent_need_not_hold_cannot_fail_on_it(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = stored(on).await;
    assert_eq!(tell(&db, &engine_failed(batch, 3, 1, "a")).await, Applied::Settled, "held by another");
    assert_eq!(state(&db, 3).await, "stored none 1 0 b -");
    let what = GiveUp {
        agent: scene::agent("a"),
        stored_before: scene::NOW + 1,
        scope: GiveUpScope::All,
        reason: "gone".to_owned(),
    };
    db.ledger().give_up(&what, None, 100, scene::NOW).await.unwrap();
    assert_eq!(tell(&db, &engine_failed(batch, 0, 1, "a")).await, Applied::Settled, "placed again");
    assert_eq!(state(&db, 0).await, "planned none 1 0 - -");
    let unknown = tell(&db, &scene::identified(batch, 0, 1, "hi")).await;
    assert_eq!(unknown, Applied::NotRecorded, "a language is welcome");
}

#[rstest]
#[tokio::test]
async fn others_get_what_a_quarantined_agent_holds_and_nothing_is_held_against_it(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = stored(on).await;
    scene::apply(db.ledger(), &[scene::undecodable(batch, 2, 1)]).await;
    tell(&db, &engine_failed(batch, 0, 1, "a")).await;
    // 1 is a probe: newer, and not failed.
    let what = GiveUp {
        agent: scene::agent("a"),
        stored_before: scene::NOW,
        scope: GiveUpScope::Open,
        reason: "quarantined".to_owned(),
    };
    let given_up = db.ledger().give_up(&what, None, 100, scene::NOW).await.unwrap();
    assert_eq!(given_up.recordings, 1);
    assert_eq!(state(&db, 0).await, "planned none 2 0 - -");
    assert_eq!(state(&db, 1).await, "stored none 1 0 a -");
    assert_eq!(state(&db, 2).await, "stored failed 1 2 a undecodable");
    // Where it goes it has one round more before it is blamed.
    scene::record(db.ledger(), batch, [0], "b").await;
    assert_eq!(tell(&db, &engine_failed(batch, 0, 2, "b")).await, set_back(batch, 0, 3, "b"));
}

#[rstest]
#[tokio::test]
async fn rounds_that_failed_count_on_the_next_host(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = stored(on).await;
    tell(&db, &engine_failed(batch, 0, 1, "a")).await;
    let what = GiveUp {
        agent: scene::agent("a"),
        stored_before: scene::NOW + 1,
        scope: GiveUpScope::All,
        reason: "away".to_owned(),
    };
    db.ledger().give_up(&what, None, 100, scene::NOW).await.unwrap();
    scene::record(db.ledger(), batch, [0], "b").await;
    assert_eq!(state(&db, 0).await, "stored none 2 1 b -");
    assert_eq!(tell(&db, &engine_failed(batch, 0, 2, "b")).await, Applied::Blamed);
}

#[rstest]
#[tokio::test]
async fn quarantine_is_kept_until_it_is_lifted(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    let unknown = ledger.put_quarantine(&quarantined("a")).await;
    assert!(matches!(unknown, Err(LedgerError::NoSuchAgent(agent)) if agent == scene::agent("a")));
    scene::meet(ledger, "a").await;
    ledger.put_quarantine(&quarantined("a")).await.unwrap();
    let again = QuarantineRecord { reason: "another".to_owned(), since: 5, ..quarantined("a") };
    ledger.put_quarantine(&again).await.unwrap();
    assert_eq!(ledger.quarantines().await.unwrap(), [quarantined("a")]);
    assert!(ledger.lift_quarantine(&scene::agent("a"), "it does well", scene::NOW + 1).await.unwrap());
    assert!(!ledger.lift_quarantine(&scene::agent("a"), "it does well", scene::NOW + 2).await.unwrap());
    assert!(ledger.quarantines().await.unwrap().is_empty());
    let history = ledger.agent_history(&scene::agent("a"), 10).await.unwrap();
    let kinds: Vec<(&str, Option<&str>)> =
        history.iter().map(|entry| (entry.kind.as_str(), entry.code.as_deref())).collect();
    assert_eq!(kinds, [("agent_trusted", None), ("agent_quarantined", Some("engine"))]);
}

#[rstest]
#[tokio::test]
async fn history_of_a_recording_is_told_newest_first(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = stored(on).await;
    let recording = RecordingId { batch, ordinal: 0 };
    let refused = AttemptRecord {
        recording,
        agent: scene::agent("b"),
        code: "agent_io".to_owned(),
        reason: "input/output error".to_owned(),
        at: scene::NOW - 5,
    };
    db.ledger().note_refusal(&refused).await.unwrap();
    tell(&db, &engine_failed(batch, 0, 1, "a")).await;
    tell(&db, &engine_failed(batch, 0, 2, "a")).await;
    let entry = |at, kind: &str, agent: &str, code: &str, reason: &str| HistoryRecord {
        at,
        kind: kind.to_owned(),
        agent: Some(agent.to_owned()),
        code: Some(code.to_owned()),
        reason: reason.to_owned(),
    };
    let expected = [
        entry(scene::NOW, "lid_failed", "a", "worker_crashed", "it died"),
        entry(scene::NOW, "lid_set_back", "a", "worker_crashed", "it died"),
        entry(scene::NOW - 5, "placement_refused", "b", "agent_io", "input/output error"),
    ];
    assert_eq!(db.ledger().recording_history(recording, 10).await.unwrap(), expected);
    assert_eq!(db.ledger().recording_history(recording, 1).await.unwrap(), expected[..1]);
    let counted = db.ledger().failures_by_code(batch).await.unwrap();
    let failure =
        FailureCount { code: "worker_crashed".to_owned(), recordings: 1, reason: "it died".to_owned() };
    assert_eq!(counted, [failure]);
    assert_eq!(db.ledger().open_at(&scene::agent("a")).await.unwrap(), 2);
}

#[rstest]
#[tokio::test]
async fn recording_is_found_by_its_name_as_names_are_compared(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = stored(on).await;
    assert_eq!(db.ledger().ordinal_of(batch, "CALL-2.wav ").await.unwrap(), 2);
    let unknown = db.ledger().ordinal_of(batch, "call-9.wav").await.unwrap_err();
    assert_eq!(unknown.to_string(), format!("batch {batch} has no recording \"call-9.wav\""));
    assert_eq!(db.ledger().recording(RecordingId { batch, ordinal: 2 }).await.unwrap().ordinal, 2);
    let beyond = db.ledger().recording(RecordingId { batch, ordinal: 4 }).await;
    assert!(matches!(beyond, Err(LedgerError::NoSuchRecording(..))));
}
