//! What was decided about agents, and placing again what they held.

use cofi_controller::ledger::{
    Applied, GiveUp, GiveUpScope, Ledger, LedgerError, PendingLid, Recorded, ReportedResult, Standing,
    StandingRecord,
};
use cofi_proto::{BatchId, RecordingId};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

fn decided(agent: &str, standing: Standing, deadline: Option<i64>) -> StandingRecord {
    StandingRecord {
        agent: scene::agent(agent),
        standing,
        reason: "works on it".to_owned(),
        since: scene::NOW,
        deadline,
    }
}

fn all_of(agent: &str) -> GiveUp {
    GiveUp {
        agent: scene::agent(agent),
        stored_before: scene::NOW + 1,
        scope: GiveUpScope::All,
        reason: "away for 15 minutes".to_owned(),
    }
}

/// Gives up page by page: how many recordings, in how many pages.
async fn give_up(ledger: &Ledger, what: &GiveUp, page: i64) -> (u64, usize) {
    let (mut recordings, mut pages, mut after) = (0, 0, None);
    loop {
        let given_up = ledger.give_up(what, after, page, scene::NOW + 5).await.unwrap();
        recordings += given_up.recordings;
        if given_up.last.is_none() {
            return (recordings, pages);
        }
        pages += 1;
        after = given_up.last;
    }
}

#[rstest]
#[tokio::test]
async fn standing_is_kept_changed_and_cleared(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    let unknown = ledger.put_standing(&decided("a", Standing::Draining, None)).await;
    assert!(matches!(unknown, Err(LedgerError::NoSuchAgent(agent)) if agent == scene::agent("a")));
    for agent in ["a", "b"] {
        scene::meet(ledger, agent).await;
    }
    let draining = decided("a", Standing::Draining, Some(scene::NOW + 9));
    let removed = decided("b", Standing::Removed, None);
    for record in [&decided("a", Standing::Lost, None), &draining, &removed] {
        ledger.put_standing(record).await.unwrap();
    }
    assert_eq!(ledger.standings().await.unwrap(), [draining.clone(), removed]);
    assert_eq!(ledger.standing(&scene::agent("a")).await.unwrap(), Some(draining));
    assert!(ledger.clear_standing(&scene::agent("a"), scene::NOW).await.unwrap());
    assert!(!ledger.clear_standing(&scene::agent("a"), scene::NOW).await.unwrap());
    assert_eq!(ledger.standing(&scene::agent("a")).await.unwrap(), None);
    let events = db.column("SELECT kind FROM cofiEvent WHERE agent = 'a' ORDER BY id").await;
    assert_eq!(events, ["agent_lost", "agent_draining", "agent_resumed"]);
}

/// Of ten recordings on "a" and two on "b": 0 to 3 identified, of which later
/// stages are done with 3; 4 failed; the others open.
async fn distributed(on: Engine) -> (Fixture, BatchId) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 13).await;
    scene::record(db.ledger(), batch, 0..10, "a").await;
    scene::record(db.ledger(), batch, 10..12, "b").await;
    let mut results: Vec<_> = (0..4).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
    results.push(scene::undecodable(batch, 4, 1));
    scene::apply(db.ledger(), &results).await;
    db.execute("UPDATE `call` SET status = 'Complete' WHERE audioName = 'call-3.wav'").await;
    db.execute("UPDATE `call` SET status = 'Transcription' WHERE audioName = 'call-2.wav'").await;
    (db, batch)
}

#[rstest]
#[tokio::test]
async fn recordings_of_a_lost_host_are_planned_again_and_their_calls_kept(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on).await;
    let calls = db.records("SELECT * FROM `call` ORDER BY id").await;
    let files = db.records("SELECT * FROM fileDistribution ORDER BY `file`").await;
    assert_eq!(give_up(db.ledger(), &all_of("a"), 3).await, (9, 4));
    assert_eq!(give_up(db.ledger(), &all_of("a"), 100).await, (0, 1));

    let planned = db.column("SELECT ordinal FROM cofiRecording WHERE placement = 'planned' ORDER BY 1").await;
    assert_eq!(planned, ["0", "1", "2", "4", "5", "6", "7", "8", "9", "12"]);
    assert_eq!(db.value("SELECT agent FROM cofiRecording WHERE ordinal = 3").await, "a");
    assert_eq!(db.records("SELECT * FROM `call` ORDER BY id").await, calls);
    assert_eq!(db.records("SELECT * FROM fileDistribution ORDER BY `file`").await, files);
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiEvent WHERE kind = 'given_up' AND agent = 'a'").await, "9");
    let settled = db.ledger().settle_batch(batch).await.unwrap();
    assert_eq!((settled.counts.planned, settled.counts.stored), (10, 3));
    assert_eq!(db.value("SELECT dbInsertionStatus FROM batchStatus").await, "InProgress");
}

