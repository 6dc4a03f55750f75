//! Applying results: which rows, with which values, and which result wins.

use cofi_controller::ledger::{Applied, LedgerError, ReportedResult};
use cofi_proto::{BatchId, session::LidOutcome};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// A result for whichever batch there is.
type Report = Box<dyn Fn(BatchId) -> ReportedResult>;

/// A database with a batch of `count` recordings, all on host "a".
async fn distributed(on: Engine, count: i64) -> (Fixture, BatchId) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), count).await;
    scene::record(db.ledger(), batch, 0..count, "a").await;
    (db, batch)
}

/// What the tables say of the first recording: state, round, language, and how
/// many `lidStatus` rows.
async fn state(db: &Fixture) -> [String; 4] {
    let ours = db.record("SELECT * FROM cofiRecording WHERE ordinal = 0").await;
    [
        ours["lid"].clone(),
        ours["lidRound"].clone(),
        db.value("SELECT lang FROM `call` WHERE audioName = 'call-0.wav'").await,
        db.value("SELECT COUNT(*) FROM lidStatus WHERE audioName = 'call-0.wav'").await,
    ]
}

#[rstest]
#[tokio::test]
async fn applied_result_has_the_rows_of_the_contract(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 2).await;
    let outcome = LidOutcome::Identified(scene::answer("hi", 120.5, 1.234_56));
    let other_address =
        ReportedResult { address: "b.example".to_owned(), ..scene::result(batch, 1, 1, outcome) };
    let answers = db.ledger().apply_results(&[other_address], scene::NOW + 7).await.unwrap();
    assert_eq!(answers, [Applied::Settled]);

    let lid = db.record("SELECT * FROM lidStatus").await;
    for (column, value) in [
        ("audioName", "call-1.wav"),
        ("language", "hi"),
        ("audioDuration", "120.5"),
        ("lidProcessingTime", "1.235"),
        ("batchId", &batch.to_string()),
        // As the host says that identified it.
        ("ip", "b.example"),
    ] {
        assert_eq!(lid[column], value, "lidStatus.{column}");
    }
    let call = db.record("SELECT * FROM `call` WHERE audioName = 'call-1.wav'").await;
    let hindi = db.value("SELECT id FROM `language` WHERE languageCode = 'hi'").await;
    for (column, value) in [
        ("lang", "hi"),
        ("languageId", hindi.as_str()),
        ("audioDuration", "120.5"),
        ("status", "Pending"),
        // As it said when it took the file.
        ("ip", "a.example"),
    ] {
        assert_eq!(call[column], value, "call.{column}");
    }
    let done = db.column("SELECT lidDone FROM fileDistribution ORDER BY `file`").await;
    assert_eq!(done, ["0", "1"]);
    let ours = db.record("SELECT * FROM cofiRecording WHERE ordinal = 1").await;
    for (column, value) in [
        ("lid", "done"),
        ("lidRound", "1"),
        ("placement", "stored"),
        ("agent", "a"),
        ("attempts", "0"),
        ("code", "NULL"),
        ("settledAt", &(scene::NOW + 7).to_string()),
    ] {
        assert_eq!(ours[column], value, "cofiRecording.{column}");
    }
    // The other recording is as it was.
    let call = db.record("SELECT * FROM `call` WHERE audioName = 'call-0.wav'").await;
    assert_eq!([&call["lang"], &call["languageId"], &call["audioDuration"]], ["unknown", "NULL", "0"]);
}

#[rstest]
#[tokio::test]
async fn language_id_is_that_of_the_code_and_null_for_one_the_table_lacks(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on, 6).await;
    let codes = ["hinglish", "zxx", "und", "mr", "tlh", "en"];
    let group: Vec<ReportedResult> =
        (0..).zip(codes).map(|(ordinal, code)| scene::identified(batch, ordinal, 1, code)).collect();
    scene::apply(db.ledger(), &group).await;
    let rows = db
        .records(
            "SELECT c.audioName, c.lang, l.languageCode FROM `call` c \
             LEFT JOIN `language` l ON l.id = c.languageId ORDER BY c.audioName",
        )
        .await;
    for (row, code) in rows.iter().zip(codes) {
        assert_eq!(row["lang"], code);
        assert_eq!(row["languageCode"], if code == "tlh" { "NULL" } else { code });
    }
}

#[rstest]
#[tokio::test]
async fn status_that_a_later_stage_set_is_left_alone(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 1).await;
    db.execute("UPDATE `call` SET status = 'ShortCall', summary = 'kept'").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en")]).await;
    let call = db.record("SELECT * FROM `call`").await;
    assert_eq!([&call["status"], &call["summary"], &call["lang"]], ["ShortCall", "kept", "en"]);
}

#[rstest]
#[tokio::test]
async fn repeated_result_is_answered_like_the_first_and_changes_nothing(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = distributed(on, 1).await;
    let result = scene::identified(batch, 0, 1, "en");
    scene::apply(db.ledger(), &[result.clone(), result.clone()]).await;
    let before = db.records("SELECT * FROM lidStatus").await;
    let later = db.ledger().apply_results(&[result], scene::NOW + 1).await.unwrap();
    assert_eq!(later, [Applied::Settled]);
    assert_eq!(db.records("SELECT * FROM lidStatus").await, before);
    assert_eq!(db.value("SELECT settledAt FROM cofiRecording").await, scene::NOW.to_string());
}

