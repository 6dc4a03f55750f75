//! Planning: a batch is there whole or not at all.

use std::sync::Arc;

use cofi_controller::{
    ledger::{Begun, LedgerError, ManifestEntry, NewBatch},
    plan::Planner,
};
use cofi_language::LanguageTable;
use cofi_proto::{BatchId, Digest, clock::SystemClock};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// Rows that planning writes, wherever they are.
async fn traces(db: &Fixture) -> Vec<String> {
    let mut traces = Vec::new();
    for table in ["batchStatus", "cofiBatch", "cofiRecording"] {
        traces.push(db.value(&format!("SELECT COUNT(*) FROM {table}")).await);
    }
    traces
}

#[rstest]
#[tokio::test]
async fn names_that_are_equal_to_planned_ones_are_left_out_and_told(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::begin(db.ledger(), &scene::wish()).await;
    let first = scene::entries(&["a.wav", "B.wav", "b.wav", "é.wav"]);
    assert_eq!(db.ledger().add_to_manifest(batch, &first).await.unwrap(), [2]);

    let second = ["A.WAV", "c.wav", "e\u{301}.wav", "b.wav  "];
    let second: Vec<ManifestEntry> = scene::entries(&second)
        .into_iter()
        .map(|entry| ManifestEntry { ordinal: entry.ordinal + 10, ..entry })
        .collect();
    assert_eq!(db.ledger().add_to_manifest(batch, &second).await.unwrap(), [10, 12, 13]);
    let names = db.column("SELECT audioName FROM cofiRecording ORDER BY ordinal").await;
    assert_eq!(names, ["a.wav", "B.wav", "é.wav", "c.wav"]);
}

#[rstest]
#[tokio::test]
async fn equal_names_in_two_batches_are_two_recordings(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    for _ in 0..2 {
        let batch = scene::batch(db.ledger(), &scene::wish(), &["a.wav"]).await;
        scene::record(db.ledger(), batch, [0], "a").await;
    }
    assert_eq!(db.value("SELECT COUNT(*) FROM `call` WHERE audioName = 'a.wav'").await, "2");
}

#[rstest]
#[tokio::test]
async fn batch_is_seen_by_nobody_until_it_is_published(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    let batch = scene::begin(ledger, &scene::wish()).await;
    ledger.add_to_manifest(batch, &scene::entries(&["a.wav"])).await.unwrap();

    assert!(matches!(ledger.batch(batch).await, Err(LedgerError::NoSuchBatch(missing)) if missing == batch));
    assert!(ledger.batches(i64::MAX, 10).await.unwrap().is_empty());
    assert!(ledger.unfinished_batches().await.unwrap().is_empty());
    assert!(matches!(ledger.cancel_batch(batch, scene::NOW).await, Err(LedgerError::NoSuchBatch(_))));
    assert!(matches!(ledger.retry(batch, &[], scene::NOW).await, Err(LedgerError::NoSuchBatch(_))));
    assert!(matches!(ledger.settle_batch(batch).await, Err(LedgerError::NoSuchBatch(_))));
    let row = db.record("SELECT * FROM batchStatus").await;
    assert_eq!(
        [&row["batchStatus"], &row["dbInsertionStatus"], &row["currentBatch"]],
        ["Pending", "Pending", "0"]
    );

    ledger.publish_batch(batch).await.unwrap();
    let record = ledger.batch(batch).await.unwrap();
    assert_eq!((record.counts.recordings, record.counts.planned, record.counts.bytes), (1, 1, 1_000));
    assert_eq!(ledger.unfinished_batches().await.unwrap(), [batch]);
}

