//! Others at the same tables: rows exactly once, and no error that says
//! nothing but "wait".

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use cofi_controller::ledger::{Applied, Ledger, LedgerError, Recorded, ReportedResult};
use cofi_proto::{BatchId, session::LidOutcome};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use rstest::rstest;
use tokio::task::JoinSet;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture, Unopened,
    },
    scene,
};

const WRITERS: usize = 16;
const RECORDINGS: i64 = 200;

/// What one of the racing writers was answered.
struct Told {
    agent: String,
    stored: Vec<i64>,
}

/// Records and applies everything in groups that overlap with everybody
/// else's, in an order of its own.
async fn race(ledger: Ledger, batch: BatchId, writer: usize) -> Result<Told, LedgerError> {
    let mut random = StdRng::seed_from_u64(u64::try_from(writer).unwrap());
    let agent = format!("agent-{writer}");
    let mut ordinals: Vec<i64> = (0..RECORDINGS).collect();
    ordinals.shuffle(&mut random);
    let mut stored = Vec::new();
    let mut rest = &ordinals[..];
    while !rest.is_empty() {
        let (group, others) = rest.split_at(random.random_range(1..=rest.len().min(60)));
        rest = others;
        let acknowledged: Vec<_> =
            group.iter().map(|ordinal| scene::stored(batch, *ordinal, &agent)).collect();
        let answers = ledger.record_stored(&acknowledged, scene::NOW).await?;
        let mine = group.iter().zip(&answers).filter(|(_, answer)| **answer == Recorded::Stored);
        stored.extend(mine.map(|(ordinal, _)| *ordinal));

        let answer = scene::answer("hi", 1.5, 0.5);
        let result = |ordinal: &i64| ReportedResult {
            agent: scene::agent(&agent),
            address: scene::address(&agent),
            ..scene::result(batch, *ordinal, 1, LidOutcome::Identified(answer.clone()))
        };
        let results: Vec<ReportedResult> = group.iter().map(result).collect();
        let answers = ledger.apply_results(&results, scene::NOW).await?;
        for (ordinal, answer) in group.iter().zip(answers) {
            let theirs = answer == Applied::Elsewhere && !stored.contains(ordinal);
            assert!(answer == Applied::Settled || theirs, "{ordinal}: {answer:?}");
        }
    }
    Ok(Told { agent, stored })
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_racing_writers_make_each_row_once(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), RECORDINGS).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(race(db.another_ledger().await, batch, writer));
    }
    let mut owners: HashMap<i64, String> = HashMap::new();
    while let Some(told) = writers.join_next().await {
        let told = told.unwrap().unwrap();
        for ordinal in told.stored {
            let other = owners.insert(ordinal, told.agent.clone());
            assert_eq!(other, None, "two hosts were told that theirs is the recording {ordinal}");
        }
    }
    assert_eq!(owners.len(), usize::try_from(RECORDINGS).unwrap());

    for table in ["`call`", "fileDistribution", "lidStatus"] {
        let rows = db.value(&format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(rows, RECORDINGS.to_string(), "{table}");
    }
    let rows = db
        .records(
            "SELECT r.ordinal, r.agent, c.ip, f.ip AS fileIp, c.lang, f.lidDone, l.`language` \
             FROM cofiRecording r JOIN `call` c ON c.id = r.callId \
             JOIN fileDistribution f ON f.`file` = r.audioName JOIN lidStatus l ON l.audioName = r.audioName",
        )
        .await;
    assert_eq!(rows.len(), owners.len());
    for row in rows {
        let agent = &owners[&row["ordinal"].parse().unwrap()];
        assert_eq!(&row["agent"], agent);
        assert_eq!([&row["ip"], &row["fileIp"]], [&scene::address(agent), &scene::address(agent)]);
        assert_eq!([&row["lang"], &row["lidDone"], &row["language"]], ["hi", "1", "hi"]);
    }
    assert_eq!(db.dangling().await, []);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_database_is_opened_by_many_at_once(#[values(Sqlite, MariaDb)] on: Engine) {
    let place = Unopened::new(on).await;
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let url = place.url();
        opening.spawn(async move {
            let ledger = Ledger::open(url).await?;
            ledger.begin_generation().await
        });
    }
    let mut generations = Vec::new();
    while let Some(generation) = opening.join_next().await {
        generations.push(generation.unwrap().unwrap());
    }
    generations.sort_unstable();
    assert_eq!(generations, (1..=8).collect::<Vec<u64>>());
}

/// Records while another process holds the rows for `held`.
async fn outlast(db: Fixture, held: Duration) {
    let batch = scene::batch_of(db.ledger(), 20).await;
    let foreign = db.foreign_writer().await;
    let begun = Instant::now();
    let owner = async {
        tokio::time::sleep(held).await;
        foreign.leave().await;
    };
    let ((), ()) = tokio::join!(owner, scene::record(db.ledger(), batch, 0..20, "a"));
    assert!(begun.elapsed() >= held);
    assert_eq!(db.value("SELECT COUNT(*) FROM `call`").await, "20");
}

