//! The stages of a batch: computed from its rows, and from nothing else.

use cofi_controller::ledger::{BatchState, Counts, LedgerError};
use cofi_proto::BatchId;
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture, Record,
    },
    scene,
};

async fn status(db: &Fixture, batch: BatchId) -> Record {
    db.record(&format!("SELECT * FROM batchStatus WHERE id = {batch}")).await
}

/// Settles, and says what stands in the columns that are Cofi's.
async fn settled(db: &Fixture, batch: BatchId) -> [String; 4] {
    db.ledger().settle_batch(batch).await.unwrap();
    let mut row = status(db, batch).await;
    ["dbInsertionStatus", "lidStatus", "currentBatch", "remarks"].map(|column| row.remove(column).unwrap())
}

#[rstest]
#[tokio::test]
async fn stages_follow_the_rows_from_the_first_to_the_last(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    let batch = scene::batch_of(ledger, 2).await;
    assert_eq!(settled(&db, batch).await, ["InProgress", "Pending", "1", "NULL"]);
    scene::record(ledger, batch, [0], "a").await;
    assert_eq!(settled(&db, batch).await, ["InProgress", "InProgress", "1", "NULL"]);
    assert_ne!(status(&db, batch).await["lidStartTime"], "NULL");
    scene::apply(ledger, &[scene::identified(batch, 0, 1, "en")]).await;
    // Everything that is stored is identified, but not everything is stored.
    assert_eq!(settled(&db, batch).await, ["InProgress", "InProgress", "1", "NULL"]);
    scene::record(ledger, batch, [1], "a").await;
    assert_eq!(settled(&db, batch).await, ["Complete", "InProgress", "1", "NULL"]);
    assert_eq!(status(&db, batch).await["lidEndTime"], "NULL");
    scene::apply(ledger, &[scene::identified(batch, 1, 1, "en")]).await;
    assert_eq!(settled(&db, batch).await, ["Complete", "Complete", "0", "NULL"]);
    let row = status(&db, batch).await;
    assert!(row["dbInsertionEndTime"] != "NULL" && row["lidEndTime"] != "NULL", "{row:?}");
    // The batch itself goes on: its later stages are others' work.
    assert_eq!([&row["batchStatus"], &row["sttStatus"]], ["InProgress", "Pending"]);
    assert!(ledger.unfinished_batches().await.unwrap().is_empty());
    assert_eq!(ledger.batch(batch).await.unwrap().state(), BatchState::Complete);
}

#[rstest]
#[tokio::test]
async fn settling_twice_changes_nothing(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    scene::record(db.ledger(), batch, [0, 1], "a").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en"), scene::undecodable(batch, 1, 1)]).await;
    let first = db.ledger().settle_batch(batch).await.unwrap();
    // Times that a second settling would overwrite.
    db.execute(
        "UPDATE batchStatus SET updatedAt = '2000-01-01 00:00:00', dbInsertionEndTime = '2000-01-01 00:00:00'",
    )
    .await;
    let before = status(&db, batch).await;
    assert_eq!(db.ledger().settle_batch(batch).await.unwrap(), first);
    assert_eq!(status(&db, batch).await, before);
}

#[rstest]
#[tokio::test]
async fn failures_keep_a_stage_in_progress_and_remarks_say_how_many_and_why(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 5).await;
    scene::record(db.ledger(), batch, [0, 1, 2], "a").await;
    let failures = [scene::unplaceable(batch, 3), scene::unplaceable(batch, 4)];
    db.ledger().fail_placements(&failures, scene::NOW).await.unwrap();
    let results = [
        scene::identified(batch, 0, 1, "en"),
        scene::identified(batch, 1, 1, "en"),
        scene::undecodable(batch, 2, 1),
    ];
    scene::apply(db.ledger(), &results).await;
    let remark = "cofi: 2 not distributed (source_changed 2), 1 not identified (undecodable 1)";
    assert_eq!(settled(&db, batch).await, ["InProgress", "InProgress", "0", remark]);
    let record = db.ledger().batch(batch).await.unwrap();
    assert_eq!(record.state(), BatchState::CompleteWithFailures);
    let expected = Counts {
        recordings: 5,
        bytes: 5_000,
        placement_failed: 2,
        stored: 3,
        stored_bytes: 3_000,
        identified: 2,
        lid_failed: 1,
        ..Counts::default()
    };
    assert_eq!(record.counts, expected);

    // Once they are mended, nothing is left of it.
    db.ledger().retry(batch, &[], scene::NOW).await.unwrap();
    assert_eq!(settled(&db, batch).await, ["InProgress", "InProgress", "1", "NULL"]);
    scene::record(db.ledger(), batch, [3, 4], "a").await;
    let results = [3, 4].map(|ordinal| scene::identified(batch, ordinal, 1, "en"));
    scene::apply(db.ledger(), &results).await;
    scene::apply(db.ledger(), &[scene::identified(batch, 2, 2, "en")]).await;
    assert_eq!(settled(&db, batch).await, ["Complete", "Complete", "0", "NULL"]);
}