#[rstest]
#[tokio::test]
async fn published_batch_has_the_values_of_the_contract_and_is_the_only_current_one(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    db.execute(
        "INSERT INTO batchStatus (batchDate, currentBatch, remarks) VALUES ('31-01-2025', 1, 'older')",
    )
    .await;
    let wish = scene::wish();
    let batch = scene::batch(db.ledger(), &wish, &["a.wav", "b.wav"]).await;

    let row = db.record(&format!("SELECT * FROM batchStatus WHERE id = {batch}")).await;
    for (column, value) in [
        ("batchDate", "01-02-2025"),
        ("currentBatch", "1"),
        ("batchStatus", "InProgress"),
        ("dbInsertionStatus", "InProgress"),
        ("lidStatus", "Pending"),
        ("sttStatus", "Pending"),
        ("llm1Status", "Pending"),
        ("remarks", "NULL"),
        ("batchEndTime", "NULL"),
        ("dbInsertionEndTime", "NULL"),
        ("lidStartTime", "NULL"),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    for column in ["batchStartTime", "dbInsertionStartTime", "createdAt", "updatedAt"] {
        assert!(is_a_time(&row[column]), "{column} is {}", row[column]);
    }
    assert_eq!(db.column("SELECT id FROM batchStatus WHERE currentBatch = 1").await, [batch.to_string()]);

    let row = db.record("SELECT * FROM cofiBatch").await;
    for (column, value) in [
        ("source", "/srv/calls"),
        ("processId", "1"),
        ("categoryMappingId", "1"),
        ("audioEndpoint", scene::ENDPOINT),
        ("candidates", ""),
        ("idempotencyKey", wish.idempotency_key.as_str()),
        ("planned", "1"),
        ("cancelled", "0"),
        ("resting", "0"),
        ("recordings", "2"),
        ("bytes", "2000"),
        ("createdAt", "1700000000000000"),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
}

/// 'YYYY-MM-DD HH:MM:SS'.
fn is_a_time(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split(['-', ' ', ':']).collect();
    text.len() == 19 && parts.len() == 6 && parts.iter().all(|part| digits(part))
}

#[rstest]
#[tokio::test]
async fn planned_recording_has_nothing_but_its_file(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch(db.ledger(), &scene::wish(), &["A.wav"]).await;
    let row = db.record(&format!("SELECT * FROM cofiRecording WHERE batchId = {batch}")).await;
    for (column, value) in [
        ("ordinal", "0"),
        ("nameKey", "a.wav"),
        ("audioName", "A.wav"),
        ("sourcePath", "in/A.wav"),
        ("size", "1000"),
        ("mtime", "5"),
        ("placement", "planned"),
        ("lid", "none"),
        ("lidRound", "1"),
        ("attempts", "0"),
        ("digest", "NULL"),
        ("agent", "NULL"),
        ("callId", "NULL"),
        ("code", "NULL"),
        ("storedAt", "NULL"),
        ("settledAt", "NULL"),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    for table in ["fileDistribution", "`call`", "lidStatus"] {
        assert_eq!(db.value(&format!("SELECT COUNT(*) FROM {table}")).await, "0", "{table}");
    }
}

#[rstest]
#[tokio::test]
async fn discarded_batch_leaves_nothing_behind(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let before = traces(&db).await;
    let batch = scene::begin(db.ledger(), &scene::wish()).await;
    db.ledger().add_to_manifest(batch, &scene::entries(&scene::names(700))).await.unwrap();
    db.ledger().discard_batch(batch).await.unwrap();
    assert_eq!(traces(&db).await, before);
}

#[rstest]
#[tokio::test]
async fn published_batch_cannot_be_discarded(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    let before = traces(&db).await;
    // Whatever the answer is: a planner that did not hear that its last step
    // was committed must not take the batch away.
    drop(db.ledger().discard_batch(batch).await);
    assert_eq!(traces(&db).await, before);
    assert_eq!(db.ledger().batch(batch).await.unwrap().counts.planned, 3);
}

#[rstest]
#[tokio::test]
async fn start_removes_what_died_while_it_was_planned_and_nothing_else(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let whole = scene::batch_of(db.ledger(), 2).await;
    let before = traces(&db).await;
    let mut dead = Vec::new();
    for key in ["one", "two"] {
        let wish = NewBatch { idempotency_key: key.to_owned(), ..scene::wish() };
        let batch = scene::begin(db.ledger(), &wish).await;
        db.ledger().add_to_manifest(batch, &scene::entries(&["a.wav"])).await.unwrap();
        dead.push((batch, key.to_owned()));
    }
    assert_eq!(db.ledger().unpublished_batches().await.unwrap(), dead);
    let languages = Arc::new(LanguageTable::new([]).unwrap());
    let planner = Planner::new(db.ledger().clone(), languages, Vec::new(), Arc::new(SystemClock));
    planner.discard_leftovers().await.unwrap();
    assert_eq!(traces(&db).await, before);
    assert_eq!(db.ledger().unfinished_batches().await.unwrap(), [whole]);
}

#[rstest]
#[tokio::test]
async fn batch_that_is_not_there_is_not_published(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let absent = BatchId(scene::batch_of(db.ledger(), 1).await.0 + 1);
    let refused = db.ledger().publish_batch(absent).await;
    assert!(matches!(refused, Err(LedgerError::NoSuchBatch(batch)) if batch == absent), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn idempotency_key_gives_the_same_request_the_same_batch(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    let request = NewBatch { idempotency_key: "morning's".to_owned(), ..scene::wish() };
    let batch = scene::begin(ledger, &request).await;
    assert_eq!(ledger.begin_batch(&request).await.unwrap(), Begun::Unpublished(batch));
    ledger.add_to_manifest(batch, &scene::entries(&["a.wav"])).await.unwrap();
    ledger.publish_batch(batch).await.unwrap();
    assert_eq!(ledger.begin_batch(&request).await.unwrap(), Begun::Existing(batch));

    let other = NewBatch { request_hash: Digest::of(b"another request"), ..request.clone() };
    let refused = ledger.begin_batch(&other).await;
    assert!(matches!(refused, Err(LedgerError::KeyTaken(key, of)) if key == "morning's" && of == batch));
    assert_eq!(traces(&db).await, ["1", "1", "1"]);
}

#[rstest]
#[tokio::test]
async fn idempotency_key_of_a_discarded_batch_is_free_again(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let request = NewBatch { idempotency_key: "key".to_owned(), ..scene::wish() };
    let first = scene::begin(db.ledger(), &request).await;
    db.ledger().discard_batch(first).await.unwrap();
    let second = scene::begin(db.ledger(), &request).await;
    assert!(second > first, "the id of a batch that was discarded came again");
}

#[rstest]
#[tokio::test]
async fn unknown_process_or_category_mapping_begins_nothing(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let process = NewBatch { process: 77, ..scene::wish() };
    let refused = db.ledger().begin_batch(&process).await;
    assert!(matches!(refused, Err(LedgerError::NoSuchRow { table: "process", id: 77 })));
    let category = NewBatch { category_mapping: 78, ..scene::wish() };
    let refused = db.ledger().begin_batch(&category).await;
    assert!(matches!(refused, Err(LedgerError::NoSuchRow { table: "categoryMapping", id: 78 })));
    assert_eq!(traces(&db).await, ["0", "0", "0"]);
}

#[rstest]
#[tokio::test]
async fn columns_are_as_wide_as_they_are_declared(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let columns = db.ledger().name_columns().await.unwrap();
    let widths: Vec<_> = columns.names.iter().map(|name| (name.column, name.chars)).collect();
    let wide = Some(255);
    assert_eq!(
        widths,
        [("fileDistribution.file", wide), ("call.audioName", wide), ("lidStatus.audioName", wide)]
    );
    assert_eq!(columns.url.map(|url| (url.column, url.chars)), Some(("call.audioUrl", Some(500))));

    db.narrow_lid_status().await;
    let columns = db.another_ledger().await.name_columns().await.unwrap();
    let narrow: Vec<_> = columns.names.iter().filter(|name| name.chars == Some(100)).collect();
    assert!(matches!(narrow[..], [name] if name.column == "lidStatus.audioName"), "{columns:?}");
}

#[rstest]
#[tokio::test]
async fn files_of_earlier_batches_are_known_by_path_size_and_time(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    let earlier = scene::batch_of(ledger, 1_200).await;
    let mut asked = scene::entries(&scene::names(1_203));
    asked[3].size += 1;
    asked[4].mtime += 1;
    asked[5].source_path = "elsewhere/call-5.wav".to_owned();
    let known = ledger.known_files("/srv/calls", &asked).await.unwrap();
    let mut known: Vec<i64> = known.into_iter().collect();
    known.sort_unstable();
    let expected: Vec<i64> = (0..1_200).filter(|ordinal| ![3, 4, 5].contains(ordinal)).collect();
    assert_eq!(known, expected);
    assert!(ledger.known_files("/srv/other", &asked).await.unwrap().is_empty());

    // What was cancelled is not held by anybody.
    ledger.cancel_batch(earlier, scene::NOW).await.unwrap();
    assert!(ledger.known_files("/srv/calls", &asked).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn files_of_a_batch_that_is_not_published_are_not_known(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let entries = scene::entries(&["a.wav"]);
    let batch = scene::begin(db.ledger(), &scene::wish()).await;
    db.ledger().add_to_manifest(batch, &entries).await.unwrap();
    assert!(db.ledger().known_files("/srv/calls", &entries).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn each_start_raises_the_generation(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let first = db.ledger().begin_generation().await.unwrap();
    let second = db.another_ledger().await.begin_generation().await.unwrap();
    assert_eq!(second, first + 1);
}

#[rstest]
#[tokio::test]
async fn database_keeps_its_name_and_no_other_has_it(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, other) = (Fixture::new(on).await, Fixture::new(on).await);
    let name = db.ledger().database_id().await.unwrap();
    assert_eq!(db.another_ledger().await.database_id().await.unwrap(), name);
    assert_ne!(other.ledger().database_id().await.unwrap(), name);
}
