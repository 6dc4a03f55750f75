//! Recording acknowledgements: which rows, with which values, and who wins.

use cofi_controller::ledger::{LedgerError, NewBatch, Recorded};
use cofi_proto::BatchId;
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// Rows of a batch in `fileDistribution`, in `call`, and stored in ours.
async fn rows(db: &Fixture, batch: BatchId) -> [String; 3] {
    [
        db.value(&format!("SELECT COUNT(*) FROM fileDistribution WHERE batchId = {batch}")).await,
        db.value(&format!("SELECT COUNT(*) FROM `call` WHERE batchId = {batch}")).await,
        db.value(&format!(
            "SELECT COUNT(*) FROM cofiRecording WHERE batchId = {batch} AND placement = 'stored'"
        ))
        .await,
    ]
}

fn unwanted(reason: &str) -> Recorded {
    Recorded::Unwanted(reason.to_owned())
}

#[rstest]
#[tokio::test]
async fn recorded_acknowledgement_has_the_rows_of_the_contract(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO auditForm (id, name) VALUES (31, 'form')").await;
    db.execute("INSERT INTO categoryMapping (id, name) VALUES (9, 'sales')").await;
    db.execute("INSERT INTO `process` (id, name, auditFormId) VALUES (7, 'audited', 31)").await;
    let new = NewBatch { process: 7, category_mapping: 9, ..scene::wish() };
    let batch = scene::batch(db.ledger(), &new, &["x.wav", "Grüße 100%.wav"]).await;
    scene::record(db.ledger(), batch, [1], "gpu-1").await;

    let row = db.record("SELECT * FROM fileDistribution").await;
    for (column, value) in [
        ("file", "Grüße 100%.wav"),
        ("ip", "gpu-1.example"),
        ("batchId", &batch.to_string()),
        ("denoiseDone", "0"),
        ("ivrDone", "0"),
        ("lidDone", "0"),
        ("sttDone", "0"),
        ("llm1Done", "0"),
        ("llm2Done", "0"),
    ] {
        assert_eq!(row[column], value, "fileDistribution.{column}");
    }

    let call = db.record("SELECT * FROM `call`").await;
    for (column, value) in [
        ("processId", "7"),
        ("auditFormId", "31"),
        ("categoryMappingId", "9"),
        ("userId", "1"),
        ("languageId", "NULL"),
        ("audioUrl", "https://audio.example/calls/Grüße 100%.wav"),
        ("audioName", "Grüße 100%.wav"),
        ("audioDuration", "0"),
        ("lang", "unknown"),
        ("type", "Call"),
        ("status", "Pending"),
        ("batchId", &batch.to_string()),
        ("ip", "gpu-1.example"),
        ("callId", "NULL"),
        ("processingTime", "NULL"),
        ("summary", "NULL"),
        ("translationStatus", "Pending"),
        ("transliterationStatus", "Pending"),
    ] {
        assert_eq!(call[column], value, "call.{column}");
    }
    assert_eq!(
        db.value("SELECT COUNT(*) FROM `call` WHERE createdAt IS NULL OR updatedAt IS NULL").await,
        "0"
    );

    let ours = db.record("SELECT * FROM cofiRecording WHERE ordinal = 1").await;
    for (column, value) in [
        ("placement", "stored"),
        ("lid", "none"),
        ("lidRound", "1"),
        ("agent", "gpu-1"),
        ("callId", call["id"].as_str()),
        ("digest", &scene::digest(1).to_string()),
        ("storedAt", &scene::NOW.to_string()),
        ("attempts", "0"),
        ("code", "NULL"),
        ("reason", "NULL"),
    ] {
        assert_eq!(ours[column], value, "cofiRecording.{column}");
    }
    assert_eq!(db.value("SELECT placement FROM cofiRecording WHERE ordinal = 0").await, "planned");
}

#[rstest]
#[tokio::test]
async fn call_of_a_process_without_audit_form_has_none(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    assert_eq!(db.value("SELECT auditFormId FROM `call`").await, "NULL");
}

#[rstest]
#[tokio::test]
async fn url_has_exactly_one_slash_between_endpoint_and_name(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    for endpoint in ["https://audio.example", "https://audio.example/", "https://audio.example//"] {
        let new = NewBatch { audio_endpoint: endpoint.to_owned(), ..scene::wish() };
        let batch = scene::batch(db.ledger(), &new, &["a b.wav"]).await;
        scene::record(db.ledger(), batch, [0], "a").await;
    }
    let urls = db.column("SELECT DISTINCT audioUrl FROM `call`").await;
    assert_eq!(urls, ["https://audio.example/a b.wav"]);
}

#[rstest]
#[tokio::test]
async fn duplicate_in_one_group_makes_one_row(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    let one = scene::stored(batch, 1, "a");
    let group = [one.clone(), scene::stored(batch, 0, "a"), one.clone(), one];
    let answers = db.ledger().record_stored(&group, scene::NOW).await.unwrap();
    assert_eq!(answers, [const { Recorded::Stored }; 4]);
    assert_eq!(rows(&db, batch).await, ["2", "2", "2"]);
}