#[rstest]
#[tokio::test]
async fn foreign_writer_that_holds_the_database_for_two_seconds_is_waited_for(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    outlast(Fixture::new(on).await, Duration::from_secs(2)).await;
}

#[rstest]
#[tokio::test]
async fn foreign_writer_that_holds_on_for_longer_than_one_wait_is_outlasted(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let held = db.one_wait() + Duration::from_millis(1_500);
    outlast(db, held).await;
}

#[rstest]
#[tokio::test]
async fn readers_are_answered_while_a_foreign_writer_holds_the_database(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 3).await;
    let foreign = db.foreign_writer().await;
    assert_eq!(db.ledger().batch(batch).await.unwrap().counts.planned, 3);
    foreign.leave().await;
}

#[rstest]
#[tokio::test]
async fn foreign_reader_keeps_its_snapshot_and_holds_up_nobody(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 30).await;
    scene::record(db.ledger(), batch, 0..10, "a").await;
    let mut reader = db.foreign_reader().await;
    let rows = "SELECT (SELECT COUNT(*) FROM `call`) || ' ' || (SELECT COUNT(*) FROM fileDistribution)";
    assert_eq!(reader.value(rows).await, "10 10");
    scene::record(db.ledger(), batch, 10..30, "a").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "en")]).await;
    assert_eq!(reader.value(rows).await, "10 10");
    assert_eq!(reader.value("SELECT COUNT(*) FROM lidStatus").await, "0");
    reader.leave().await;
    assert_eq!(db.value(rows).await, "30 30");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reader_never_sees_half_of_a_group(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 300).await;
    let ledger = db.another_ledger().await;
    let writer = async move {
        for first in (0..300).step_by(30) {
            scene::record(&ledger, batch, first..first + 30, "a").await;
            let results: Vec<_> =
                (first..first + 30).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
            scene::apply(&ledger, &results).await;
        }
    };
    let mut writing = JoinSet::new();
    writing.spawn(writer);
    // One statement, one state of the database.
    let looks = "SELECT (SELECT COUNT(*) FROM `call`) AS calls, \
                 (SELECT COUNT(*) FROM fileDistribution) AS files, \
                 (SELECT COUNT(*) FROM cofiRecording WHERE placement = 'stored') AS stored, \
                 (SELECT COUNT(*) FROM `call` WHERE lang <> 'unknown' AND languageId IS NOT NULL \
                  AND audioDuration > 0) AS identified, \
                 (SELECT COUNT(*) FROM lidStatus) AS statuses, \
                 (SELECT COUNT(*) FROM fileDistribution WHERE lidDone = 1) AS done, \
                 (SELECT COUNT(*) FROM cofiRecording WHERE lid = 'done') AS ours";
    let mut seen = (0, 0);
    while writing.try_join_next().map(|ended| ended.unwrap()).is_none() {
        let row = db.record(looks).await;
        assert!(row["calls"] == row["files"] && row["calls"] == row["stored"], "{row:?}");
        let identified = &row["identified"];
        assert!([&row["statuses"], &row["done"], &row["ours"]].iter().all(|it| *it == identified), "{row:?}");
        let now: (i64, i64) = (row["calls"].parse().unwrap(), identified.parse().unwrap());
        assert!(now.0 >= seen.0 && now.1 >= seen.1 && now.0 >= now.1, "{seen:?} then {now:?}");
        seen = now;
    }
    assert_eq!(db.value("SELECT COUNT(*) FROM lidStatus").await, "300");
}

#[rstest]
#[tokio::test]
async fn call_that_is_given_up_leaves_no_transaction_open(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 100).await;
    let group: Vec<_> = (0..100).map(|ordinal| scene::stored(batch, ordinal, "a")).collect();
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..40 {
        let patience = Duration::from_micros(random.random_range(0..12_000));
        let given_up = tokio::time::timeout(patience, db.ledger().record_stored(&group, scene::NOW)).await;
        if let Ok(answers) = given_up {
            assert_eq!(answers.unwrap(), vec![Recorded::Stored; 100]);
        }
        let calls = db.value("SELECT COUNT(*) FROM `call`").await;
        assert!(calls == "0" || calls == "100", "{calls} rows of a group of 100");
    }
    // Somebody else can write, and so can the ledger.
    db.execute("UPDATE batchStatus SET remarks = 'here'").await;
    scene::record(db.ledger(), batch, 0..100, "a").await;
    assert_eq!(db.value("SELECT COUNT(*) FROM `call`").await, "100");
}

#[rstest]
#[tokio::test]
async fn database_is_claimed_by_one_controller_at_a_time(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let claim = db.ledger().claim().await.unwrap();
    let second = db.another_ledger().await;
    let refused = second.claim().await;
    assert!(matches!(refused, Err(LedgerError::Claimed)), "{refused:?}");
    drop(claim);
    second.claim().await.unwrap();
}
