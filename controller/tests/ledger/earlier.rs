//! Batches that an earlier service wrote: listed and shown as the shared tables
//! have them, and left alone by what needs a manifest.

use cofi_controller::ledger::{
    AnyBatch, CallFilter, EarlierBatch, EarlierDetails, Ledger, LedgerError, RecordingFilter, StageStatus,
};
use cofi_proto::BatchId;
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

async fn shown(ledger: &Ledger, batch: i64) -> EarlierBatch {
    match ledger.any_batch(BatchId(batch)).await.unwrap() {
        AnyBatch::Earlier(earlier) => earlier,
        AnyBatch::Own(own) => panic!("{own:?}"),
    }
}

fn stage(stage: &'static str, status: Option<&str>) -> StageStatus {
    StageStatus { stage, status: status.map(str::to_owned) }
}

#[rstest]
#[tokio::test]
async fn batches_are_listed_newest_first_whoever_wrote_them(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO batchStatus (id, batchDate) VALUES (40, '01-01-2020'), (41, NULL)").await;
    let own = scene::batch_of(db.ledger(), 3).await;
    let unseen = scene::begin(db.ledger(), &scene::wish()).await;
    db.execute("INSERT INTO batchStatus (id, batchDate) VALUES (90, '02-01-2020')").await;
    db.execute(
        "INSERT INTO `call` (batchId, audioName, lang) VALUES (40, 'a.wav', 'hi'), (40, 'b.wav', NULL)",
    )
    .await;
    assert!(own.0 > 41 && unseen.0 < 90);

    let mut seen = Vec::new();
    let mut before = i64::MAX;
    loop {
        let page = db.ledger().batches(before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = last.id().0;
        seen.extend(page);
    }
    let ids: Vec<i64> = seen.iter().map(|batch| batch.id().0).collect();
    assert_eq!(ids, [90, own.0, 41, 40]);
    assert!(matches!(&seen[1], AnyBatch::Own(record) if record.counts.recordings == 3));
    let expected = EarlierBatch {
        batch: BatchId(40),
        batch_date: Some("01-01-2020".to_owned()),
        start_time: None,
        current: false,
        stages: ["batchStatus", "dbInsertionStatus", "lidStatus"]
            .into_iter()
            .map(|column| stage(column, Some("Pending")))
            .collect(),
        calls: 2,
        details: None,
    };
    assert_eq!(seen[3], AnyBatch::Earlier(expected));
    assert!(
        matches!(&seen[2], AnyBatch::Earlier(earlier) if earlier.batch_date.is_none() && earlier.calls == 0)
    );
}

#[rstest]
#[tokio::test]
async fn everything_that_the_tables_say_of_a_batch_is_shown(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute(
        "INSERT INTO batchStatus (id, batchDate, currentBatch, batchStatus, lidStatus, sttStatus, denoiseStatus, \
         batchStartTime, remarks) VALUES (40, '01-01-2020', 1, 'InProgress', NULL, 'Complete', NULL, \
         '2020-01-01 06:30:00', 'by hand')",
    )
    .await;
    db.execute(
        "INSERT INTO `call` (batchId, audioName, lang) VALUES (40, 'a', 'hi'), (40, 'b', 'hi'), (40, 'c', 'en'), \
         (40, 'd', 'unknown'), (40, 'e', NULL)",
    )
    .await;
    db.execute("INSERT INTO fileDistribution (`file`, batchId) VALUES ('a', 40), ('b', 40), ('a', 41)").await;
    let batch = shown(db.ledger(), 40).await;
    assert_eq!((batch.calls, batch.current), (5, true));
    assert_eq!(batch.start_time.as_deref(), Some("2020-01-01 06:30:00"));
    let pending = Some("Pending");
    let expected = [
        stage("batchStatus", Some("InProgress")),
        stage("dbInsertionStatus", pending),
        stage("lidStatus", None),
        stage("sttStatus", Some("Complete")),
        stage("llm1Status", pending),
        stage("llm2Status", pending),
        stage("triagingStatus", pending),
        stage("triagingStep2Status", pending),
        stage("denoiseStatus", None),
        stage("ivrStatus", None),
    ];
    assert_eq!(batch.stages, expected);
    let expected = EarlierDetails {
        identified: 3,
        lid_pending: 2,
        distributed: 2,
        languages: vec![("hi".to_owned(), 2), ("en".to_owned(), 1)],
        remarks: Some("by hand".to_owned()),
    };
    assert_eq!(batch.details, Some(expected));
}

#[rstest]
#[tokio::test]
async fn stages_that_a_database_lacks_are_left_out(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    for column in ["denoiseStatus", "ivrStatus"] {
        db.execute(&format!("ALTER TABLE batchStatus DROP COLUMN {column}")).await;
    }
    db.execute("INSERT INTO batchStatus (id) VALUES (40)").await;
    let batch = shown(db.ledger(), 40).await;
    assert_eq!(batch.stages.last(), Some(&stage("triagingStep2Status", Some("Pending"))));
    let details = batch.details.unwrap();
    assert_eq!((batch.calls, details.identified, details.lid_pending, details.distributed), (0, 0, 0, 0));
}

#[rstest]
#[tokio::test]
async fn batch_that_is_being_planned_is_nobodys_business(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::begin(db.ledger(), &scene::wish()).await;
    let seen = db.ledger().any_batch(batch).await;
    assert!(matches!(seen, Err(LedgerError::NoSuchBatch(_))), "{seen:?}");
    let listed = db.ledger().recordings(batch, RecordingFilter::All, -1, 10).await;
    assert!(matches!(listed, Err(LedgerError::NoSuchBatch(_))), "{listed:?}");
}

#[rstest]
#[tokio::test]
async fn what_needs_a_manifest_is_refused_with_the_reason(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO batchStatus (id, batchDate) VALUES (40, '01-01-2020')").await;
    let before = db.records("SELECT * FROM batchStatus").await;
    let (ledger, batch) = (db.ledger(), BatchId(40));
    let refusals = [
        ledger.batch(batch).await.map(drop),
        ledger.recordings(batch, RecordingFilter::All, -1, 10).await.map(drop),
        ledger.retry(batch, &[], scene::NOW).await.map(drop),
        ledger.cancel_batch(batch, scene::NOW).await.map(drop),
        ledger.settle_batch(batch).await.map(drop),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error, LedgerError::EarlierBatch(BatchId(40))), "{error:?}");
        assert_eq!(
            error.to_string(),
            "batch 40 was written by an earlier service, and Cofi has no manifest of it"
        );
    }
    assert_eq!(db.records("SELECT * FROM batchStatus").await, before);
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiEvent").await, "0");
}

#[rstest]
#[tokio::test]
async fn call_without_a_language_counts_as_not_identified(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO batchStatus (id) VALUES (40)").await;
    db.execute(
        "INSERT INTO `call` (batchId, audioName, lang) VALUES (40, 'a', NULL), (40, 'b', 'unknown'), (40, 'c', 'hi')",
    )
    .await;
    for (identified, expected) in
        [(Some(false), vec!["a", "b"]), (Some(true), vec!["c"]), (None, vec!["a", "b", "c"])]
    {
        let filter = CallFilter { batch: BatchId(40), status: None, identified };
        let calls = db.ledger().calls(&filter, 0, 10).await.unwrap();
        let names: Vec<&str> = calls.iter().map(|call| call.audio_name.as_str()).collect();
        assert_eq!(names, expected, "{identified:?}");
        let unknown = calls.iter().filter(|call| call.lang == "unknown").count();
        assert_eq!(unknown, expected.iter().filter(|name| **name != "c").count());
    }
}