#[rstest]
#[tokio::test]
async fn repeated_acknowledgement_is_answered_like_the_first_and_changes_nothing(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    let group = [scene::stored(batch, 0, "a"), scene::stored(batch, 1, "a")];
    let first = db.ledger().record_stored(&group, scene::NOW).await.unwrap();
    let before = db.records("SELECT * FROM cofiRecording").await;
    assert_eq!(db.ledger().record_stored(&group, scene::NOW + 1).await.unwrap(), first);
    assert_eq!(db.records("SELECT * FROM cofiRecording").await, before);
    assert_eq!(rows(&db, batch).await, ["2", "2", "2"]);
}

#[rstest]
#[tokio::test]
async fn recording_that_another_host_stored_first_is_held_elsewhere(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    scene::record(db.ledger(), batch, [0], "first").await;
    // The other one of the two is decided by the order in the group.
    let group = [
        scene::stored(batch, 0, "second"),
        scene::stored(batch, 1, "second"),
        scene::stored(batch, 1, "first"),
    ];
    let answers = db.ledger().record_stored(&group, scene::NOW).await.unwrap();
    assert_eq!(answers, [unwanted("held elsewhere"), Recorded::Stored, unwanted("held elsewhere")]);
    let held = db.column("SELECT agent FROM cofiRecording ORDER BY ordinal").await;
    assert_eq!(held, ["first", "second"]);
    let ips = db.column("SELECT ip FROM `call` ORDER BY audioName").await;
    assert_eq!(ips, ["first.example", "second.example"]);
    assert_eq!(rows(&db, batch).await, ["2", "2", "2"]);
}

