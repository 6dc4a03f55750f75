//! Bringing calls in line with `lidStatus`.

use std::collections::BTreeMap;

use cofi_controller::ledger::{Ledger, LedgerError, LidReport};
use cofi_language::LanguageTable;
use cofi_proto::BatchId;
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture, Record,
    },
    scene,
};

/// An empty batch of an earlier service.
const EARLIER: BatchId = BatchId(40);

async fn earlier(on: Engine) -> Fixture {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO batchStatus (id, batchDate) VALUES (40, '01-01-2020')").await;
    db
}

/// Rows of `call` that wait, and the files that they are of.
async fn calls(db: &Fixture, names: &[&str]) {
    for name in names {
        db.execute(&format!(
            "INSERT INTO `call` (batchId, audioName, lang, audioDuration, status, updatedAt) \
             VALUES (40, '{name}', 'unknown', 0, 'Transcription', '2020-01-01 00:00:00')"
        ))
        .await;
        db.execute(&format!("INSERT INTO fileDistribution (`file`, batchId) VALUES ('{name}', 40)")).await;
    }
}

async fn said(db: &Fixture, batch: BatchId, name: &str, language: &str) {
    db.execute(&format!(
        "INSERT INTO lidStatus (audioName, `language`, audioDuration, lidProcessingTime, batchId) \
         VALUES ('{name}', '{language}', 12.5, 'a while', {batch})"
    ))
    .await;
}

async fn apply(ledger: &Ledger, batch: BatchId) -> LidReport {
    ledger.apply_lid_results(batch, &LanguageTable::default(), scene::NOW).await.unwrap()
}

/// Every row that may be touched.
async fn tables(db: &Fixture) -> Vec<Vec<Record>> {
    let mut tables = Vec::new();
    for table in ["`call`", "fileDistribution", "lidStatus", "cofiRecording", "batchStatus"] {
        tables.push(db.records(&format!("SELECT * FROM {table}")).await);
    }
    tables
}

/// `lang` by name.
async fn languages(db: &Fixture) -> BTreeMap<String, String> {
    let rows = db.records("SELECT audioName, lang FROM `call`").await;
    rows.into_iter().map(|row| (row["audioName"].clone(), row["lang"].clone())).collect()
}

#[rstest]
#[tokio::test]
async fn newest_row_of_each_name_decides(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = earlier(on).await;
    calls(&db, &["a.wav", "b.wav", "c.wav"]).await;
    said(&db, EARLIER, "a.wav", "en").await;
    said(&db, EARLIER, "b.wav", "hi").await;
    said(&db, EARLIER, "a.wav", "mr").await;
    // Another batch's recording of the same name.
    said(&db, BatchId(41), "c.wav", "en").await;

    let report = apply(db.ledger(), EARLIER).await;
    assert_eq!(report, LidReport { changed: 2, ..LidReport::default() });
    let marathi = db.value("SELECT id FROM `language` WHERE languageCode = 'mr'").await;
    let call = db.record("SELECT * FROM `call` WHERE audioName = 'a.wav'").await;
    for (column, value) in [
        ("lang", "mr"),
        ("languageId", marathi.as_str()),
        ("audioDuration", "12.5"),
        ("status", "Transcription"),
        ("ip", "NULL"),
    ] {
        assert_eq!(call[column], value, "call.{column}");
    }
    assert_ne!(call["updatedAt"], "2020-01-01 00:00:00");
    let call = db.record("SELECT * FROM `call` WHERE audioName = 'c.wav'").await;
    assert_eq!([&call["lang"], &call["updatedAt"]], ["unknown", "2020-01-01 00:00:00"]);
    let done = db.column("SELECT lidDone FROM fileDistribution ORDER BY `file`").await;
    assert_eq!(done, ["1", "1", "0"]);
}

#[rstest]
#[tokio::test]
async fn doing_it_again_changes_nothing(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = earlier(on).await;
    calls(&db, &["a.wav", "b.wav"]).await;
    said(&db, EARLIER, "a.wav", "hin").await;
    said(&db, EARLIER, "b.wav", "Klingonese").await;
    assert_eq!(apply(db.ledger(), EARLIER).await.changed, 2);
    db.execute("UPDATE `call` SET updatedAt = '2020-01-01 00:00:00'").await;
    let before = tables(&db).await;
    let again = apply(db.ledger(), EARLIER).await;
    assert_eq!((again.changed, again.in_line, again.settled), (0, 2, 0));
    assert_eq!(tables(&db).await, before);
}

