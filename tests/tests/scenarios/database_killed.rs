//! The database is killed in the middle of the work, and started again.

use anyhow::{Result, ensure};
use cofi_mariadb::Server;
use cofi_tests::{
    audit::{audit, done_once},
    cluster::{Cluster, SOON},
    corpus::Corpus,
    reader::Reader,
    seeds::seeds,
    wait::until,
    worker::Behaviour,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use crate::outage::{self, GOES_ON_WITHIN};

const RECORDINGS: usize = 4_000;

/// Recordings with a language when the database is killed.
const IDENTIFIED: std::ops::Range<i64> = 300..2_000;

/// Recordings with rows when the database is killed.
const DISTRIBUTED: std::ops::Range<i64> = 500..2_500;

/// Slow enough that most recordings still wait when the database is killed.
const SLOW: Behaviour = Behaviour::Delay { millis: 2 };

/// What a batch is in the middle of.
#[derive(Debug, Clone, Copy)]
enum Work {
    Distribution,
    Identification,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_killed_during_distribution_costs_nothing_but_time() -> Result<()> {
    let mut server = Server::start(&[])?;
    for seed in seeds(2, 20)? {
        kill_during(Work::Distribution, DISTRIBUTED, &mut server, seed).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_killed_during_identification_costs_nothing_but_time() -> Result<()> {
    let mut server = Server::start(&[])?;
    for seed in seeds(2, 20)? {
        kill_during(Work::Identification, IDENTIFIED, &mut server, seed).await?;
    }
    Ok(())
}

async fn kill_during(work: Work, range: std::ops::Range<i64>, server: &mut Server, seed: u64) -> Result<()> {
    let aim = StdRng::seed_from_u64(seed).random_range(range);
    eprintln!("{work:?}, seed {seed}");
    let mut cluster = Cluster::on_server(server).await?;
    let corpus = cluster.begin(2, RECORDINGS, seed).await?;
    for agent in &cluster.agents {
        agent.desk.tell(&SLOW)?;
    }
    let batch = cluster.submit(&corpus).await?;
    let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
    let before = reaches(work, &cluster, batch, aim).await?;

    server.kill()?;
    let client = cluster.client()?;
    outage::is_told(&client).await?;
    server.start_again()?;
    let back = Instant::now();
    outage::is_over(&client).await?;
    // More than the transaction that may have been on its way.
    let after = reaches(work, &cluster, batch, before + 1).await?;
    ensure!(back.elapsed() < GOES_ON_WITHIN, "it took {:?} to go on", back.elapsed());
    eprintln!("killed at {before}, at {after} {} ms after it was back", back.elapsed().as_millis());
    finish(cluster, &corpus, batch, reader).await
}

/// Waits until so much is done, and gives how much it is.
async fn reaches(work: Work, cluster: &Cluster, batch: i64, aim: i64) -> Result<i64> {
    let tables = cluster.tables().await?;
    let done = until(format!("{work:?} to reach {aim}"), SOON, async || {
        let done = match work {
            Work::Distribution => tables.distributed(batch).await?,
            Work::Identification => tables.identified(batch).await?,
        };
        Ok((done >= aim).then_some(done))
    });
    let done = done.await?;
    ensure!(usize::try_from(done)? < RECORDINGS, "it came too late: {done} are done");
    Ok(done)
}

async fn finish(mut cluster: Cluster, corpus: &Corpus, batch: i64, reader: Reader) -> Result<()> {
    cluster.at_rest(batch).await?;
    reader.finish()?;
    let tally = audit(&cluster, corpus, batch).await?;
    ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
    done_once(&cluster, batch).await?;
    cluster.stop().await
}