#[rstest]
#[tokio::test]
async fn unknown_recording_and_unknown_batch_are_unwanted_beside_a_good_one(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    let group =
        [scene::stored(batch, 99, "a"), scene::stored(BatchId(4_711), 0, "a"), scene::stored(batch, 0, "a")];
    let answers = db.ledger().record_stored(&group, scene::NOW).await.unwrap();
    assert_eq!(answers, [unwanted("no such recording"), unwanted("no such recording"), Recorded::Stored]);
    assert_eq!(db.ledger().record_stored(&[], scene::NOW).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn cancelled_recording_gets_no_rows(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    assert_eq!(db.ledger().cancel_batch(batch, scene::NOW).await.unwrap(), 2);
    let late = [scene::stored(batch, 1, "a"), scene::stored(batch, 0, "a")];
    let answers = db.ledger().record_stored(&late, scene::NOW).await.unwrap();
    assert_eq!(answers, [unwanted("the batch was cancelled"), Recorded::Stored]);
    assert_eq!(rows(&db, batch).await, ["1", "1", "1"]);
}

#[rstest]
#[tokio::test]
async fn late_acknowledgement_wins_over_a_failure(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    db.ledger().fail_placements(&[scene::unplaceable(batch, 0)], scene::NOW).await.unwrap();
    let ours = db.record("SELECT * FROM cofiRecording").await;
    assert_eq!([&ours["placement"], &ours["code"], &ours["attempts"]], ["failed", "source_changed", "1"]);
    assert_eq!(rows(&db, batch).await, ["0", "0", "0"]);

    scene::record(db.ledger(), batch, [0], "a").await;
    let ours = db.record("SELECT * FROM cofiRecording").await;
    assert_eq!([&ours["placement"], &ours["code"], &ours["reason"]], ["stored", "NULL", "NULL"]);
    // What happened stays in the history.
    let event = db.record("SELECT * FROM cofiEvent").await;
    assert_eq!([&event["kind"], &event["code"]], ["placement_failed", "source_changed"]);
    assert_eq!([&event["at"], &event["ordinal"]], [scene::NOW.to_string().as_str(), "0"]);
}

#[rstest]
#[tokio::test]
async fn failure_does_not_touch_a_recording_that_is_stored_or_cancelled(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    db.ledger().cancel_batch(batch, scene::NOW).await.unwrap();
    let failures = [scene::unplaceable(batch, 0), scene::unplaceable(batch, 1), scene::unplaceable(batch, 9)];
    db.ledger().fail_placements(&failures, scene::NOW).await.unwrap();
    let placements = db.column("SELECT placement FROM cofiRecording ORDER BY ordinal").await;
    assert_eq!(placements, ["stored", "cancelled"]);
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiEvent WHERE kind = 'placement_failed'").await, "0");
}

#[rstest]
#[tokio::test]
async fn rows_of_an_earlier_service_are_taken_over_and_not_doubled(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 12).await;
    // It wrote calls after identification, and distribution before.
    db.execute(&format!(
        "INSERT INTO `call` (id, audioName, batchId, ip, audioUrl, lang, status, userId) \
         VALUES (500, 'call-1.wav', {batch}, 'old', 'http://old/call-1.wav', 'hi', 'Transcription', 1)"
    ))
    .await;
    for name in ["call-1.wav", "call-2.wav"] {
        db.execute(&format!(
            "INSERT INTO fileDistribution (`file`, ip, batchId, sttDone) VALUES ('{name}', 'old', {batch}, 1)"
        ))
        .await;
    }
    scene::record(db.ledger(), batch, 0..12, "a").await;

    assert_eq!(rows(&db, batch).await, ["12", "12", "12"]);
    let call = db.record("SELECT * FROM `call` WHERE audioName = 'call-1.wav'").await;
    assert_eq!([&call["id"], &call["ip"]], ["500", "a.example"]);
    assert_eq!(call["audioUrl"], "https://audio.example/calls/call-1.wav");
    // What it knew stays.
    assert_eq!([&call["lang"], &call["status"]], ["hi", "Transcription"]);
    assert_eq!(db.value("SELECT callId FROM cofiRecording WHERE ordinal = 1").await, "500");
    let distributed = db.records("SELECT * FROM fileDistribution WHERE sttDone = 1").await;
    assert_eq!(distributed.len(), 2);
    assert!(distributed.iter().all(|row| row["ip"] == "a.example"), "{distributed:?}");
}

#[rstest]
#[tokio::test]
async fn call_of_the_same_name_in_another_batch_is_left_alone(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO batchStatus (id, batchDate) VALUES (400, '01-01-2020')").await;
    db.execute("INSERT INTO `call` (id, audioName, batchId, ip) VALUES (500, 'call-0.wav', 400, 'old')")
        .await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    scene::record(db.ledger(), batch, [0], "a").await;
    assert_eq!(db.value("SELECT ip FROM `call` WHERE id = 500").await, "old");
    assert_ne!(db.value("SELECT callId FROM cofiRecording").await, "500");
}

#[rstest]
#[tokio::test]
async fn recording_that_is_placed_again_moves_its_rows_and_keeps_what_is_known(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 13).await;
    scene::record(db.ledger(), batch, 0..12, "gone").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 3, 1, "hi")]).await;
    let before = db.column("SELECT id FROM `call` ORDER BY id").await;
    // As a host that is gone for good leaves them.
    db.execute("UPDATE cofiRecording SET placement = 'planned', agent = NULL WHERE ordinal IN (3, 4)").await;
    scene::record(db.ledger(), batch, [3, 4, 12], "new").await;

    assert_eq!(rows(&db, batch).await, ["13", "13", "13"]);
    let moved = ["call-12.wav", "call-3.wav", "call-4.wav"];
    let by_ip = "ip = 'new.example' ORDER BY 1";
    assert_eq!(db.column(&format!("SELECT audioName FROM `call` WHERE {by_ip}")).await, moved);
    assert_eq!(db.column(&format!("SELECT `file` FROM fileDistribution WHERE {by_ip}")).await, moved);
    let after = db.column("SELECT id FROM `call` ORDER BY id").await;
    assert_eq!(after[..12], before[..]);
    let call = db.record("SELECT * FROM `call` WHERE audioName = 'call-3.wav'").await;
    assert_eq!([&call["lang"], &call["audioDuration"]], ["hi", "12.25"]);
    let ours = db.record("SELECT * FROM cofiRecording WHERE ordinal = 3").await;
    assert_eq!([&ours["lid"], &ours["agent"]], ["done", "new"]);
    let done = "SELECT lidDone FROM fileDistribution WHERE `file` = 'call-3.wav'";
    assert_eq!(db.value(done).await, "1");
}

#[rstest]
#[tokio::test]
async fn group_that_is_refused_leaves_no_row(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 5).await;
    // The third row is refused, after two tables were written.
    db.refuse("UPDATE", "cofiRecording", "NEW.ordinal = 3").await;
    let group: Vec<_> = (0..5).map(|ordinal| scene::stored(batch, ordinal, "a")).collect();
    let outcome = db.ledger().record_stored(&group, scene::NOW).await;
    assert!(matches!(outcome, Err(LedgerError::Database(_))), "{outcome:?}");
    assert_eq!(rows(&db, batch).await, ["0", "0", "0"]);
    db.execute("DROP TRIGGER refuse").await;
    scene::record(db.ledger(), batch, 0..5, "a").await;
    assert_eq!(rows(&db, batch).await, ["5", "5", "5"]);
}

#[rstest]
#[tokio::test]
async fn call_that_would_refer_to_nobody_is_refused(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    db.execute("DELETE FROM `user` WHERE id = 1").await;
    let outcome = db.ledger().record_stored(&[scene::stored(batch, 0, "a")], scene::NOW).await;
    assert!(matches!(outcome, Err(LedgerError::Database(_))), "{outcome:?}");
    assert_eq!(rows(&db, batch).await, ["0", "0", "0"]);
}
