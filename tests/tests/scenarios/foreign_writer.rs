//! Another service works on the same rows at the same time.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use cofi_mariadb::Server;
use cofi_tests::{
    audit::{audit, done_once},
    cluster::Cluster,
    database::{Connection, Database, change},
    foreign::ForeignWriter,
    seeds::seeds,
    worker::Behaviour,
};

const RECORDINGS: usize = 2_000;

/// Slow enough for the other one to meet Cofi often.
const SLOW: Behaviour = Behaviour::Delay { millis: 3 };

/// What the server broke up.
const DEADLOCKS: &str = "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS \
    WHERE VARIABLE_NAME = 'INNODB_DEADLOCKS'";

const TAKEN_UP: &str = "SELECT f.`file` FROM fileDistribution f JOIN `call` c \
    ON c.batchId = f.batchId AND c.audioName = f.`file` \
    WHERE f.batchId = ? AND f.sttDone = 1 AND c.status = 'InProgress'";

const TOUCHED: &str = "SELECT f.`file` FROM fileDistribution f JOIN `call` c \
    ON c.batchId = f.batchId AND c.audioName = f.`file` \
    WHERE f.batchId = ? AND (f.sttDone <> 0 OR c.status <> 'Pending')";

/// Gives the rows back, so that they can be audited.
const GIVE_BACK: &str = "UPDATE fileDistribution SET sttDone = 0; UPDATE `call` SET status = 'Pending'";

#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_with_another_service_cost_neither_side_a_change() -> Result<()> {
    let server = Server::start(&[])?;
    for seed in seeds(1, 10)? {
        eprintln!("seed {seed}");
        let mut cluster = Cluster::on_server(&server).await?;
        let corpus = cluster.begin(2, RECORDINGS, seed).await?;
        for agent in &cluster.agents {
            agent.desk.tell(&SLOW)?;
        }
        let Database::Server(database) = cluster.controller.database().clone() else { bail!("no server") };
        let mut looker = Connection::writing(cluster.controller.database()).await?;
        let before = looker.count(DEADLOCKS, 0).await?;
        let batch = cluster.submit(&corpus).await?;
        let writer = ForeignWriter::start(&database, batch, seed)?;
        cluster.at_rest(batch).await?;
        let changes = writer.finish()?;
        let deadlocks = looker.count(DEADLOCKS, 0).await? - before;
        eprintln!(
            "{} recordings taken up, {deadlocks} deadlocks, {} of them lost by the other service",
            changes.names.len(),
            changes.contended
        );
        ensure!(deadlocks > 0 && changes.names.len() > RECORDINGS / 10, "they hardly met: {changes:?}");

        for (what, select) in [("kept", TAKEN_UP), ("made", TOUCHED)] {
            let names: BTreeSet<String> =
                looker.all::<(String,)>(select, batch).await?.into_iter().map(|(name,)| name).collect();
            ensure!(names == changes.names, "{} changes are {what}", names.len());
        }
        change(cluster.controller.database(), GIVE_BACK).await?;
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
        done_once(&cluster, batch).await?;
        cluster.stop().await?;
    }
    Ok(())
}
