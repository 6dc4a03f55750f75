//! Times in shared rows are the database's own, wherever the controller lives.

use std::time::Duration;

use anyhow::{Result, ensure};
use cofi_lid::protocol::FailureClass;
use cofi_mariadb::Server;
use cofi_tests::{audit::audit, cluster::Cluster, database::Connection, worker::Behaviour};
use tokio::time::Instant;

const RECORDINGS: usize = 50;

/// Neither the machine's time zone, nor the controller's.
const SERVER: &str = "--default-time-zone=+05:30";
const CONTROLLER: &str = "EST5";

/// How far a time may be off, in seconds.
const OFF: i64 = 2;

/// How old a column of a batch's rows is by the clock of whoever asks, in
/// seconds: the least and the greatest.
macro_rules! age {
    ($table:literal, $column:literal, $batch:literal) => {
        (
            concat!($table, ".", $column),
            concat!(
                "SELECT CAST(MIN(TIMESTAMPDIFF(SECOND, ",
                $column,
                ", NOW())) AS SIGNED), CAST(MAX(TIMESTAMPDIFF(SECOND, ",
                $column,
                ", NOW())) AS SIGNED) FROM `",
                $table,
                "` WHERE ",
                $batch,
                " = ?"
            ),
        )
    };
}

/// Ages of what is written when recordings are distributed.
const DISTRIBUTED: [(&str, &str); 6] = [
    age!("batchStatus", "createdAt", "id"),
    age!("batchStatus", "batchStartTime", "id"),
    age!("batchStatus", "dbInsertionStartTime", "id"),
    age!("batchStatus", "dbInsertionEndTime", "id"),
    age!("call", "createdAt", "batchId"),
    age!("batchStatus", "lidStartTime", "id"),
];

/// The same of what is written when they are identified.
const IDENTIFIED: [(&str, &str); 5] = [
    age!("batchStatus", "updatedAt", "id"),
    age!("batchStatus", "lidEndTime", "id"),
    age!("call", "updatedAt", "batchId"),
    age!("lidStatus", "createdAt", "batchId"),
    age!("lidStatus", "updatedAt", "batchId"),
];

#[tokio::test(flavor = "multi_thread")]
async fn times_in_shared_rows_agree_with_a_foreign_clock() -> Result<()> {
    let server = Server::start(&[SERVER])?;
    let mut cluster = Cluster::on_server(&server).await?;
    cluster.controller.live_in(CONTROLLER);
    let corpus = cluster.begin(1, RECORDINGS, 1).await?;
    let mut foreign = Connection::reading(cluster.controller.database()).await?;

    cluster.agents[0].desk.tell(&Behaviour::fail(FailureClass::Recording))?;
    let submitted = Instant::now();
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    check(&mut foreign, batch, &DISTRIBUTED, submitted).await?;

    // Far enough from the first times to tell new ones from old ones.
    tokio::time::sleep(2 * Duration::from_secs(OFF.unsigned_abs()) + Duration::from_secs(1)).await;
    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    let retried = Instant::now();
    cluster.client()?.retry(batch).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    check(&mut foreign, batch, &IDENTIFIED, retried).await?;
    check(&mut foreign, batch, &DISTRIBUTED, submitted).await?;
    cluster.stop().await
}

/// Expects that all of this was written after `since`.
async fn check(
    foreign: &mut Connection,
    batch: i64,
    ages: &[(&str, &'static str)],
    since: Instant,
) -> Result<()> {
    for (what, select) in ages {
        let (least, greatest): (Option<i64>, Option<i64>) = foreign.one(select, batch).await?;
        let most = i64::try_from(since.elapsed().as_secs())? + OFF;
        let allowed = |age: Option<i64>| age.is_some_and(|age| (-OFF..=most).contains(&age));
        ensure!(
            allowed(least) && allowed(greatest),
            "{what} is {least:?} to {greatest:?} s old, and must be 0 to {most} s"
        );
    }
    Ok(())
}
