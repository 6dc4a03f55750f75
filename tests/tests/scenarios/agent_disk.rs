//! An agent's disk is full, or fails: that agent gets no more, the others go
//! on, what was finished is written down, and it goes on by itself.

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{
    audit::{Allowed, audit_allowing},
    cluster::{Agent, Cluster, Engine, PATIENCE, SOON},
    corpus::Corpus,
    disk::SmallDisk,
    fault::Fault,
    wait::until,
    worker::Behaviour,
};

const RECORDINGS: usize = 2_000;

/// What the agent with the bad disk holds when that goes bad.
const HELD: i64 = 200;

/// Slow enough that most results are still to come then.
const SLOW: Behaviour = Behaviour::Delay { millis: 4 };

/// Of which one hundredth is kept for results.
const MEBIBYTES: u32 = 512;

/// What is logged at ERROR about a disk that fails: somebody must look.
pub(crate) const TOLD: [&str; 7] = [
    "agent is quarantined",
    "disk fails: no more recordings are taken",
    "the journal does not take recordings",
    "the journal is behind the files",
    "change of the journal failed",
    "could not keep a result",
    "results wait for the journal",
];

/// Two agents, the first of which has or will have a bad disk.
struct Scene {
    // In this order: what uses the disk ends before it.
    cluster: Cluster,
    corpus: Corpus,
    batch: i64,
}

impl Scene {
    async fn begin() -> Result<Self> {
        let (cluster, corpus) = Cluster::with_corpus(2, RECORDINGS, 1).await?;
        Ok(Self { cluster, corpus, batch: 0 })
    }

    /// As [`Self::begin`], the first agent on a disk of its own that is full in
    /// the middle of a batch.
    async fn begin_and_fill() -> Result<(Self, SmallDisk)> {
        let mut cluster = Cluster::new()?;
        let corpus = Corpus::make(&cluster.path("calls"), RECORDINGS, 1)?;
        cluster.controller.start().await?;
        let engine = Engine::Answers(corpus.answers.clone());
        let mut agent = Agent::new(&cluster.path("."), "host-0", "10.77.0.1", engine.clone())?;
        let disk = SmallDisk::mount(&agent.data_dir(), MEBIBYTES)?;
        agent.start(&cluster.controller).await?;
        cluster.agents.push(agent);
        cluster.add_agent("host-1", engine).await?;
        cluster.agents_are_ready().await?;
        let mut scene = Self { cluster, corpus, batch: 0 };
        scene.submit().await?;
        scene.holds(HELD).await?;
        disk.fill()?;
        let journal = scene.cluster.agents[0].journal().await?;
        let (held, waiting) = (journal.held_count().await?, journal.waiting().await?);
        eprintln!("full with {held} held, of which {waiting} wait");
        ensure!(waiting > 0, "the disk was filled too late");
        Ok((scene, disk))
    }

    async fn submit(&mut self) -> Result<()> {
        self.cluster.agents.iter().try_for_each(|agent| agent.desk.tell(&SLOW))?;
        self.batch = self.cluster.submit(&self.corpus).await?;
        Ok(())
    }

    /// Waits until the first agent holds enough.
    async fn holds(&self, count: i64) -> Result<()> {
        let journal = self.cluster.agents[0].journal().await?;
        until(format!("the agent to hold {count}"), PATIENCE, async || {
            Ok((journal.held_count().await? >= count).then_some(()))
        })
        .await
    }

    /// Waits until the controller knows whether the first agent has room.
    async fn has_room(&self, room: bool) -> Result<()> {
        let client = self.cluster.client()?;
        let name = &self.cluster.agents[0].name;
        until(format!("room on {name} to be {room}"), SOON, async || {
            let agent = client.agents().await?.into_iter().find(|agent| agent.name == *name);
            Ok((agent.context("no such agent")?.free_disk_bytes > 0).eq(&room).then_some(()))
        })
        .await
    }

    /// Waits for the end of the batch, all of which is identified, and nothing
    /// logged at ERROR but `told`.
    async fn ends_well(&self, told: &[&str]) -> Result<()> {
        self.cluster.at_rest(self.batch).await?;
        let allowed = Allowed { errors: told };
        let tally = audit_allowing(&self.cluster, &self.corpus, self.batch, allowed).await?;
        ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
        Ok(())
    }

    /// The first agent is used for another batch, without having been started
    /// again.
    async fn is_used_again(&mut self, told: &[&str]) -> Result<()> {
        self.has_room(true).await?;
        let before = self.cluster.agents[0].journal().await?.held_count().await?;
        self.submit().await?;
        self.holds(before + HELD).await?;
        self.ends_well(told).await?;
        self.cluster.stop().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_written_down_on_a_full_disk_and_others_take_the_recordings() -> Result<()> {
    let (mut scene, disk) = Scene::begin_and_fill().await?;
    scene.has_room(false).await?;
    // All of it, while the disk stays full.
    scene.ends_well(&[]).await?;
    ensure!(scene.cluster.agents[0].ended()?.is_none(), "the agent ended");
    disk.make_room()?;
    scene.is_used_again(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_starts_on_a_full_disk_and_finishes_what_it_holds() -> Result<()> {
    let (mut scene, disk) = Scene::begin_and_fill().await?;
    scene.cluster.agents[0].kill().await?;
    disk.fill()?;
    let agent = &mut scene.cluster.agents[0];
    agent.start(&scene.cluster.controller).await?;
    scene.ends_well(&[]).await?;
    disk.make_room()?;
    scene.is_used_again(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_whose_flush_fails_are_dropped_and_the_agent_says_why() -> Result<()> {
    let mut scene = Scene::begin().await?;
    let fault = Fault::begin(&scene.cluster.agents[0], "fdatasync", "EIO", &[]).await?;
    scene.submit().await?;
    scene.has_room(false).await?;
    scene.ends_well(&TOLD).await?;
    let agent = &scene.cluster.agents[0];
    ensure!(agent.journal().await?.held_count().await? == 0, "recordings are held that were never flushed");
    let log = agent.log_text()?;
    ensure!(log.contains("flush: Input/output error"), "it does not say why: {log}");
    fault.end().await?;
    scene.is_used_again(&TOLD).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_flushed_stops_nobody_else_and_loses_nothing() -> Result<()> {
    let mut scene = Scene::begin().await?;
    scene.submit().await?;
    scene.holds(HELD).await?;
    let log = scene.cluster.agents[0].data_dir().canonicalize()?.join("journal.sqlite-wal");
    let fault = Fault::begin(&scene.cluster.agents[0], "fsync,fdatasync", "EIO", &[&log]).await?;
    let other = scene.cluster.agents[1].journal().await?;
    until("the others to go on", PATIENCE, async || {
        Ok((other.held_count().await? + HELD > i64::try_from(RECORDINGS / 2)?).then_some(()))
    })
    .await?;
    fault.end().await?;
    scene.ends_well(&TOLD).await?;
    scene.cluster.stop().await
}
