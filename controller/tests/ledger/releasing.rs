//! Releasing: what nobody needs on a host any more is let go of, and nothing
//! else, and all that is known of it stays.

use cofi_controller::ledger::{
    Applied, Custody, GiveUp, GiveUpScope, Ledger, LedgerError, Placement, Recorded, ReleaseCause,
    ReleaseCounts, ReleaseScope, ReleaseTerms, Released, ReleasedCount,
};
use cofi_proto::{BatchId, RecordingId};
use rstest::rstest;

use crate::{
    checking,
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// When the tests release: an hour after the last result.
const LATER: i64 = scene::NOW + 3_600_000_000;

fn terms(cause: ReleaseCause) -> ReleaseTerms {
    ReleaseTerms { cause, reason: "archived".to_owned(), older_than_seconds: 0 }
}

/// Twelve recordings: 0 to 7 on "a", 8 to 10 on "b", 11 still planned. 0 to 3
/// and 8 are identified, 4 and 5 failed, the others open. Later stages are done
/// with 0 to 2, with 5, with 6 (whoever did that) and with 8.
async fn distributed(on: Engine) -> (Fixture, BatchId) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    for agent in ["a", "b"] {
        scene::meet(ledger, agent).await;
    }
    let batch = scene::batch_of(ledger, 12).await;
    scene::record(ledger, batch, 0..8, "a").await;
    scene::record(ledger, batch, 8..11, "b").await;
    let mut results: Vec<_> =
        [0, 1, 2, 3, 8].map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).into();
    results.extend([4, 5].map(|ordinal| scene::undecodable(batch, ordinal, 1)));
    scene::apply(ledger, &results).await;
    for (ordinal, status) in [
        (0, "Complete"),
        (1, "ShortCall"),
        (2, "UnsupportedLanguage"),
        (3, "Transcription"),
        (5, "ShortCall"),
        (6, "Complete"),
        (8, "Complete"),
    ] {
        over(&db, ordinal, status).await;
    }
    ledger.settle_batch(batch).await.unwrap();
    (db, batch)
}

async fn over(db: &Fixture, ordinal: i64, status: &str) {
    let update = format!("UPDATE `call` SET status = '{status}' WHERE audioName = 'call-{ordinal}.wav'");
    assert_eq!(db.execute(&update).await, 1);
}

/// Looks through everything in pages: those that can be released, and what came
/// of all.
async fn look(
    ledger: &Ledger,
    scope: &ReleaseScope,
    terms: &ReleaseTerms,
) -> (Vec<RecordingId>, ReleaseCounts, usize) {
    let (mut recordings, mut counts, mut pages, mut after) = (Vec::new(), ReleaseCounts::default(), 0, None);
    loop {
        let page = ledger.releasable(scope, after, 3, terms, LATER).await.unwrap();
        if page.last.is_none() {
            return (recordings, counts, pages);
        }
        recordings.extend(page.recordings);
        counts.merge(page.counts);
        after = page.last;
        pages += 1;
    }
}

fn ids(batch: BatchId, ordinals: &[i64]) -> Vec<RecordingId> {
    ordinals.iter().map(|ordinal| RecordingId { batch, ordinal: *ordinal }).collect()
}

async fn unheld(db: &Fixture) -> Vec<String> {
    db.column("SELECT ordinal FROM cofiRecording WHERE placement = 'stored' AND agent IS NULL ORDER BY 1")
        .await
}

#[rstest]
#[tokio::test]
async fn only_recordings_whose_calls_are_over_are_released(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on).await;
    let (scope, terms) = (ReleaseScope::Batch(batch), terms(ReleaseCause::Operator));
    let (recordings, counts, pages) = look(db.ledger(), &scope, &terms).await;
    assert_eq!(recordings, ids(batch, &[0, 1, 2, 5, 8]));
    let expected = ReleaseCounts {
        released: 5,
        released_bytes: 5_000,
        released_before: 0,
        needed: 2,
        unidentified: 4,
        too_young: 0,
    };
    assert_eq!((counts, pages), (expected, 4));
    assert!(unheld(&db).await.is_empty(), "looking releases nothing");

    // Whatever is named, the rows decide.
    let released = db.ledger().release(&ids(batch, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11]), &terms, LATER).await;
    let released = released.unwrap();
    assert_eq!((released.counts.released, released.counts.released_bytes), (5, 5_000));
    assert_eq!(released.agents.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(unheld(&db).await, ["0", "1", "2", "5", "8"]);
    let again = look(db.ledger(), &scope, &terms).await;
    assert_eq!((again.0.len(), again.1.released_before), (0, 5));
}