#[rstest]
#[tokio::test]
async fn columns_of_another_precision_do_not_make_the_same_duration_another(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = earlier(on).await;
    if on == MariaDb {
        db.execute("ALTER TABLE lidStatus MODIFY audioDuration double").await;
    }
    calls(&db, &["a.wav"]).await;
    said(&db, EARLIER, "a.wav", "hi").await;
    db.execute("UPDATE lidStatus SET audioDuration = 1234.56789").await;
    assert_eq!(apply(db.ledger(), EARLIER).await.changed, 1);
    assert_eq!(apply(db.ledger(), EARLIER).await.changed, 0);
    db.execute("UPDATE lidStatus SET audioDuration = 1234.6").await;
    assert_eq!(apply(db.ledger(), EARLIER).await.changed, 1);
}

#[rstest]
#[tokio::test]
async fn names_that_a_database_takes_for_equal_are_different_recordings(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = earlier(on).await;
    let names = ["e.wav", "E.wav", "é.wav", "e.wav ", "f.wav"];
    calls(&db, &names).await;
    calls(&db, &["É.wav"]).await;
    for (name, language) in names.iter().zip(["en", "hi", "mr", "gu", "bn"]) {
        said(&db, EARLIER, name, language).await;
    }
    said(&db, EARLIER, "e.WAV", "ta").await;
    let report = apply(db.ledger(), EARLIER).await;
    assert_eq!((report.changed, report.without_call), (5, 1));
    let expected = [
        ("e.wav", "en"),
        ("E.wav", "hi"),
        ("é.wav", "mr"),
        ("e.wav ", "gu"),
        ("f.wav", "bn"),
        ("É.wav", "unknown"),
    ];
    assert_eq!(languages(&db).await, expected.map(|(name, lang)| (name.to_owned(), lang.to_owned())).into());
    assert_eq!(db.column("SELECT `file` FROM fileDistribution WHERE lidDone = 0").await, ["É.wav"]);
}

#[rstest]
#[tokio::test]
async fn whatever_an_earlier_service_wrote_for_a_language_is_mapped(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = earlier(on).await;
    let words = [
        ("hin", "hi"),
        ("Hindi", "hi"),
        ("hi ", "hi"),
        ("ger", "de"),
        ("house tongue", "hinglish"),
        ("unknown", "und"),
        ("", "und"),
        ("Klingonese", "Klingonese"),
        ("Elvish", "Elvish"),
    ];
    for (word, _) in words {
        calls(&db, &[&format!("{word}.wav")]).await;
        said(&db, EARLIER, &format!("{word}.wav"), word).await;
    }
    calls(&db, &["another.wav", "silent.wav"]).await;
    said(&db, EARLIER, "another.wav", "Elvish").await;
    db.execute("INSERT INTO lidStatus (audioName, batchId) VALUES ('silent.wav', 40)").await;
    let aliases = LanguageTable::new([("house tongue".to_owned(), "hinglish".to_owned())]).unwrap();
    let report = db.ledger().apply_lid_results(EARLIER, &aliases, scene::NOW).await.unwrap();
    let expected = LidReport {
        changed: 10,
        without_language: 1,
        unmapped: 3,
        unmapped_words: [("Elvish".to_owned(), 2), ("Klingonese".to_owned(), 1)].into(),
        ..LidReport::default()
    };
    assert_eq!(report, expected);
    let languages = languages(&db).await;
    for (word, language) in words {
        assert_eq!(languages[&format!("{word}.wav")], language, "{word:?}");
    }
    assert_eq!(languages["silent.wav"], "unknown");
    let without_id = db.column("SELECT lang FROM `call` WHERE languageId IS NULL ORDER BY lang").await;
    assert_eq!(without_id, ["Elvish", "Elvish", "Klingonese", "unknown"]);
}

