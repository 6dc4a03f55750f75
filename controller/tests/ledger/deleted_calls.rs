//! Calls that another service deleted although their recordings need them.

use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture, Record,
    },
    scene,
};

/// The call of a recording as it was when the recording was stored.
async fn call(db: &Fixture, ordinal: i64) -> Record {
    db.record(&format!("SELECT * FROM `call` WHERE audioName = 'call-{ordinal}.wav'")).await
}

fn without(mut record: Record, columns: &[&str]) -> Record {
    record.retain(|column, _| !columns.contains(&column.as_str()));
    record
}

/// Each recording points to its own call, of its own name, and no call is
/// there twice.
async fn assert_consistent(db: &Fixture, recordings: usize) {
    let pairs = db
        .records(
            "SELECT r.audioName AS ours, c.audioName AS theirs, r.lid, c.lang FROM cofiRecording r \
             JOIN `call` c ON c.id = r.callId AND c.batchId = r.batchId",
        )
        .await;
    assert_eq!(pairs.len(), recordings);
    for pair in pairs {
        assert_eq!(pair["ours"], pair["theirs"]);
        assert_eq!(pair["lid"] == "done", pair["lang"] != "unknown", "{pair:?}");
    }
    assert_eq!(db.value("SELECT COUNT(*) FROM `call`").await, recordings.to_string());
    assert_eq!(db.value("SELECT COUNT(*) FROM fileDistribution").await, recordings.to_string());
}

#[rstest]
#[tokio::test]
async fn result_of_a_recording_whose_call_was_deleted_writes_it_again(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 130).await;
    scene::record(db.ledger(), batch, 0..130, "a").await;
    let before = call(&db, 7).await;
    db.execute("DELETE FROM `call` WHERE audioName IN ('call-7.wav', 'call-90.wav', 'call-129.wav')").await;
    db.execute("DELETE FROM fileDistribution WHERE `file` = 'call-90.wav'").await;
    let results: Vec<_> = (0..130).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
    scene::apply(db.ledger(), &results).await;
    assert_consistent(&db, 130).await;
    let after = call(&db, 7).await;
    assert_ne!(after["id"], before["id"]);
    let new = ["id", "lang", "languageId", "audioDuration", "createdAt", "updatedAt"];
    assert_eq!(without(after, &new), without(before, &new));
    assert_eq!(db.value("SELECT COUNT(*) FROM `call` WHERE lang = 'hi'").await, "130");
    assert_eq!(db.value("SELECT COUNT(*) FROM fileDistribution WHERE lidDone = 1").await, "130");
    let events =
        db.column("SELECT ordinal FROM cofiEvent WHERE kind = 'call_restored' ORDER BY ordinal").await;
    assert_eq!(events, ["7", "90", "129"]);
    // Again, and nothing more comes of it.
    scene::apply(db.ledger(), &results).await;
    assert_consistent(&db, 130).await;
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiEvent").await, "3");
}

#[rstest]
#[tokio::test]
async fn row_that_was_put_in_its_place_is_taken_over(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    scene::record(db.ledger(), batch, 0..2, "a").await;
    db.execute("DELETE FROM `call` WHERE audioName = 'call-1.wav'").await;
    db.execute(&format!(
        "INSERT INTO `call` (id, batchId, audioName, summary) VALUES (900, {batch}, 'call-1.wav', 'kept')"
    ))
    .await;
    scene::apply(db.ledger(), &[scene::identified(batch, 1, 1, "hi")]).await;
    let call = call(&db, 1).await;
    assert_eq!([&call["id"], &call["lang"], &call["summary"]], ["900", "hi", "kept"]);
    assert_eq!(db.value("SELECT callId FROM cofiRecording WHERE ordinal = 1").await, "900");
}

#[rstest]
#[tokio::test]
async fn row_of_another_batch_that_got_its_id_is_left_alone(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    let id = call(&db, 0).await["id"].clone();
    db.execute("DELETE FROM `call`").await;
    db.execute("INSERT INTO batchStatus (id) VALUES (900)").await;
    db.execute(&format!(
        "INSERT INTO `call` (id, batchId, audioName, lang) VALUES ({id}, 900, 'other.wav', 'unknown')"
    ))
    .await;
    let other = db.record("SELECT * FROM `call`").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "hi")]).await;
    assert_eq!(db.record("SELECT * FROM `call` WHERE batchId = 900").await, other);
    assert_eq!(call(&db, 0).await["lang"], "hi");
    assert_ne!(db.value("SELECT callId FROM cofiRecording").await, id);
}

#[rstest]
#[tokio::test]
async fn recording_that_is_placed_again_gets_its_deleted_call_and_language_back(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 12).await;
    scene::record(db.ledger(), batch, 0..12, "a").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 3, 1, "hi")]).await;
    let before = call(&db, 3).await;
    db.execute("UPDATE cofiRecording SET placement = 'planned'").await;
    db.execute("DELETE FROM `call` WHERE audioName IN ('call-3.wav', 'call-4.wav')").await;
    scene::record(db.ledger(), batch, 0..12, "b").await;
    assert_consistent(&db, 12).await;
    let hosts = db.column("SELECT DISTINCT ip FROM `call`").await;
    assert_eq!(hosts, [scene::address("b")]);
    let new = ["id", "ip", "createdAt", "updatedAt"];
    assert_eq!(without(call(&db, 3).await, &new), without(before, &new));
    assert_eq!(call(&db, 4).await["lang"], "unknown");
}
