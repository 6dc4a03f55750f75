//! A controller and one agent whose disk remembers.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{
    cluster::{Agent, Cluster, Engine, PATIENCE, SOON},
    corpus::Corpus,
    logs,
    wait::until,
    worker::Behaviour,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::time::sleep;

use super::{
    promises::{Promises, SoFar},
    recorder::Recorder,
    replay::Replay,
    volume::{FileSystem, Mounted},
};

/// Beside the small ones: recordings of many pieces.
const LARGE: u64 = 8;
const LARGE_BYTES: usize = 700_000;

/// Slow enough that recordings still come and wait at most instants.
const SLOW: Behaviour = Behaviour::Delay { millis: 1 };

/// Between two instants at which the power may be cut.
const BETWEEN_MILLIS: std::ops::Range<u64> = 5..20;

/// An instant of the disk's life, and what was promised before it.
#[derive(Debug)]
pub(crate) struct Instant {
    pub(crate) at: usize,
    pub(crate) promised: SoFar,
}

/// System calls that say that they flushed, and did not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lie<'a> {
    pub(crate) calls: &'a str,
    /// Only of this file or folder below the agent's data.
    pub(crate) of: Option<&'a str>,
}

impl Lie<'_> {
    /// Has the agent started by a tracer that answers in the kernel's place.
    fn tell(self, agent: &mut Agent) -> Result<()> {
        let Self { calls, of } = self;
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:retval=0"));
        let mut words = vec!["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let path = of.map(|of| agent.data_dir().join(of));
        if let Some(path) = &path {
            words.extend(["-P", path.to_str().context("a path that is not UTF-8")?]);
        }
        agent.wrap(&words);
        Ok(())
    }
}

/// The processes, and the agent's disk.
#[derive(Debug)]
pub(crate) struct Scene {
    // In this order: what uses a disk ends before it.
    pub(crate) cluster: Cluster,
    pub(crate) corpus: Corpus,
    pub(crate) batch: i64,
    mounted: Option<Mounted>,
    recorder: Option<Recorder>,
    disks: usize,
    before: PathBuf,
}

impl Scene {
    /// Begins a batch of `count` small recordings on an agent that may be lied
    /// to.
    pub(crate) async fn begin(
        file_system: FileSystem,
        count: usize,
        seed: u64,
        lie: Option<Lie<'_>>,
    ) -> Result<Self> {
        let mut cluster = Cluster::new()?;
        let mut corpus = Corpus::make(&cluster.path("calls"), count, seed)?;
        let mut random = StdRng::seed_from_u64(seed);
        for index in 0..LARGE {
            let mut content = vec![0; LARGE_BYTES];
            random.fill(&mut content[..]);
            corpus.add(&format!("long {index}.wav"), &content, "en", 60.0)?;
        }
        cluster.controller.start().await?;
        // Whole, for the tracer.
        let home = cluster.path(".").canonicalize().context("find the folder")?;
        let mut agent = Agent::new(&home, "host-0", "10.77.0.1", Engine::Answers(corpus.answers.clone()))?;
        if let Some(lie) = lie {
            lie.tell(&mut agent)?;
        }
        cluster.agents.push(agent);
        let image = cluster.path("image");
        file_system.make(&image)?;
        let before = cluster.path("before");
        let mut scene = Self { cluster, corpus, batch: 0, mounted: None, recorder: None, disks: 0, before };
        scene.power_on(&image).await?;
        scene.cluster.agents[0].desk.tell(&SLOW)?;
        scene.cluster.agents_are_ready().await?;
        scene.batch = scene.cluster.submit(&scene.corpus).await?;
        Ok(scene)
    }

    /// Starts the agent on a disk that is `image` now and remembers from here on.
    pub(crate) async fn power_on(&mut self, image: &std::path::Path) -> Result<()> {
        fs::copy(image, &self.before).context("keep the image")?;
        self.disks += 1;
        let recorder = Recorder::start(image, &self.cluster.path(&format!("disk {}", self.disks)))?;
        let agent = self.cluster.agents.first_mut().context("no agent")?;
        self.mounted = Some(Mounted::new(&recorder.disk(), &agent.data_dir())?);
        self.recorder = Some(recorder);
        agent.start(&self.cluster.controller).await
    }

    /// Reads what was promised.
    pub(crate) async fn promises(&self) -> Result<Promises> {
        Promises::open(self.cluster.controller.database(), self.batch).await
    }

    /// Waits for random instants until the batch comes to rest, and notes for
    /// each of them what was promised before it.
    pub(crate) async fn instants(&self, random: &mut StdRng) -> Result<Vec<Instant>> {
        let recorder = self.recorder.as_ref().context("no disk")?;
        let rows = self.promises().await?;
        let mut instants = Vec::new();
        let begun = tokio::time::Instant::now();
        loop {
            sleep(Duration::from_millis(random.random_range(BETWEEN_MILLIS))).await;
            let promised = rows.so_far().await?;
            // After what was promised was read: it was promised before this.
            let instant = Instant { at: recorder.now(), promised };
            let ends = instant.promised.identified.len() == self.corpus.samples.len();
            instants.push(instant);
            if ends {
                return Ok(instants);
            }
            ensure!(begun.elapsed() < PATIENCE, "the batch does not come to rest");
        }
    }

    /// Kills the agent as a power cut would: what was promised by then, and the
    /// disk's memory, which no process holds any more.
    pub(crate) async fn cut(&mut self) -> Result<(Instant, Recorder)> {
        let rows = self.promises().await?;
        self.cluster.agents.first_mut().context("no agent")?.kill().await?;
        let recorder = self.recorder.take().context("no disk")?;
        // What the agent had said before it was killed may still be on its way,
        // but was said before this instant.
        let at = recorder.now();
        self.mounted.take().context("no disk")?.end().await?;
        Ok((Instant { at, promised: rows.so_far().await? }, recorder))
    }

    /// The image as it was when the power came last.
    pub(crate) fn replay(&self) -> Replay {
        Replay::new(self.before.clone())
    }

    /// Has an agent that reaches nobody, and is lied to by nobody, mend the store
    /// in its folder.
    pub(crate) async fn mend(&mut self) -> Result<()> {
        const STARTED: &str = "\"agent started\"";
        let agent = self.cluster.agents.first_mut().context("no agent")?;
        let before = agent.log_text()?.matches(STARTED).count();
        agent.wrap(&[]);
        agent.start(&self.cluster.controller).await?;
        until("the agent to mend its store", SOON, async || {
            let ended = agent.ended()?;
            ensure!(ended.is_none(), "the agent ended: {ended:?}, see its log: {}", agent.log_text()?);
            Ok((agent.log_text()?.matches(STARTED).count() > before).then_some(()))
        })
        .await?;
        agent.kill().await?;
        let log = agent.log_text()?;
        let alarming = logs::alarming(&log);
        ensure!(alarming.is_empty(), "the agent logged {alarming:?}");
        Ok(())
    }

    /// Ends everything in order.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.cluster.stop().await?;
        self.mounted.take().context("no disk")?.end().await
    }

    /// Where the agent's data lies.
    pub(crate) fn data_dir(&self) -> Result<PathBuf> {
        Ok(self.cluster.agents.first().context("no agent")?.data_dir())
    }
}