#[rstest]
#[tokio::test]
async fn retention_looks_at_one_agent_and_leaves_what_can_be_tried_again(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on).await;
    let terms = terms(ReleaseCause::Retention);
    let (recordings, counts, _) = look(db.ledger(), &ReleaseScope::Agent(scene::agent("a")), &terms).await;
    assert_eq!(recordings, ids(batch, &[0, 1, 2]));
    assert_eq!(counts.needed, 1);
    let failed = db.ledger().release(&ids(batch, &[5]), &terms, LATER).await.unwrap();
    assert_eq!((failed.counts.released, failed.counts.unidentified), (0, 1));
    let (recordings, ..) = look(db.ledger(), &ReleaseScope::Agent(scene::agent("b")), &terms).await;
    assert_eq!(recordings, ids(batch, &[8]));
}

#[rstest]
#[tokio::test]
async fn recording_is_kept_until_its_call_and_its_result_are_old_enough(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on).await;
    let scope = ReleaseScope::Batch(batch);
    let hour = ReleaseTerms { older_than_seconds: 3_600, ..terms(ReleaseCause::Operator) };
    // The calls were changed just now, by the database's own clock.
    let (recordings, counts, _) = look(db.ledger(), &scope, &hour).await;
    assert_eq!((recordings.len(), counts.too_young), (0, 5));
    db.execute("UPDATE `call` SET updatedAt = '2001-02-03 04:05:06' WHERE audioName <> 'call-1.wav'").await;
    let (recordings, ..) = look(db.ledger(), &scope, &hour).await;
    assert_eq!(recordings, ids(batch, &[0, 2, 5, 8]));
    // Its language came a second too late.
    db.execute("UPDATE cofiRecording SET settledAt = settledAt + 1000000 WHERE ordinal = 2").await;
    assert_eq!(look(db.ledger(), &scope, &hour).await.0, ids(batch, &[0, 5, 8]));
    // Nobody says how old it is.
    db.execute("UPDATE `call` SET updatedAt = NULL, createdAt = NULL WHERE audioName = 'call-0.wav'").await;
    assert_eq!(look(db.ledger(), &scope, &hour).await.0, ids(batch, &[5, 8]));
    let released = db.ledger().release(&ids(batch, &[0, 1, 2, 5]), &hour, LATER).await.unwrap();
    assert_eq!((released.counts.released, released.counts.too_young), (1, 3));
}

#[rstest]
#[tokio::test]
async fn everything_that_is_known_of_a_released_recording_stays(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on).await;
    let tables = ["`call` ORDER BY id", "fileDistribution ORDER BY `file`", "lidStatus ORDER BY id"];
    let mut before = Vec::new();
    for table in tables {
        before.push(db.records(&format!("SELECT * FROM {table}")).await);
    }
    let counts = db.ledger().batch(batch).await.unwrap().counts;
    let digest = db.value("SELECT digest FROM cofiRecording WHERE ordinal = 0").await;
    db.ledger().release(&ids(batch, &[0, 5]), &terms(ReleaseCause::Operator), LATER).await.unwrap();
    for (table, before) in tables.into_iter().zip(before) {
        assert_eq!(db.records(&format!("SELECT * FROM {table}")).await, before, "{table}");
    }
    assert_eq!(db.ledger().batch(batch).await.unwrap().counts, counts);
    assert_eq!(db.value("SELECT digest FROM cofiRecording WHERE ordinal = 0").await, digest);
    assert_eq!(db.ledger().settle_batch(batch).await.unwrap().counts, counts);

    let row = db.record("SELECT * FROM cofiRelease WHERE ordinal = 0").await;
    let at = LATER.to_string();
    let told =
        [("agent", "a"), ("cause", "operator"), ("reason", "archived"), ("at", &at), ("doneAt", "NULL")];
    assert!(told.iter().all(|(column, value)| row[*column] == *value), "{row:?}");
    let event = db.record("SELECT * FROM cofiEvent WHERE kind = 'released'").await;
    assert_eq!((event["reason"].as_str(), event["code"].as_str()), ("2 recordings: archived", "operator"));
    let listed = db.ledger().recordings(batch, cofi_controller::ledger::RecordingFilter::All, -1, 2).await;
    let listed = listed.unwrap();
    let release = listed[0].release.as_ref().unwrap();
    assert_eq!((listed[0].placement, listed[0].agent.as_deref()), (Placement::Stored, None));
    assert_eq!((release.agent.as_str(), release.at, release.done), ("a", LATER, None));
    assert_eq!(listed[1].release, None);
    assert_eq!(checking::flaws(&db).await, []);
}