#[rstest]
#[tokio::test]
async fn recording_that_is_placed_again_moves_and_is_not_identified_twice(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on).await;
    let ids = db.column("SELECT id FROM `call` ORDER BY id").await;
    give_up(db.ledger(), &all_of("a"), 100).await;
    let planned = db.ledger().planned_recordings(batch, -1, 100).await.unwrap();
    let rounds: Vec<(i64, i32)> =
        planned.iter().map(|planned| (planned.recording.ordinal, planned.round)).collect();
    let (known, open) = rounds.split_at(4);
    assert_eq!(known, [(0, 0), (1, 0), (2, 0), (4, 0)], "nothing to identify");
    assert!(open.iter().all(|(_, round)| *round == 1), "{open:?}");

    scene::record(db.ledger(), batch, [0, 1, 2, 4, 5, 6, 7, 8, 9], "c").await;
    let failed = db.record("SELECT * FROM cofiRecording WHERE ordinal = 4").await;
    assert_eq!([&failed["lid"], &failed["code"], &failed["attempts"]], ["failed", "undecodable", "2"]);
    assert_eq!(db.column("SELECT id FROM `call` ORDER BY id").await, ids);
    let moved = "SELECT COUNT(*) FROM `call` c JOIN fileDistribution f ON f.`file` = c.audioName \
                 WHERE c.ip = 'c.example' AND f.ip = c.ip";
    assert_eq!(db.value(moved).await, "9");
    // What was known of the content stays, also what later stages made of it.
    let call = db.record("SELECT * FROM `call` WHERE audioName = 'call-2.wav'").await;
    assert_eq!([&call["lang"], &call["status"], &call["ip"]], ["hi", "Transcription", "c.example"]);
    let pending = db.ledger().pending_lids(&scene::agent("c"), None, 100).await.unwrap();
    let pending: Vec<i64> = pending.iter().map(|PendingLid { recording, .. }| recording.ordinal).collect();
    assert_eq!(pending, [5, 6, 7, 8, 9]);
    // The old host is late: held elsewhere, and its result counts no more.
    let late = db.ledger().record_stored(&[scene::stored(batch, 5, "a")], scene::NOW).await.unwrap();
    assert_eq!(late, [Recorded::Unwanted("held elsewhere".to_owned())]);
    let lang = async || db.value("SELECT lang FROM `call` WHERE audioName = 'call-5.wav'").await;
    let of_both = [scene::identified(batch, 5, 1, "en"), scene::identified(batch, 5, 1, "hi")];
    let of_both = [
        of_both[0].clone(),
        ReportedResult { agent: scene::agent("c"), ..of_both[1].clone() },
        scene::undecodable(batch, 6, 1),
    ];
    let answers = db.ledger().apply_results(&of_both, scene::NOW).await.unwrap();
    assert_eq!(answers, [Applied::Elsewhere, Applied::Settled, Applied::Elsewhere]);
    assert_eq!(lang().await, "hi");
    // Once it is settled, it is settled for everyone.
    let answers = db.ledger().apply_results(&of_both[..1], scene::NOW).await.unwrap();
    assert_eq!((&answers[..], lang().await.as_str()), (&[Applied::Settled][..], "hi"));
    for table in ["`call`", "fileDistribution"] {
        assert_eq!(db.value(&format!("SELECT COUNT(*) FROM {table}")).await, "12", "{table}");
    }
}

#[rstest]
#[tokio::test]
async fn deadline_of_a_drain_places_only_what_has_no_language(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, _) = distributed(on).await;
    let what = GiveUp { scope: GiveUpScope::WithoutLanguage, ..all_of("a") };
    assert_eq!(give_up(db.ledger(), &what, 100).await.0, 6);
    let stays = db.column("SELECT ordinal FROM cofiRecording WHERE agent = 'a' ORDER BY 1").await;
    assert_eq!(stays, ["0", "1", "2", "3"]);
}

#[rstest]
#[tokio::test]
async fn what_came_after_the_loss_and_what_was_cancelled_stays(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on).await;
    let cancelled = scene::batch_of(db.ledger(), 3).await;
    scene::record(db.ledger(), cancelled, 0..2, "a").await;
    db.ledger().cancel_batch(cancelled, scene::NOW).await.unwrap();
    let newer = scene::stored(batch, 12, "a");
    db.ledger().record_stored(&[newer], scene::NOW + 1).await.unwrap();

    assert_eq!(give_up(db.ledger(), &all_of("a"), 100).await.0, 9);
    let stays =
        "SELECT batchId || ' ' || ordinal FROM cofiRecording WHERE agent = 'a' ORDER BY batchId, ordinal";
    let stays = db.column(stays).await;
    assert_eq!(
        stays,
        [format!("{batch} 3"), format!("{batch} 12"), format!("{cancelled} 0"), format!("{cancelled} 1")]
    );
}

#[rstest]
#[tokio::test]
async fn batch_that_had_come_to_rest_works_again(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    scene::record(db.ledger(), batch, 0..2, "a").await;
    let results: Vec<_> = (0..2).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
    scene::apply(db.ledger(), &results).await;
    db.ledger().settle_batch(batch).await.unwrap();
    assert!(db.ledger().unfinished_batches().await.unwrap().is_empty());

    let given_up = db.ledger().give_up(&all_of("a"), None, 1, scene::NOW).await.unwrap();
    assert_eq!(given_up.last, Some(RecordingId { batch, ordinal: 0 }));
    assert_eq!(db.ledger().unfinished_batches().await.unwrap(), [batch]);
}
