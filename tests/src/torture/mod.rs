//! Kills whatever there is to kill, again and again, while batches run; and
//! looks after each time whether anything was lost, doubled, made up, or done
//! twice.
//!
//! One round is one SIGKILL of the controller, an agent or the database at a
//! random moment, and its start again. A batch sees rounds until it is done;
//! then it is audited, and the next one begins on a cluster of its own.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cofi_mariadb::Server;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::{audit::audit, cluster::Cluster, corpus::Corpus, database::Kind, wait::until, worker::Behaviour};

/// Recordings of a batch.
const RECORDINGS: usize = 1_200;
/// Agents that share it.
const AGENTS: usize = 3;
/// Each request takes the engine so long, so that a batch lasts for some rounds.
const SLOW: Behaviour = Behaviour::Delay { millis: 20 };
/// When something is killed after the round before: from at once to a while.
const MOMENTS: std::ops::Range<u64> = 20..1_200;
/// Work must go on within this time of the start of what was killed.
const GOES_ON_WITHIN: Duration = Duration::from_secs(30);
/// Rounds after which the checker looks, beside its look at the end.
const CHECKED_EVERY: u64 = 5;

/// What to do to whom.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often something is killed.
    pub rounds: u64,
    /// What the moments and victims follow from.
    pub seed: u64,
    /// The database.
    pub kind: Kind,
}

/// What was done, and how it went.
#[derive(Debug, Clone, Default)]
pub struct Report {
    controllers: u64,
    agents: u64,
    databases: u64,
    batches: u64,
    repeated: u64,
    slowest: Duration,
}

impl Report {
    /// How often something was killed.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.controllers + self.agents + self.databases
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { controllers, agents, databases, batches, repeated, slowest } = self;
        write!(
            f,
            "{} rounds ({controllers} controllers, {agents} agents, {databases} databases killed) on {batches} batches \
             of {RECORDINGS}: nothing lost, doubled or made up; nothing sent twice; {repeated} unfinished \
             identifications begun again; work went on after {:.1} s at most",
            self.rounds(),
            slowest.as_secs_f64(),
        )
    }
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Controller,
    Agent(usize),
    Database,
}

/// One cluster with its batch.
struct Scene {
    cluster: Cluster,
    corpus: Corpus,
    batch: i64,
    server: Option<Server>,
    /// What was finished on an agent when it was killed, and how often its
    /// workers had been asked for that.
    finished: Vec<Finished>,
}

struct Finished {
    agent: usize,
    name: String,
    asked: u64,
}

/// Tortures until the plan is fulfilled; fails at the first thing that is wrong.
pub async fn torture(plan: Plan) -> Result<Report> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut report = Report::default();
    while report.rounds() < plan.rounds {
        let seed = random.random();
        let mut scene =
            Scene::begin(plan.kind, seed).await.with_context(|| format!("begin batch of seed {seed}"))?;
        let told = scene.suffer(plan, &mut random, &mut report).await;
        told.with_context(|| format!("seed {}, round {}, {report}", plan.seed, report.rounds()))?;
        report.batches += 1;
        eprintln!("round {}: {report}", report.rounds());
    }
    Ok(report)
}

impl Scene {
    async fn begin(kind: Kind, seed: u64) -> Result<Self> {
        let (mut cluster, server) = match kind {
            Kind::Sqlite => (Cluster::new()?, None),
            Kind::MariaDb => {
                let server = Server::start(&[])?;
                (Cluster::on_server(&server).await?, Some(server))
            }
        };
        let corpus = cluster.begin(AGENTS, RECORDINGS, seed).await?;
        for agent in &cluster.agents {
            agent.desk.tell(&SLOW)?;
        }
        let batch = cluster.submit(&corpus).await?;
        Ok(Self { cluster, corpus, batch, server, finished: Vec::new() })
    }

    async fn suffer(&mut self, plan: Plan, random: &mut StdRng, report: &mut Report) -> Result<()> {
        while report.rounds() < plan.rounds {
            // A moment of the work, not a wait for something.
            tokio::time::sleep(Duration::from_millis(random.random_range(MOMENTS))).await;
            let before = self.done().await?;
            if before == 2 * RECORDINGS {
                break;
            }
            let victim = self.choose(random);
            let back = self.kill(victim, report).await?;
            until("work to go on", GOES_ON_WITHIN, async || {
                Ok((self.done().await.unwrap_or(0) > before).then_some(()))
            })
            .await
            .with_context(|| format!("{victim:?} was killed"))?;
            report.slowest = report.slowest.max(back.elapsed());
            if report.rounds().is_multiple_of(CHECKED_EVERY) {
                self.check().await.with_context(|| format!("{victim:?} was killed"))?;
            }
        }
        self.finish(report).await
    }

    fn choose(&self, random: &mut StdRng) -> Victim {
        match random.random_range(0..10) {
            0..4 => Victim::Controller,
            4..6 if self.server.is_some() => Victim::Database,
            _ => Victim::Agent(random.random_range(0..AGENTS)),
        }
    }

    /// Kills it and starts it again: when that was.
    async fn kill(&mut self, victim: Victim, report: &mut Report) -> Result<Instant> {
        match victim {
            Victim::Controller => {
                report.controllers += 1;
                self.cluster.controller.kill().await?;
                self.cluster.controller.start().await?;
            }
            Victim::Agent(which) => {
                report.agents += 1;
                self.cluster.agents[which].kill().await?;
                self.note_finished(which).await?;
                self.cluster.agents[which].start(&self.cluster.controller).await?;
            }
            Victim::Database => {
                report.databases += 1;
                let server = self.server.as_mut().context("no server")?;
                server.kill()?;
                server.start_again()?;
            }
        }
        Ok(Instant::now())
    }

    /// Notes what an agent that does not run has in its journal.
    async fn note_finished(&mut self, which: usize) -> Result<()> {
        let agent = &self.cluster.agents[which];
        let asked = agent.desk.requests()?;
        for name in agent.journal().await?.finished(self.batch).await? {
            let asked = asked.get(&name).copied().unwrap_or_default();
            self.finished.push(Finished { agent: which, name, asked });
        }
        Ok(())
    }

    /// Recordings with rows and recordings with a language, together.
    async fn done(&self) -> Result<usize> {
        let counts = self.cluster.client()?.batch(self.batch).await?.counts.unwrap_or_default();
        Ok(usize::try_from(counts.stored + counts.identified)?)
    }

    async fn check(&self) -> Result<()> {
        let ran = self.cluster.cofi(&["check", &self.batch.to_string()]).await?;
        ensure!(ran.code == Some(0), "the checker has findings: {ran:?}");
        Ok(())
    }

    async fn finish(&mut self, report: &mut Report) -> Result<()> {
        self.cluster.at_rest(self.batch).await?;
        let tally = audit(&self.cluster, &self.corpus, self.batch).await?;
        ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
        self.check().await?;
        let mut repeated = 0;
        for agent in &self.cluster.agents {
            let sent =
                agent.journal().await?.held(self.batch).await?.into_iter().find(|held| !held.came_once());
            ensure!(sent.is_none(), "{} got it more than once: {sent:?}", agent.name);
            repeated += agent.desk.requests()?.values().map(|times| times - 1).sum::<u64>();
        }
        for Finished { agent, name, asked } in &self.finished {
            let again = self.cluster.agents[*agent].desk.requests()?.get(name).copied().unwrap_or_default();
            ensure!(again == *asked, "{name:?} was finished on agent {agent} and identified again");
        }
        report.repeated += repeated;
        self.cluster.stop().await
    }
}
