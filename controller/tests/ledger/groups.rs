//! Groups of every size, and names of every kind.

use rstest::rstest;
use std::collections::HashSet;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// One row per recording everywhere, each with its own values.
async fn assert_rows(db: &Fixture, batch: cofi_proto::BatchId, count: i64) {
    let joined = format!(
        "SELECT COUNT(*) FROM cofiRecording r JOIN `call` c ON c.id = r.callId \
         JOIN fileDistribution f ON f.batchId = r.batchId AND f.`file` = r.audioName \
         JOIN lidStatus l ON l.batchId = r.batchId AND l.audioName = r.audioName \
         WHERE r.batchId = {batch} AND r.placement = 'stored' AND r.lid = 'done' \
         AND c.audioName = r.audioName AND c.batchId = r.batchId AND f.lidDone = 1 \
         AND c.ip = r.agent || '.example' AND f.ip = c.ip \
         AND c.lang = CASE r.ordinal % 3 WHEN 0 THEN 'en' WHEN 1 THEN 'hi' ELSE 'mr' END \
         AND l.`language` = c.lang AND c.audioDuration = r.ordinal AND l.audioDuration = r.ordinal"
    );
    assert_eq!(db.value(&joined).await, count.to_string());
    for table in ["`call`", "fileDistribution", "lidStatus"] {
        let rows = db.value(&format!("SELECT COUNT(*) FROM {table} WHERE batchId = {batch}")).await;
        assert_eq!(rows, count.to_string(), "{table}");
    }
    let digests = format!("SELECT digest FROM cofiRecording WHERE batchId = {batch} ORDER BY ordinal");
    let expected: Vec<String> = (0..count).map(|ordinal| scene::digest(ordinal).to_string()).collect();
    assert_eq!(db.column(&digests).await, expected);
}

/// Records and applies all recordings of a batch in one group each.
async fn take_through(db: &Fixture, batch: cofi_proto::BatchId, count: i64) {
    let group: Vec<_> = (0..count)
        .map(|ordinal| scene::stored(batch, ordinal, if ordinal % 2 == 0 { "even" } else { "odd" }))
        .collect();
    db.ledger().record_stored(&group, scene::NOW).await.unwrap();
    let seconds = |ordinal| f64::from(i32::try_from(ordinal).unwrap());
    let results: Vec<_> = (0..count)
        .map(|ordinal| {
            let language = ["en", "hi", "mr"][usize::try_from(ordinal % 3).unwrap()];
            let answer = scene::answer(language, seconds(ordinal), 0.5);
            scene::result(batch, ordinal, 1, cofi_proto::session::LidOutcome::Identified(answer))
        })
        .collect();
    scene::apply(db.ledger(), &results).await;
}

#[rstest]
#[tokio::test]
async fn groups_of_every_size_have_their_rows(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    for size in [1, 9, 10, 11, 99, 100, 101, 499, 500, 501, 999, 1_000, 1_001] {
        let batch = scene::batch_of(db.ledger(), size).await;
        take_through(&db, batch, size).await;
        assert_rows(&db, batch, size).await;
    }
}

#[rstest]
#[tokio::test]
async fn names_of_every_kind_come_through_unchanged(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let wide: String = "🎧".repeat(251) + ".wav";
    let names = [
        "it's.wav",
        "\"quoted\".wav",
        "100% of a_b?c.wav",
        "back\\slash.wav",
        "`call`; DROP TABLE `call`; --.wav",
        "caller 📞 one.wav",
        "श्रीमती.wav",
        "e\u{301}te\u{301}.wav",
        "-- comment /*.wav",
        "  leading.wav",
        "NULL",
        "日本語の録音.wav",
        &"x".repeat(255),
        &"é".repeat(127),
        &wide,
    ];
    let count = i64::try_from(names.len()).unwrap();
    let batch = scene::batch(db.ledger(), &scene::wish(), &names).await;
    take_through(&db, batch, count).await;
    assert_rows(&db, batch, count).await;
    for (table, column) in
        [("`call`", "audioName"), ("fileDistribution", "`file`"), ("lidStatus", "audioName")]
    {
        let found: HashSet<String> =
            db.column(&format!("SELECT {column} FROM {table}")).await.into_iter().collect();
        assert_eq!(found, names.iter().map(|name| (*name).to_owned()).collect(), "{table}");
    }
    let urls: HashSet<String> = db.column("SELECT audioUrl FROM `call`").await.into_iter().collect();
    assert_eq!(urls, names.iter().map(|name| format!("{}/{name}", scene::ENDPOINT)).collect());
    let listed =
        db.ledger().recordings(batch, cofi_controller::ledger::RecordingFilter::All, -1, 100).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.audio_name.as_str()).collect::<Vec<_>>(), names);
}

#[rstest]
#[tokio::test]
async fn group_over_several_batches_has_rows_in_each(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let first = scene::batch_of(db.ledger(), 3).await;
    let second = scene::batch_of(db.ledger(), 3).await;
    let group = [
        scene::stored(second, 2, "a"),
        scene::stored(first, 2, "a"),
        scene::stored(second, 0, "b"),
        scene::stored(first, 0, "b"),
    ];
    db.ledger().record_stored(&group, scene::NOW).await.unwrap();
    let results = [scene::identified(second, 0, 1, "hi"), scene::identified(first, 2, 1, "en")];
    scene::apply(db.ledger(), &results).await;
    for (batch, expected) in [
        (first, ["call-0.wav b.example unknown", "call-2.wav a.example en"]),
        (second, ["call-0.wav b.example hi", "call-2.wav a.example unknown"]),
    ] {
        let select = format!(
            "SELECT audioName || ' ' || ip || ' ' || lang FROM `call` WHERE batchId = {batch} ORDER BY audioName"
        );
        assert_eq!(db.column(&select).await, expected);
    }
}
