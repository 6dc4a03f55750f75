//! A small cluster in which one program is armed: it is started again whenever
//! it dies, and looked at in the end.

use std::{collections::HashMap, os::unix::process::ExitStatusExt as _, process::ExitStatus, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use cofi_proto::pb::v1::{self as pb, AgentState};
use tokio::time::{Instant, sleep};

use super::{Combination, Mode, RECORDINGS, points::Daemon};
use crate::{
    audit::{Allowed, audit_allowing},
    cluster::{Cluster, Engine},
    corpus::Corpus,
    failpoints::Arming,
};

/// How long anything may take, with what is done again after a crash.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(10);

const AGENTS: usize = 2;
const SIGKILL: i32 = 9;

/// Words of what the programs say at ERROR when something fails at a point.
const PROVOKED: &[&str] = &[
    "failpoint",
    "the journal is closed",
    "the journal does not take recordings",
    "results wait for the journal",
];

pub(super) struct Scene {
    pub(super) cluster: Cluster,
    corpus: Corpus,
    /// The batches that were submitted.
    pub(super) batches: Vec<i64>,
    combination: Combination,
    /// What the armed agent had finished when it died, by name, and how often
    /// its workers had been asked for that.
    finished: HashMap<String, u64>,
    /// How often the armed agent was seen to have died.
    deaths: usize,
}

impl Scene {
    pub(super) async fn begin(combination: &Combination) -> Result<Self> {
        let mut cluster = Cluster::on(combination.kind).await?;
        let corpus = Corpus::make(&cluster.path("calls"), RECORDINGS, 1)?;
        let orders = combination.orders(Daemon::Controller);
        if !orders.is_empty() {
            cluster.controller.arm(&orders)?;
        }
        cluster.controller.start().await?;
        for index in 0..AGENTS {
            let orders = if index == 0 { combination.orders(Daemon::Agent) } else { Vec::new() };
            cluster
                .add_armed_agent(&format!("host-{index}"), Engine::Answers(corpus.answers.clone()), &orders)
                .await?;
        }
        let (finished, combination) = (HashMap::new(), combination.clone());
        let mut scene = Self { cluster, corpus, batches: Vec::new(), combination, finished, deaths: 0 };
        for index in 0..AGENTS {
            scene.agent_is(&format!("host-{index}"), AgentState::Ready).await?;
        }
        Ok(scene)
    }

    /// Looks until there is something to see, and starts again what died
    /// meanwhile. A look that fails is repeated: who was asked may be away.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        look: impl AsyncFn(&Cluster) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.revive().await?;
            let failed = match look(&self.cluster).await {
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if Instant::now() >= deadline {
                let reason = failed.map(|error| format!(", the last look failed: {error:#}"));
                bail!("waited {} s for {what}{}", PATIENCE.as_secs(), reason.unwrap_or_default());
            }
            sleep(PAUSE).await;
        }
    }

    async fn revive(&mut self) -> Result<()> {
        self.cluster.controller.revive()?;
        for agent in &mut self.cluster.agents {
            agent.revive(&self.cluster.controller).await?;
        }
        let deaths = self.cluster.agents[0].ends().len();
        if deaths > self.deaths {
            self.deaths = deaths;
            self.note_finished().await?;
        }
        Ok(())
    }

    /// What the armed agent has a result of need not be identified again.
    async fn note_finished(&mut self) -> Result<()> {
        let Some(batch) = self.batches.last() else { return Ok(()) };
        let agent = &self.cluster.agents[0];
        let asked = agent.desk.requests()?;
        for name in agent.journal().await?.finished(*batch).await? {
            let times = asked.get(&name).copied().unwrap_or_default();
            self.finished.insert(name, times);
        }
        Ok(())
    }

    /// Runs a `cofi` command until it succeeds.
    pub(super) async fn cofi(&mut self, arguments: &[&str]) -> Result<()> {
        self.until(&format!("cofi {arguments:?} to succeed"), async |cluster| {
            let ran = cluster.cofi(arguments).await?;
            ensure!(ran.code == Some(0), "{ran:?}");
            Ok(Some(()))
        })
        .await
    }

    /// Submits the corpus as one more batch, and says so again until it is
    /// answered: its id.
    pub(super) async fn submit(&mut self) -> Result<i64> {
        let request = pb::CreateBatchRequest {
            source: self.corpus.root.display().to_string(),
            idempotency_key: format!("batch {}", self.batches.len()),
            ..Default::default()
        };
        let submitting = async |cluster: &Cluster| cluster.client()?.plan(request.clone()).await.map(Some);
        let batch = self.until("a batch to be accepted", submitting).await?;
        ensure!(!self.batches.contains(&batch), "the batch was taken for the one before");
        self.batches.push(batch);
        self.finished.clear();
        Ok(batch)
    }

    pub(super) async fn take_a_batch_through(&mut self) -> Result<()> {
        let batch = self.submit().await?;
        self.rests(batch).await
    }

    pub(super) async fn agent_is(&mut self, name: &str, state: AgentState) -> Result<()> {
        self.until(&format!("agent {name} to be {state:?}"), async |cluster| {
            let agents = cluster.client()?.agents().await?;
            let there = agents.iter().any(|agent| agent.name == name && agent.state() == state);
            Ok(there.then_some(()))
        })
        .await
    }

    pub(super) async fn agent_is_away(&mut self, name: &str) -> Result<()> {
        self.agent_is(name, AgentState::Away).await
    }

    /// Waits until the armed agent has results of a batch, and work left.
    pub(super) async fn agent_has_results(&mut self, batch: i64) -> Result<()> {
        self.until("the agent to have results", async |cluster| {
            let finished = cluster.agents[0].journal().await?.finished(batch).await?;
            Ok((finished.len() > 2).then_some(()))
        })
        .await
    }

    /// Waits until nothing is left to do for a batch and nothing is on its way.
    pub(super) async fn rests(&mut self, batch: i64) -> Result<()> {
        self.until("the batch to be complete, with its stages", async |cluster| {
            let row = cluster.tables().await?.batch(batch).await?;
            let complete = row.lid_status == "Complete" && row.db_insertion_status == "Complete";
            Ok((complete && row.current_batch == 0).then_some(()))
        })
        .await?;
        self.until("agents to have got rid of everything", async |cluster| {
            for agent in &cluster.agents {
                let journal = agent.journal().await?;
                let left =
                    [journal.unreceipted().await?, journal.waiting().await?, journal.unrecorded().await?];
                if left != [0; 3] {
                    bail!("{} has unreceipted, waiting, unrecorded {left:?}", agent.name);
                }
            }
            Ok(Some(()))
        })
        .await?;
        self.nothing_was_identified_again()
    }

    /// Every name was asked for once for each batch, and those that the armed
    /// agent had finished when it died not once more.
    fn nothing_was_identified_again(&self) -> Result<()> {
        let batches = u64::try_from(self.batches.len())?;
        let mut asked: HashMap<String, u64> = HashMap::new();
        for (index, agent) in self.cluster.agents.iter().enumerate() {
            for (name, times) in agent.desk.requests()? {
                if let Some(finished) = self.finished.get(&name).filter(|_| index == 0) {
                    ensure!(*finished == times, "{name:?} was finished and identified again");
                }
                *asked.entry(name).or_default() += times;
            }
        }
        // What was in the workers' hands when an agent died is begun again.
        let allowed = batches + u64::try_from(self.deaths)?;
        let wrong = asked.iter().find(|(_, times)| !(batches..=allowed).contains(times));
        ensure!(wrong.is_none(), "of {batches} batches, workers were asked for {wrong:?} times");
        ensure!(asked.len() == RECORDINGS, "workers were asked for {} names", asked.len());
        Ok(())
    }

    /// How often a program was killed, as it was told and counted itself.
    fn kills(&self, daemon: Daemon) -> Result<usize> {
        let mut kills = 0;
        for order in self.combination.orders(daemon) {
            let Some((point, hit)) = order.split_once("=kill@") else { continue };
            let hit: usize = hit.parse().with_context(|| order.clone())?;
            kills += usize::from(self.arming(daemon)?.hits(point)? >= hit);
        }
        Ok(kills)
    }

    /// How often the point was hit.
    pub(super) fn hits(&self) -> Result<usize> {
        self.arming(self.combination.route.daemon)?.hits(&self.combination.route.point)
    }

    fn arming(&self, daemon: Daemon) -> Result<&Arming> {
        let arming = match daemon {
            Daemon::Controller => self.cluster.controller.arming(),
            Daemon::Agent => self.cluster.agents[0].arming(),
        };
        arming.context("it is not armed")
    }

    /// Looks at everything once more, and ends it.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.comes_to_rest().await?;
        self.ended_as_expected()?;
        let words: Vec<&str> = PROVOKED.iter().chain(self.combination.route.alarms).copied().collect();
        let allowed = Allowed { errors: &words };
        for batch in &self.batches {
            let tally = audit_allowing(&self.cluster, &self.corpus, *batch, allowed).await?;
            ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
            self.nothing_came_again(*batch).await?;
        }
        self.cluster.stop().await
    }

    /// Waits for the end of who was hit last and is on its way out, and until
    /// everything is done again.
    async fn comes_to_rest(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.revive().await?;
            for batch in self.batches.clone() {
                self.rests(batch).await?;
            }
            if self.all_deaths_are_seen()? || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    fn all_deaths_are_seen(&self) -> Result<bool> {
        let seen = |daemon| Ok::<_, anyhow::Error>(self.killed(daemon) == self.kills(daemon)?);
        Ok(seen(Daemon::Controller)? && seen(Daemon::Agent)?)
    }

    /// How often a program was seen to have been killed.
    fn killed(&self, daemon: Daemon) -> usize {
        self.ends(daemon).iter().filter(|status| status.signal() == Some(SIGKILL)).count()
    }

    fn ends(&self, daemon: Daemon) -> &[ExitStatus] {
        match daemon {
            Daemon::Controller => self.cluster.controller.ends(),
            Daemon::Agent => self.cluster.agents[0].ends(),
        }
    }

    async fn nothing_came_again(&self, batch: i64) -> Result<()> {
        for agent in &self.cluster.agents {
            let held = agent.journal().await?.held(batch).await?;
            let again = held.iter().find(|held| !held.came_once());
            ensure!(again.is_none(), "{} got {again:?}", agent.name);
        }
        Ok(())
    }

    /// Who was to be killed was killed, and nobody else ended by itself.
    fn ended_as_expected(&self) -> Result<()> {
        for daemon in [Daemon::Controller, Daemon::Agent] {
            let (ends, killed) = (self.ends(daemon), self.killed(daemon));
            let to_be_killed = self.kills(daemon)?;
            ensure!(
                killed == to_be_killed,
                "{daemon:?} was killed {killed} times, not {to_be_killed}: {ends:?}"
            );
            let failed: Vec<&ExitStatus> =
                ends.iter().filter(|status| status.code().is_some_and(|code| code != 0)).collect();
            let may_fail = self.combination.mode == Mode::Error && self.combination.route.error_is_fatal;
            ensure!(failed.is_empty() || may_fail, "{daemon:?} ended with {failed:?}");
        }
        ensure!(self.cluster.agents[1..].iter().all(|agent| agent.ends().is_empty()), "another agent ended");
        Ok(())
    }
}