#[rstest]
#[tokio::test]
async fn host_is_told_until_it_says_that_the_files_are_gone(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on).await;
    let ledger = db.ledger();
    assert_eq!(
        ledger.custody(&scene::agent("a")).await.unwrap(),
        Custody { stored: 8, settled: 6, releasing: 0 }
    );
    ledger.release(&ids(batch, &[0, 1, 2, 8]), &terms(ReleaseCause::Operator), LATER).await.unwrap();
    assert_eq!(
        ledger.custody(&scene::agent("a")).await.unwrap(),
        Custody { stored: 5, settled: 3, releasing: 3 }
    );
    let due = async |agent: &str, after: Option<i64>, limit| {
        let after = after.map(|ordinal| RecordingId { batch, ordinal });
        let due = ledger.releases_due(&scene::agent(agent), after, limit).await.unwrap();
        due.into_iter().map(|(recording, reason)| (recording.ordinal, reason)).collect::<Vec<_>>()
    };
    let archived = |ordinals: &[i64]| {
        ordinals.iter().map(|ordinal| (*ordinal, "archived".to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(due("a", None, 2).await, archived(&[0, 1]));
    assert_eq!(due("a", Some(1), 2).await, archived(&[2]));
    let count = async || ledger.highlights(batch).await.unwrap().released;
    assert_eq!(count().await, ReleasedCount { recordings: 4, unconfirmed: 4 });

    // Twice the same, one that it holds, one of another host, one of nobody.
    let said = ids(batch, &[0, 0, 2, 3, 8, 99]);
    for now in [LATER + 1, LATER + 2] {
        ledger.confirm_releases(&scene::agent("a"), &said, now).await.unwrap();
    }
    assert_eq!(due("a", None, 9).await, archived(&[1]));
    assert_eq!(due("b", None, 9).await, archived(&[8]));
    assert_eq!(count().await, ReleasedCount { recordings: 4, unconfirmed: 2 });
    let done = db.column("SELECT COALESCE(doneAt, 0) FROM cofiRelease ORDER BY ordinal").await;
    assert_eq!(done, [(LATER + 1).to_string(), "0".to_owned(), (LATER + 1).to_string(), "0".to_owned()]);
    assert_eq!(
        ledger.custody(&scene::agent("a")).await.unwrap(),
        Custody { stored: 5, settled: 3, releasing: 1 }
    );
}

#[rstest]
#[tokio::test]
async fn released_recording_belongs_to_nobody_again(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on).await;
    let ledger = db.ledger();
    ledger.release(&ids(batch, &[0, 1, 5]), &terms(ReleaseCause::Operator), LATER).await.unwrap();
    // Its host is lost.
    let what = GiveUp {
        agent: scene::agent("a"),
        stored_before: i64::MAX,
        scope: GiveUpScope::All,
        reason: "away".to_owned(),
    };
    ledger.give_up(&what, None, 100, LATER + 1).await.unwrap();
    // Late words of its host, and of another one that has a copy.
    for agent in ["a", "b"] {
        let late = ledger.record_stored(&[scene::stored(batch, 0, agent)], LATER + 2).await.unwrap();
        assert!(matches!(&late[0], Recorded::Unwanted(_)), "{agent}: {late:?}");
    }
    let results = [scene::identified(batch, 0, 1, "en"), scene::undecodable(batch, 5, 1)];
    assert_eq!(
        ledger.apply_results(&results, LATER + 3).await.unwrap(),
        [Applied::Settled, Applied::Settled]
    );
    assert_eq!(unheld(&db).await, ["0", "1", "5"]);
    let planned = ledger.planned_recordings(batch, -1, 100).await.unwrap();
    let planned: Vec<i64> = planned.iter().map(|planned| planned.recording.ordinal).collect();
    assert_eq!(planned, [3, 4, 6, 7, 11], "2 is done with, and stays where it is");
    assert_eq!(db.value("SELECT lang FROM `call` WHERE audioName = 'call-0.wav'").await, "hi");
    ledger.settle_batch(batch).await.unwrap();
    assert_eq!(checking::flaws(&db).await, []);
}

#[rstest]
#[tokio::test]
async fn retry_leaves_released_recordings_out_and_refuses_those_that_are_named(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on).await;
    let ledger = db.ledger();
    ledger.release(&ids(batch, &[5]), &terms(ReleaseCause::Operator), LATER).await.unwrap();
    let refused = ledger.retry(batch, &[4, 5], LATER + 1).await;
    let error = refused.unwrap_err();
    assert!(
        matches!(&error, LedgerError::Released(in_batch, ordinals) if *in_batch == batch && *ordinals == [5])
    );
    assert!(error.to_string().contains("5 of batch"), "{error}");
    assert_eq!(db.value("SELECT lidRound FROM cofiRecording WHERE ordinal = 4").await, "1");

    let retried = ledger.retry(batch, &[], LATER + 2).await.unwrap();
    assert_eq!((retried.placements, retried.identifications, retried.released), (0, 1, 1));
    assert_eq!(ledger.retry(batch, &[], LATER + 2).await.unwrap(), retried, "the same call again");
    let pending = ledger.retried_lids(batch, LATER + 2, -1, 10).await.unwrap();
    assert_eq!(pending.iter().map(|lid| lid.recording.ordinal).collect::<Vec<_>>(), [4]);
    assert_eq!(db.value("SELECT lid FROM cofiRecording WHERE ordinal = 5").await, "failed");
    ledger.settle_batch(batch).await.unwrap();
    assert_eq!(checking::flaws(&db).await, []);
}