#[rstest]
#[tokio::test]
async fn language_that_its_column_cannot_hold_is_left_out_and_counted(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = earlier(on).await;
    if on == MariaDb {
        db.execute("ALTER TABLE `call` MODIFY lang varchar(20) CHARACTER SET latin1").await;
    }
    // SQLite's has no bound.
    let (expected, lang) = match on {
        Sqlite => ((2, 0, 1), "a language with a very long name"),
        MariaDb => ((1, 1, 1), "unknown"),
    };
    calls(&db, &["a.wav", "b.wav"]).await;
    said(&db, EARLIER, "a.wav", "a language with a very long name").await;
    said(&db, EARLIER, "b.wav", "hi").await;
    let report = apply(db.ledger(), EARLIER).await;
    assert_eq!((report.changed, report.without_language, report.unmapped), expected);
    assert_eq!(languages(&db).await["a.wav"], lang);
}

#[rstest]
#[tokio::test]
async fn every_call_of_a_name_is_brought_in_line(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = earlier(on).await;
    calls(&db, &["a.wav", "a.wav", "a.wav"]).await;
    said(&db, EARLIER, "a.wav", "hi").await;
    assert_eq!(apply(db.ledger(), EARLIER).await.changed, 3);
    assert_eq!(db.value("SELECT COUNT(*) FROM `call` WHERE lang = 'hi'").await, "3");
    assert_eq!(db.value("SELECT COUNT(*) FROM fileDistribution WHERE lidDone = 1").await, "3");
    db.execute(
        "UPDATE `call` SET lang = 'en' WHERE id = (SELECT * FROM (SELECT MAX(id) FROM `call`) newest)",
    )
    .await;
    let again = apply(db.ledger(), EARLIER).await;
    assert_eq!((again.changed, again.in_line), (1, 2));
}

#[rstest]
#[tokio::test]
async fn rows_without_call_are_counted_and_a_missing_duration_changes_none(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = earlier(on).await;
    calls(&db, &["a.wav"]).await;
    db.execute("UPDATE `call` SET audioDuration = 7.5").await;
    db.execute("INSERT INTO lidStatus (audioName, `language`, batchId) VALUES ('a.wav', 'hi', 40)").await;
    said(&db, EARLIER, "gone.wav", "hi").await;
    said(&db, EARLIER, "gone.wav", "en").await;
    db.execute("INSERT INTO lidStatus (`language`, batchId) VALUES ('hi', 40), ('hi', 40)").await;
    let report = apply(db.ledger(), EARLIER).await;
    assert_eq!((report.changed, report.without_call), (1, 3));
    assert_eq!(db.value("SELECT audioDuration FROM `call`").await, "7.5");
}

#[rstest]
#[tokio::test]
async fn pages_cover_every_name_once(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = earlier(on).await;
    // Two thousand names that differ by case alone, and that many that do not.
    let names = (0..2_000).flat_map(|it| [format!("('a{it}.wav', 40)"), format!("('A{it}.wav', 40)")]);
    let names: Vec<String> = names.collect();
    for some in names.chunks(500) {
        db.execute(&format!("INSERT INTO `call` (audioName, batchId) VALUES {}", some.join(", "))).await;
        db.execute(&format!("INSERT INTO lidStatus (audioName, batchId) VALUES {}", some.join(", "))).await;
    }
    db.execute("UPDATE lidStatus SET `language` = 'hi'").await;
    assert_eq!(apply(db.ledger(), EARLIER).await.changed, 4_000);
    assert_eq!(db.value("SELECT COUNT(*) FROM `call` WHERE lang = 'hi'").await, "4000");
    assert_eq!(apply(db.ledger(), EARLIER).await.in_line, 4_000);
}

