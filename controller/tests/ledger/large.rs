//! One large batch from the manifest to the last language: 1,000,000 recordings
//! with `COFI_FULL=1`, 10,000 otherwise. The time per recording does not grow
//! with the batch.

use std::time::{Duration, Instant};

use cofi_controller::ledger::{FlawKind, Ledger, SharedTable};
use cofi_language::LanguageTable;
use cofi_proto::BatchId;
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// What the controller commits at a time.
const GROUP: i64 = 500;
/// Recordings below which the times say nothing.
const TELLING: i64 = 500_000;
/// How many times longer a group may take at the end of a large batch than
/// near its beginning, where the caches are as warm.
const FLAT: u32 = 3;

fn recordings() -> i64 {
    if std::env::var_os("COFI_FULL").is_some_and(|full| full == "1") { 1_000_000 } else { 10_000 }
}

async fn plan(ledger: &Ledger, count: i64) -> BatchId {
    let batch = scene::begin(ledger, &scene::wish()).await;
    for first in (0..count).step_by(1_000) {
        let names: Vec<String> =
            (first..count.min(first + 1_000)).map(|ordinal| format!("call-{ordinal}.wav")).collect();
        let mut entries = scene::entries(&names);
        for entry in &mut entries {
            entry.ordinal += first;
        }
        assert_eq!(ledger.add_to_manifest(batch, &entries).await.unwrap(), [0; 0]);
    }
    ledger.publish_batch(batch).await.unwrap();
    batch
}

/// Does one thing group by group: the time of each.
async fn in_groups(ordinals: std::ops::Range<i64>, mut each: impl AsyncFnMut(i64)) -> Vec<Duration> {
    let mut times = Vec::new();
    for first in ordinals.step_by(usize::try_from(GROUP).unwrap()) {
        let begun = Instant::now();
        each(first).await;
        times.push(begun.elapsed());
    }
    times
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

fn assert_flat(what: &str, times: &[Duration], count: i64) {
    let tenth = times.len() / 10;
    let (early, late) = (median(&times[tenth..2 * tenth]), median(&times[9 * tenth..]));
    eprintln!("{what}: {early:?} for {GROUP} near the beginning, {late:?} at the end");
    assert!(count < TELLING || late <= early * FLAT, "{what} slows down: {early:?}, then {late:?}");
}

/// Looks at everything page by page, and finds only that nobody has met the
/// agent.
async fn check(db: &Fixture, batch: BatchId, count: i64) {
    let languages = LanguageTable::default();
    let begun = Instant::now();
    assert_eq!(db.ledger().check_batch(batch).await.unwrap(), []);
    eprintln!("{count} recordings checked as a whole in {:?}", begun.elapsed());
    let mut after = -1;
    let pages = in_groups(0..count, async |first| {
        let page = db.ledger().check_recordings(batch, &languages, after, GROUP).await.unwrap();
        assert!(page.flaws.iter().all(|flaw| flaw.kind == FlawKind::UnknownAgent), "{:?}", page.flaws);
        assert_eq!(page.last, Some(count.min(first + GROUP) - 1));
        after = first + GROUP - 1;
    })
    .await;
    for table in SharedTable::ALL {
        let mut after = None;
        let times = in_groups(0..count, async |_| {
            let place = after.as_deref();
            let (last, flaws) = db.ledger().check_strangers(batch, table, place, GROUP).await.unwrap();
            assert!(last.is_some() && flaws.is_empty(), "{flaws:?}");
            after = last;
        })
        .await;
        assert_flat(&format!("checking {table:?}"), &times, count);
    }
    eprintln!("{count} recordings checked in {:?}", begun.elapsed());
    assert_flat("checking", &pages, count);
}

#[rstest]
#[tokio::test]
async fn large_batch_is_planned_resumed_counted_and_identified(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let count = recordings();
    let half = count / 2;
    let all = u64::try_from(count).unwrap();
    let begun = Instant::now();
    let batch = plan(db.ledger(), count).await;
    eprintln!("{count} recordings planned in {:?}", begun.elapsed());
    let record = async |first: i64| {
        scene::record(db.ledger(), batch, first..first + GROUP, "a").await;
    };
    let mut recorded = in_groups(0..half, record).await;

    // Another controller goes on where the rows say that this one was.
    let resumed = db.another_ledger().await;
    let begun = Instant::now();
    let counts = resumed.batch(batch).await.unwrap().counts;
    let counting = begun.elapsed();
    assert_eq!([counts.recordings, counts.planned, counts.stored], [all, all / 2, all / 2]);
    let first = resumed.planned_recordings(batch, -1, 1_000).await.unwrap();
    let ordinals: Vec<i64> = first.iter().map(|planned| planned.recording.ordinal).collect();
    assert_eq!(ordinals, (half..half + 1_000).collect::<Vec<_>>());
    eprintln!(
        "{half} of them found, the next page read in {:?}, of which counting {counting:?}",
        begun.elapsed()
    );
    assert!(counting < Duration::from_secs(10), "counting takes {counting:?}");
    recorded.extend(in_groups(half..count, record).await);

    let applied = in_groups(0..count, async |first| {
        let results: Vec<_> =
            (first..first + GROUP).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
        scene::apply(db.ledger(), &results).await;
    })
    .await;
    let settled = db.ledger().settle_batch(batch).await.unwrap();
    assert_eq!([settled.counts.identified, settled.counts.lid_pending, settled.counts.planned], [all, 0, 0]);
    for table in ["fileDistribution", "`call`", "lidStatus"] {
        assert_eq!(db.value(&format!("SELECT COUNT(*) FROM {table}")).await, count.to_string(), "{table}");
    }
    check(&db, batch, count).await;
    assert_flat("recording", &recorded, count);
    assert_flat("applying", &applied, count);
}
