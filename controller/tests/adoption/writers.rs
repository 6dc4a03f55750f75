//! `migrate` while other services write all the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cofi_controller::ledger::migrate;
use sqlx::MySqlConnection;
use tokio::task::JoinSet;

use crate::{
    filling::fill,
    place::{PRODUCTION, Place, UNICODE, execute},
};

/// Longest that a writer may wait for a statement.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one service wrote.
struct Written {
    rows: u32,
    longest: Duration,
}

/// One recording after the other, as old services do it: each statement a
/// transaction.
async fn write(mut connection: MySqlConnection, stop: Arc<AtomicBool>) -> Written {
    let mut written = Written { rows: 0, longest: Duration::ZERO };
    while !stop.load(Ordering::Relaxed) {
        let name = format!("while-{}.wav", written.rows);
        for sql in [
            format!("INSERT INTO `call` (audioName, batchId, lang) VALUES ('{name}', 1, 'unknown')"),
            format!("INSERT INTO fileDistribution (`file`, batchId) VALUES ('{name}', 1)"),
            format!("INSERT INTO lidStatus (audioName, `language`, batchId) VALUES ('{name}', 'Hindi', 1)"),
            format!(
                "UPDATE fileDistribution SET sttDone = 1 WHERE batchId = 20 AND `file` = 'call-20-{}.wav'",
                written.rows
            ),
        ] {
            let began = Instant::now();
            execute(&mut connection, &sql).await.unwrap();
            written.longest = written.longest.max(began.elapsed());
        }
        written.rows += 1;
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn indexes_are_added_while_others_write() {
    let place = Place::empty(UNICODE).await;
    place.execute(PRODUCTION).await;
    fill(&place, 20, 10_000).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writer = JoinSet::new();
    writer.spawn(write(place.connection().await, Arc::clone(&stop)));

    let plan = place.plan().await.unwrap();
    let mut before = Instant::now();
    let mut took = Vec::new();
    migrate(&place.url(), &plan, |step| {
        took.push(format!("{} ms: {}", before.elapsed().as_millis(), step.what));
        before = Instant::now();
    })
    .await
    .unwrap();
    stop.store(true, Ordering::Relaxed);
    let written = writer.join_next().await.unwrap().unwrap();
    println!(
        "{}\nmeanwhile {} rows in each table, the slowest statement {:?}",
        took.join("\n"),
        written.rows,
        written.longest
    );
    assert!(written.rows > 0);
    assert!(written.longest < PATIENCE, "{:?}", written.longest);
    for table in ["`call`", "fileDistribution", "lidStatus"] {
        let rows = place.value(&format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(rows, (200_000 + written.rows).to_string(), "{table}");
    }
    // The new indexes have what was written meanwhile.
    for (table, index, name) in [
        ("fileDistribution", "cofiFileDistributionFile", "file"),
        ("lidStatus", "cofiLidStatusName", "audioName"),
    ] {
        let count = format!(
            "SELECT COUNT(*) FROM {table} FORCE INDEX ({index}) WHERE batchId = 1 AND {name} LIKE 'while-%'"
        );
        assert_eq!(place.value(&count).await, written.rows.to_string());
        assert_eq!(place.rows(&format!("CHECK TABLE {table}")).await[0][3], "OK");
    }
}