#[rstest]
#[tokio::test]
async fn release_that_is_asked_for_twice_at_one_time_is_answered_alike(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on).await;
    let (ledger, terms) = (db.ledger(), terms(ReleaseCause::Operator));
    let first = ledger.release(&ids(batch, &[0, 1, 8]), &terms, LATER).await.unwrap();
    assert_eq!(first.counts.released, 3);
    assert_eq!(ledger.release(&ids(batch, &[0, 1, 8]), &terms, LATER).await.unwrap(), first);
    let later = ledger.release(&ids(batch, &[0, 1, 8]), &terms, LATER + 1).await.unwrap();
    let before = ReleaseCounts { released_before: 3, ..ReleaseCounts::default() };
    assert_eq!(later, Released { counts: before, ..Released::default() });
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiRelease").await, "3");
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiEvent WHERE kind = 'released'").await, "1");
}

#[rstest]
#[tokio::test]
async fn batches_of_others_and_unknown_ones_are_refused(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO batchStatus (id, batchDate) VALUES (41, '01-02-2020')").await;
    let terms = terms(ReleaseCause::Operator);
    for (batch, is_known) in [(41, true), (42, false)] {
        let scope = ReleaseScope::Batch(BatchId(batch));
        let refused = db.ledger().releasable(&scope, None, 10, &terms, LATER).await.unwrap_err();
        let as_expected = if is_known {
            matches!(refused, LedgerError::EarlierBatch(_))
        } else {
            matches!(refused, LedgerError::NoSuchBatch(_))
        };
        assert!(as_expected, "{batch}");
    }
}

/// `UPDATE`s after which the checker must say that a column contradicts.
#[rstest]
#[case::held("UPDATE cofiRecording SET agent = 'a' WHERE ordinal = 0")]
#[case::open("UPDATE cofiRecording SET lid = 'none' WHERE ordinal = 0")]
#[case::planned("UPDATE cofiRecording SET placement = 'planned' WHERE ordinal = 0")]
#[case::forgotten("DELETE FROM cofiRelease WHERE ordinal = 0")]
#[tokio::test]
async fn damaged_release_is_found(#[case] statement: &str, #[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on).await;
    db.ledger().release(&ids(batch, &[0]), &terms(ReleaseCause::Operator), LATER).await.unwrap();
    assert_eq!(checking::flaws(&db).await, []);
    assert_eq!(db.execute(statement).await, 1);
    let flaws = checking::flaws(&db).await;
    assert!(flaws.iter().any(|flaw| flaw.kind.as_str() == "columns"), "{flaws:?}");
}