#[rstest]
#[tokio::test]
async fn first_result_of_a_round_wins(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 1).await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en"), scene::identified(batch, 0, 1, "hi")])
        .await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "mr")]).await;
    scene::apply(db.ledger(), &[scene::undecodable(batch, 0, 1)]).await;
    assert_eq!(state(&db).await, ["done", "1", "en", "1"]);
}

#[rstest]
#[tokio::test]
async fn failure_leaves_the_call_as_it_was_and_says_why(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 1).await;
    scene::apply(db.ledger(), &[scene::undecodable(batch, 0, 1)]).await;
    assert_eq!(state(&db).await, ["failed", "1", "unknown", "0"]);
    let call = db.record("SELECT * FROM `call`").await;
    assert_eq!([&call["status"], &call["audioDuration"], &call["languageId"]], ["Pending", "0", "NULL"]);
    assert_eq!(db.value("SELECT lidDone FROM fileDistribution").await, "0");
    let ours = db.record("SELECT * FROM cofiRecording").await;
    assert_eq!([&ours["code"], &ours["reason"]], ["undecodable", "no frame could be read"]);
    assert_eq!([&ours["attempts"], &ours["settledAt"]], ["2", &scene::NOW.to_string()]);
    let event = db.record("SELECT * FROM cofiEvent").await;
    assert_eq!([&event["kind"], &event["agent"], &event["code"]], ["lid_failed", "a", "undecodable"]);
}

#[rstest]
#[tokio::test]
async fn result_after_the_failure_of_its_round_comes_too_late(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 1).await;
    scene::apply(db.ledger(), &[scene::undecodable(batch, 0, 1)]).await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en")]).await;
    assert_eq!(state(&db).await, ["failed", "1", "unknown", "0"]);
}

#[rstest]
#[tokio::test]
async fn retried_recording_is_identified_in_its_new_round_only(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 1).await;
    scene::apply(db.ledger(), &[scene::undecodable(batch, 0, 1)]).await;
    db.ledger().retry(batch, &[], scene::NOW).await.unwrap();
    // Of the round before: superseded.
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en")]).await;
    assert_eq!(state(&db).await, ["none", "2", "unknown", "0"]);
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 2, "hi")]).await;
    assert_eq!(state(&db).await, ["done", "2", "hi", "1"]);
    let ours = db.record("SELECT * FROM cofiRecording").await;
    assert_eq!([&ours["code"], &ours["reason"], &ours["attempts"]], ["NULL", "NULL", "0"]);
}

#[rstest]
#[tokio::test]
async fn identifying_again_updates_the_row_in_lid_status(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 1).await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en")]).await;
    let id = db.value("SELECT id FROM lidStatus").await;
    // A round that this database does not know of: it was restored from an
    // older copy.
    let again = LidOutcome::Identified(scene::answer("mr", 9.5, 0.25));
    scene::apply(db.ledger(), &[scene::result(batch, 0, 4, again)]).await;
    assert_eq!(state(&db).await, ["done", "4", "mr", "1"]);
    let lid = db.record("SELECT * FROM lidStatus").await;
    assert_eq!([&lid["id"], &lid["language"], &lid["audioDuration"]], [id.as_str(), "mr", "9.5"]);
    assert_eq!(lid["lidProcessingTime"], "0.250");
    assert_eq!(db.value("SELECT audioDuration FROM `call`").await, "9.5");
}

#[rstest]
#[tokio::test]
async fn row_of_an_earlier_service_in_lid_status_is_updated(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 2).await;
    db.execute(
        "INSERT INTO lidStatus (id, audioName, `language`, batchId) VALUES (40, 'call-1.wav', 'xx', 3)",
    )
    .await;
    for id in [50, 51] {
        db.execute(&format!(
            "INSERT INTO lidStatus (id, audioName, `language`, batchId) VALUES ({id}, 'call-1.wav', 'xx', {batch})"
        ))
        .await;
    }
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en"), scene::identified(batch, 1, 1, "hi")])
        .await;
    let rows = db.column("SELECT id || ' ' || `language` FROM lidStatus ORDER BY id").await;
    assert_eq!(rows[..3], ["40 xx", "50 xx", "51 hi"]);
    assert!(matches!(&rows[3..], [new] if new.ends_with(" en")), "{rows:?}");
}

