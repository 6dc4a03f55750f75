//! Disks that are full or cannot be written, and other things that run out.

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{
    audit::{Allowed, audit, audit_allowing},
    cluster::{Agent, Cluster, Engine, SOON},
    corpus::Corpus,
    disk::SmallDisk,
    fault::Fault,
    wait::until,
    worker::Behaviour,
};

use crate::outage;

const RECORDINGS: usize = 600;
/// Of which so many are distributed when the disk goes bad.
const SOME: i64 = 100;
/// So many that their rows need more room than the database had by then.
const MANY: usize = 2_000;
/// Far more than the database needs.
const MEBIBYTES: u32 = 96;
/// Slow enough that much is left then.
const SLOW: Behaviour = Behaviour::Delay { millis: 5 };

/// Calls that change a file system.
const WRITES: &str = "openat,mkdirat,renameat,renameat2,linkat,unlinkat,fallocate,ftruncate,write,pwrite64";

async fn distributed(cluster: &Cluster, batch: i64, aim: i64) -> Result<()> {
    let tables = cluster.tables().await?;
    until(format!("{aim} recordings to be distributed"), SOON, async || {
        Ok((tables.distributed(batch).await? >= aim).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_whose_disk_is_full_waits_and_goes_on() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let disk = SmallDisk::mount(&cluster.controller.state_dir(), MEBIBYTES)?;
    let corpus = cluster.begin(2, MANY, 1).await?;
    let batch = cluster.submit(&corpus).await?;
    distributed(&cluster, batch, SOME).await?;
    disk.fill()?;
    let had = cluster.tables().await?.identified(batch).await?;
    ensure!(had < 1_500, "the disk was filled too late: {had} are identified");
    let client = cluster.client()?;
    outage::is_told(&client).await?;
    disk.make_room()?;
    outage::is_over(&client).await?;
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 2_000, "{tally:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_disk_becomes_read_only_stops_nobody_and_goes_on() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(2, RECORDINGS, 1).await?;
    cluster.agents.iter().try_for_each(|agent| agent.desk.tell(&SLOW))?;
    let batch = cluster.submit(&corpus).await?;
    distributed(&cluster, batch, SOME).await?;
    let data = cluster.agents[0].data_dir().canonicalize()?;
    let (incoming, recordings) = (data.join("incoming"), data.join("recordings"));
    let (folder, log) = (recordings.join(batch.to_string()), data.join("journal.sqlite-wal"));
    let on = [incoming.as_path(), &recordings, &folder, &log];
    let fault = Fault::begin(&cluster.agents[0], WRITES, "EROFS", &on).await?;
    let tables = cluster.tables().await?;
    let held = cluster.agents[0].journal().await?.held_count().await?;
    until("everything that it does not hold to be identified elsewhere", SOON, async || {
        let rest = i64::try_from(RECORDINGS)? - held;
        let other = cluster.agents[1].journal().await?.finished(batch).await?.len();
        Ok((tables.distributed(batch).await? >= rest && i64::try_from(other)? >= rest / 2).then_some(()))
    })
    .await?;
    fault.end().await?;
    cluster.at_rest(batch).await?;
    // What it could not even remove is removed at its next start.
    cluster.agents[0].stop().await?;
    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    cluster.agents_are_ready().await?;
    let allowed = Allowed { errors: &super::agent_disk::TOLD };
    let tally = audit_allowing(&cluster, &corpus, batch, allowed).await?;
    ensure!(tally.identified == 600, "{tally:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_few_file_descriptors_works() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let corpus = Corpus::make(&cluster.path("calls"), RECORDINGS, 1)?;
    cluster.controller.start().await?;
    let engine = Engine::Answers(corpus.answers.clone());
    let mut agent = Agent::new(&cluster.path("."), "host-0", "10.77.0.1", engine)?;
    agent.wrap(&["prlimit", "--nofile=96:96"]);
    agent.start(&cluster.controller).await?;
    cluster.agents.push(agent);
    cluster.agents_are_ready().await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 600, "{tally:?}");
    let id = cluster.agents[0].id().context("the agent does not run")?;
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits"))?;
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    ensure!(files.split_whitespace().nth(3) == Some("96"), "it had more: {files}");
    cluster.stop().await
}
