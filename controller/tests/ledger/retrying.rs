//! Retrying: what rests as failed goes again, and nothing else does.

use cofi_controller::ledger::{LedgerError, NewBatch, PendingLid, Retried, SourceStamp};
use cofi_proto::{BatchId, RecordingId};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// A batch whose recordings 0..4 are identified, 4..8 undecodable, 8..12 could
/// not be placed, and 12..16 are planned.
async fn mixed(on: Engine) -> (Fixture, BatchId) {
    let db = Fixture::new(on).await;
    let new = NewBatch { candidates: vec!["en".to_owned(), "hi".to_owned()], ..scene::wish() };
    let batch = scene::batch(db.ledger(), &new, &scene::names(16)).await;
    scene::record(db.ledger(), batch, 0..4, "a").await;
    scene::record(db.ledger(), batch, 4..8, "b").await;
    let mut results: Vec<_> = (0..4).map(|ordinal| scene::identified(batch, ordinal, 1, "en")).collect();
    results.extend((4..8).map(|ordinal| scene::undecodable(batch, ordinal, 1)));
    scene::apply(db.ledger(), &results).await;
    let failures: Vec<_> = (8..12).map(|ordinal| scene::unplaceable(batch, ordinal)).collect();
    db.ledger().fail_placements(&failures, scene::NOW).await.unwrap();
    (db, batch)
}

/// What stands in the rows: ordinal, placement, lid, round, reason.
async fn rows(db: &Fixture) -> Vec<String> {
    let select = "SELECT ordinal || ' ' || placement || ' ' || lid || ' ' || lidRound || ' ' || \
                  COALESCE(code, '-') || ' ' || attempts FROM cofiRecording ORDER BY ordinal";
    db.column(select).await
}

#[rstest]
#[tokio::test]
async fn retry_of_all_takes_what_failed_and_leaves_the_rest(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    let before = rows(&db).await;
    let retried = db.ledger().retry(batch, &[], scene::NOW).await.unwrap();
    assert_eq!(retried, Retried { placements: 4, identifications: 4, released: 0 });
    let expected: Vec<PendingLid> = (4..8)
        .map(|ordinal| PendingLid {
            agent: "b".to_owned(),
            recording: RecordingId { batch, ordinal },
            round: 2,
            candidates: vec!["en".to_owned(), "hi".to_owned()],
        })
        .collect();
    let mut told = db.ledger().retried_lids(batch, scene::NOW, -1, 3).await.unwrap();
    assert_eq!(told.len(), 3);
    told.extend(db.ledger().retried_lids(batch, scene::NOW, 6, 3).await.unwrap());
    assert_eq!(told, expected);
    assert!(db.ledger().retried_lids(batch, scene::NOW + 1, -1, 3).await.unwrap().is_empty());

    let after = rows(&db).await;
    assert_eq!(after[..4], before[..4]);
    assert_eq!(after[4], "4 stored none 2 - 0");
    assert_eq!(after[8], "8 planned none 1 - 0");
    assert_eq!(after[12..], before[12..]);
    assert_eq!(db.value("SELECT COUNT(*) FROM `call` WHERE lang = 'unknown'").await, "4");
    let event = db.record("SELECT * FROM cofiEvent WHERE kind = 'retried'").await;
    assert_eq!(event["reason"], "4 placements, 4 identifications");
}

#[rstest]
#[tokio::test]
async fn retry_of_some_takes_those_alone(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    let before = rows(&db).await;
    // Identified, twice the same, not placed, planned, unknown.
    let retried = db.ledger().retry(batch, &[0, 5, 5, 9, 13, 99], scene::NOW).await.unwrap();
    assert_eq!((retried.placements, retried.identifications), (1, 1));
    let after = rows(&db).await;
    let changed: Vec<usize> = (0..16).filter(|index| before[*index] != after[*index]).collect();
    assert_eq!(changed, [5, 9]);
}

#[rstest]
#[tokio::test]
async fn retry_without_anything_failed_changes_nothing(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    db.ledger().retry(batch, &[], scene::NOW).await.unwrap();
    let (before, events) = (rows(&db).await, db.value("SELECT COUNT(*) FROM cofiEvent").await);
    assert_eq!(db.ledger().retry(batch, &[], scene::NOW + 1).await.unwrap(), Retried::default());
    assert_eq!(db.ledger().retry(batch, &[1, 12], scene::NOW + 2).await.unwrap(), Retried::default());
    assert_eq!((rows(&db).await, db.value("SELECT COUNT(*) FROM cofiEvent").await), (before, events));
}

#[rstest]
#[tokio::test]
async fn retry_wakes_a_batch_that_rests(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    scene::apply(db.ledger(), &[scene::undecodable(batch, 0, 1)]).await;
    db.ledger().settle_batch(batch).await.unwrap();
    assert!(db.ledger().unfinished_batches().await.unwrap().is_empty());
    db.ledger().retry(batch, &[], scene::NOW).await.unwrap();
    assert_eq!(db.ledger().unfinished_batches().await.unwrap(), [batch]);
}

#[rstest]
#[tokio::test]
async fn cancelled_recordings_are_not_retried(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    assert_eq!(db.ledger().cancel_batch(batch, scene::NOW).await.unwrap(), 8);
    // What hosts hold may still be identified.
    let retried = db.ledger().retry(batch, &[], scene::NOW).await.unwrap();
    assert_eq!((retried.placements, retried.identifications), (0, 4));
    let refused = db.ledger().retry(batch, &[], scene::NOW + 1).await;
    assert!(matches!(refused, Err(LedgerError::BatchCancelled(of)) if of == batch), "{refused:?}");
    let cancelled = db.value("SELECT COUNT(*) FROM cofiRecording WHERE placement = 'cancelled'").await;
    assert_eq!(cancelled, "8");
}

#[rstest]
#[tokio::test]
async fn retry_of_an_unknown_batch_says_so(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let refused = db.ledger().retry(BatchId(9), &[], scene::NOW).await;
    assert!(matches!(refused, Err(LedgerError::NoSuchBatch(BatchId(9)))), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn retry_of_many_named_recordings_takes_each_once(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1_234).await;
    scene::record(db.ledger(), batch, 0..1_234, "a").await;
    let failures: Vec<_> = (0..1_234).map(|ordinal| scene::undecodable(batch, ordinal, 1)).collect();
    scene::apply(db.ledger(), &failures).await;
    let named: Vec<i64> = (0..1_234).rev().collect();
    let retried = db.ledger().retry(batch, &named, scene::NOW).await.unwrap();
    assert_eq!(retried.identifications, 1_234);
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiRecording WHERE lidRound = 2").await, "1234");
}

#[rstest]
#[tokio::test]
async fn changed_source_is_taken_as_it_is_now(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    let ledger = db.ledger();
    let changed = ledger.changed_sources(batch, -1, 3).await.unwrap();
    assert_eq!(changed, [8, 9, 10].map(|ordinal| (ordinal, format!("in/call-{ordinal}.wav"))));
    assert_eq!(ledger.changed_sources(batch, 10, 3).await.unwrap().len(), 1);

    // 1 is stored and 14 planned: what they are was settled elsewhere.
    let stamps = [1, 8, 14].map(|ordinal| SourceStamp { ordinal, size: 70, mtime: 6 });
    ledger.restamp_sources(batch, &stamps).await.unwrap();
    let stamped = db.column("SELECT ordinal FROM cofiRecording WHERE size = 70 AND mtime = 6").await;
    assert_eq!(stamped, ["8"]);
    let record = ledger.batch(batch).await.unwrap();
    assert_eq!(record.counts.bytes, 15_070);
}