#[rstest]
#[tokio::test]
async fn rounds_of_one_recording_in_one_group_count_as_if_they_came_one_by_one(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let identified = |round, language| move |batch| scene::identified(batch, 0, round, language);
    let failed = |round| move |batch| scene::undecodable(batch, 0, round);
    let groups: [Vec<Report>; 5] = [
        vec![Box::new(identified(1, "en")), Box::new(identified(2, "hi"))],
        vec![Box::new(identified(2, "hi")), Box::new(identified(1, "en"))],
        vec![Box::new(identified(1, "en")), Box::new(failed(2))],
        vec![Box::new(failed(1)), Box::new(identified(2, "hi"))],
        vec![Box::new(failed(1)), Box::new(failed(2)), Box::new(identified(1, "en"))],
    ];
    for (index, group) in groups.iter().enumerate() {
        // In company, so that one statement is about all of them.
        let (together, batch) = distributed(on, 20).await;
        let mut results: Vec<ReportedResult> = group.iter().map(|result| result(batch)).collect();
        results.extend((1..20).map(|ordinal| scene::identified(batch, ordinal, 1, "mr")));
        scene::apply(together.ledger(), &results).await;
        let (one_by_one, batch) = distributed(on, 1).await;
        for result in group {
            scene::apply(one_by_one.ledger(), &[result(batch)]).await;
        }
        assert_eq!(state(&together).await, state(&one_by_one).await, "group {index}");
    }
}

#[rstest]
#[tokio::test]
async fn failure_never_takes_away_a_language_that_is_known(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 1).await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en")]).await;
    scene::apply(db.ledger(), &[scene::undecodable(batch, 0, 2)]).await;
    assert_eq!(state(&db).await, ["done", "1", "en", "1"]);
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 2, "hi")]).await;
    assert_eq!(state(&db).await, ["done", "2", "hi", "1"]);
}

#[rstest]
#[tokio::test]
async fn result_that_is_quicker_than_its_acknowledgement_must_come_again(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    scene::record(db.ledger(), batch, [2], "a").await;
    db.ledger().fail_placements(&[scene::unplaceable(batch, 1)], scene::NOW).await.unwrap();
    let group: Vec<ReportedResult> =
        (0..3).map(|ordinal| scene::identified(batch, ordinal, 1, "en")).collect();
    let answers = db.ledger().apply_results(&group, scene::NOW).await.unwrap();
    assert_eq!(answers, [Applied::NotRecorded, Applied::NotRecorded, Applied::Settled]);
    assert_eq!(db.value("SELECT COUNT(*) FROM lidStatus").await, "1");

    scene::record(db.ledger(), batch, [0, 1], "a").await;
    scene::apply(db.ledger(), &group).await;
    assert_eq!(db.value("SELECT COUNT(*) FROM lidStatus").await, "3");
    assert_eq!(db.value("SELECT COUNT(*) FROM `call` WHERE lang = 'en'").await, "3");
}

#[rstest]
#[tokio::test]
async fn result_that_nothing_will_ever_need_is_settled(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 1).await;
    db.ledger().cancel_batch(batch, scene::NOW).await.unwrap();
    let group = [
        scene::identified(batch, 0, 1, "en"),
        scene::identified(batch, 99, 1, "en"),
        scene::identified(BatchId(4_711), 0, 1, "en"),
    ];
    scene::apply(db.ledger(), &group).await;
    assert_eq!(db.value("SELECT COUNT(*) FROM lidStatus").await, "0");
}

#[rstest]
#[tokio::test]
async fn group_that_is_refused_changes_nothing(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 4).await;
    db.refuse("INSERT", "lidStatus", "NEW.audioName = 'call-2.wav'").await;
    let mut group: Vec<ReportedResult> =
        (0..3).map(|ordinal| scene::identified(batch, ordinal, 1, "en")).collect();
    group.push(scene::undecodable(batch, 3, 1));
    let outcome = db.ledger().apply_results(&group, scene::NOW).await;
    assert!(matches!(outcome, Err(LedgerError::Database(_))), "{outcome:?}");
    for (expected, sql) in [
        ("0", "SELECT COUNT(*) FROM `call` WHERE lang <> 'unknown'"),
        ("0", "SELECT COUNT(*) FROM fileDistribution WHERE lidDone <> 0"),
        ("0", "SELECT COUNT(*) FROM cofiRecording WHERE lid <> 'none'"),
        ("0", "SELECT COUNT(*) FROM lidStatus"),
        ("0", "SELECT COUNT(*) FROM cofiEvent"),
    ] {
        assert_eq!(db.value(sql).await, expected, "{sql}");
    }
}

#[rstest]
#[tokio::test]
async fn result_of_other_content_is_settled_and_not_used(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = distributed(on, 2).await;
    let other = ReportedResult { digest: Some(scene::digest(99)), ..scene::identified(batch, 0, 1, "en") };
    let silent = ReportedResult { digest: None, ..scene::identified(batch, 1, 1, "en") };
    scene::apply(db.ledger(), &[other, silent]).await;
    assert_eq!(state(&db).await, ["none", "1", "unknown", "0"]);
    assert_eq!(db.value("SELECT lang FROM `call` WHERE audioName = 'call-1.wav'").await, "en");
    let event = db.record("SELECT * FROM cofiEvent").await;
    assert_eq!([&event["kind"], &event["code"]], ["lid_ignored", "other_content"]);
    // Its own result is still welcome.
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "hi")]).await;
    assert_eq!(state(&db).await, ["done", "1", "hi", "1"]);
}