#[rstest]
#[tokio::test]
async fn recordings_of_cofis_own_take_their_language_from_others(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    let batch = scene::batch_of(ledger, 5).await;
    scene::record(ledger, batch, 0..4, "a").await;
    scene::apply(ledger, &[scene::identified(batch, 0, 1, "en"), scene::undecodable(batch, 1, 1)]).await;
    ledger.fail_placements(&[scene::unplaceable(batch, 4)], scene::NOW).await.unwrap();
    // 0 is identified, 1 could not be, 2 and 3 wait, 4 is on no host.
    for (ordinal, language) in [(1, "hin"), (2, "mr"), (4, "gu")] {
        said(&db, batch, &format!("call-{ordinal}.wav"), language).await;
    }
    let report = apply(ledger, batch).await;
    let expected = LidReport { changed: 2, in_line: 1, settled: 2, without_call: 1, ..LidReport::default() };
    assert_eq!(report, expected);
    let counts = ledger.batch(batch).await.unwrap().counts;
    assert_eq!((counts.identified, counts.lid_pending, counts.lid_failed), (3, 1, 0));
    let identified = db.value("SELECT COUNT(*) FROM `call` WHERE lang <> 'unknown'").await;
    assert_eq!(identified, "3");
    let remarks = db.value("SELECT remarks FROM batchStatus").await;
    assert_eq!(remarks, "cofi: 1 not distributed (source_changed 1)");
    let ours = db.record("SELECT * FROM cofiRecording WHERE ordinal = 1").await;
    assert_eq!([&ours["lid"], &ours["lidRound"], &ours["code"]], ["done", "1", "NULL"]);
    let events =
        db.column("SELECT ordinal FROM cofiEvent WHERE kind = 'lid_taken_over' ORDER BY ordinal").await;
    assert_eq!(events, ["1", "2"]);

    // The agent's own answer for that round comes too late.
    let before = tables(&db).await;
    scene::apply(ledger, &[scene::identified(batch, 2, 1, "en"), scene::undecodable(batch, 1, 1)]).await;
    assert_eq!(tables(&db).await, before);
    assert_eq!(apply(ledger, batch).await, LidReport { changed: 0, in_line: 3, settled: 0, ..report });
}

#[rstest]
#[tokio::test]
async fn results_that_are_applied_meanwhile_agree_with_their_calls(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 120).await;
    scene::record(db.ledger(), batch, 0..120, "a").await;
    let (one, other) = (db.another_ledger().await, db.another_ledger().await);
    let results = async {
        for round in 1..6 {
            for ordinals in [0..40, 40..80, 80..120] {
                let language = ["hi", "en", "mr"][usize::try_from(round % 3).unwrap()];
                let group: Vec<_> =
                    ordinals.map(|ordinal| scene::identified(batch, ordinal, round, language)).collect();
                one.apply_results(&group, scene::NOW).await.unwrap();
            }
        }
    };
    let alignments = async {
        for _ in 0..15 {
            // Somebody meddles, too.
            db.execute("UPDATE `call` SET lang = 'xx' WHERE audioName LIKE '%7.wav'").await;
            apply(&other, batch).await;
        }
    };
    tokio::join!(results, alignments);
    apply(db.ledger(), batch).await;
    let apart = "SELECT c.audioName FROM `call` c JOIN lidStatus l ON l.audioName = c.audioName \
                 WHERE c.lang <> l.`language` OR c.audioDuration <> l.audioDuration";
    assert_eq!(db.column(apart).await, Vec::<String>::new());
    assert_eq!(db.value("SELECT COUNT(*) FROM lidStatus").await, "120");
    let mut rounds = db.column("SELECT lidRound FROM cofiRecording").await;
    rounds.dedup();
    assert_eq!(rounds, ["5"]);
}

#[rstest]
#[tokio::test]
async fn history_says_who_was_brought_in_line_and_what_came_of_it(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = earlier(on).await;
    calls(&db, &["a.wav"]).await;
    said(&db, EARLIER, "a.wav", "hi").await;
    apply(db.ledger(), EARLIER).await;
    let events = db.records("SELECT kind, batchId, reason FROM cofiEvent ORDER BY id").await;
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds, ["lid_apply_begun", "lid_applied"]);
    assert!(events[1]["reason"].starts_with("1 calls changed, 0 in line"), "{events:?}");
    assert!(events.iter().all(|event| event["batchId"] == "40"));
}

#[rstest]
#[tokio::test]
async fn batch_that_is_not_there_is_refused(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let planning = scene::begin(db.ledger(), &scene::wish()).await;
    for batch in [planning, BatchId(4_711)] {
        let refused = db.ledger().apply_lid_results(batch, &LanguageTable::default(), scene::NOW).await;
        assert!(matches!(refused, Err(LedgerError::NoSuchBatch(_))), "{refused:?}");
    }
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiEvent").await, "0");
}