#[rstest]
#[tokio::test]
async fn stage_that_was_complete_opens_again_with_its_recordings(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    assert_eq!(settled(&db, batch).await[0], "Complete");
    let start = status(&db, batch).await["dbInsertionStartTime"].clone();
    // As a host that is gone for good leaves it.
    db.execute("UPDATE cofiRecording SET placement = 'planned', agent = NULL").await;
    assert_eq!(settled(&db, batch).await[0], "InProgress");
    let row = status(&db, batch).await;
    assert_eq!([&row["dbInsertionEndTime"], &row["dbInsertionStartTime"]], ["NULL", &start]);
}

#[rstest]
#[tokio::test]
async fn remarks_of_others_are_left_alone(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    for (theirs, after) in [
        ("checked by Asha, 100% of it", "checked by Asha, 100% of it"),
        ("", "cofi: 1 not identified (undecodable 1)"),
        ("cofi: of an earlier time", "cofi: 1 not identified (undecodable 1)"),
    ] {
        let batch = scene::batch_of(db.ledger(), 1).await;
        scene::record(db.ledger(), batch, [0], "a").await;
        scene::apply(db.ledger(), &[scene::undecodable(batch, 0, 1)]).await;
        db.execute(&format!("UPDATE batchStatus SET remarks = '{theirs}' WHERE id = {batch}")).await;
        assert_eq!(settled(&db, batch).await[3], after);
        db.ledger().retry(batch, &[], scene::NOW).await.unwrap();
        let left = if theirs.starts_with("checked") { theirs } else { "NULL" };
        assert_eq!(settled(&db, batch).await[3], left);
    }
}

#[rstest]
#[tokio::test]
async fn cancelled_batch_rests_once_what_is_placed_is_identified(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    assert_eq!(db.ledger().cancel_batch(batch, scene::NOW).await.unwrap(), 2);
    assert_eq!(settled(&db, batch).await, ["InProgress", "InProgress", "1", "cofi: 2 cancelled"]);
    assert_eq!(db.ledger().unfinished_batches().await.unwrap(), [batch]);
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en")]).await;
    assert_eq!(settled(&db, batch).await, ["InProgress", "InProgress", "0", "cofi: 2 cancelled"]);
    assert!(db.ledger().unfinished_batches().await.unwrap().is_empty());
    assert_eq!(db.ledger().batch(batch).await.unwrap().state(), BatchState::Cancelled);
    assert_eq!(db.ledger().cancel_batch(batch, scene::NOW + 1).await.unwrap(), 0);
}

#[rstest]
#[tokio::test]
async fn one_batch_at_most_is_the_current_one(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let current = "SELECT id FROM batchStatus WHERE currentBatch = 1";
    let older = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), older, [0], "a").await;
    scene::apply(db.ledger(), &[scene::undecodable(older, 0, 1)]).await;
    let newer = scene::batch_of(db.ledger(), 1).await;
    db.ledger().settle_batch(older).await.unwrap();
    assert_eq!(db.column(current).await, [newer.to_string()]);

    // Taken up again while a newer one is at work: that one stays.
    db.ledger().retry(older, &[], scene::NOW).await.unwrap();
    db.ledger().settle_batch(older).await.unwrap();
    assert_eq!(db.column(current).await, [newer.to_string()]);

    db.ledger().cancel_batch(newer, scene::NOW).await.unwrap();
    db.ledger().settle_batch(newer).await.unwrap();
    assert!(db.column(current).await.is_empty());
    db.ledger().settle_batch(older).await.unwrap();
    assert_eq!(db.column(current).await, [older.to_string()]);
}

#[rstest]
#[tokio::test]
async fn batch_with_nothing_left_to_place_cannot_be_cancelled(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    let refused = db.ledger().cancel_batch(batch, scene::NOW).await;
    assert!(matches!(refused, Err(LedgerError::NothingToCancel(of)) if of == batch), "{refused:?}");
    assert_eq!(db.ledger().batch(batch).await.unwrap().state(), BatchState::Identifying);
}
