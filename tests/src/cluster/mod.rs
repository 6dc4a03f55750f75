//! A controller and agents as real processes, in a folder of their own.

mod agent;
mod controller;

use std::{path::PathBuf, process::Output, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use serde_json::Value;
use tempfile::TempDir;

pub use self::{
    agent::{Agent, Engine},
    controller::Controller,
};
use crate::{
    client::Client,
    corpus::Corpus,
    database::{Database, Kind, OnServer},
    programs,
    tables::Tables,
    wait::until,
};

/// How long anything may take that is no scenario's whole work.
pub const SOON: Duration = Duration::from_secs(30);

/// How long a scenario's whole work may take: minutes of room for a machine
/// that does other things as well.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The processes of one test, and their folder.
#[derive(Debug)]
pub struct Cluster {
    // Before the folder: what runs ends first.
    /// The controller, which may be stopped and started again.
    pub controller: Controller,
    /// The agents, in the order in which they were added.
    pub agents: Vec<Agent>,
    home: TempDir,
}

/// How a `cofi` command ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Ran {
    /// The one JSON document that it printed.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("{self:?}"))
    }
}

impl Cluster {
    /// A folder in which nothing runs yet, for the embedded database.
    pub fn new() -> Result<Self> {
        let home = home()?;
        let database = Database::File(embedded(&home));
        Self::in_home(home, database)
    }

    /// A folder in which nothing runs yet, and an empty database.
    pub async fn on(kind: Kind) -> Result<Self> {
        let home = home()?;
        let database = Database::new(kind, embedded(&home)).await?;
        Self::in_home(home, database)
    }

    /// A folder in which nothing runs yet, and an empty database on a server of
    /// the test's own.
    pub async fn on_server(server: &cofi_mariadb::Server) -> Result<Self> {
        let database = OnServer::new(server.address()).await?;
        Self::in_home(home()?, Database::Server(database))
    }

    fn in_home(home: TempDir, database: Database) -> Result<Self> {
        let controller = Controller::new(home.path(), database)?;
        Ok(Self { controller, agents: Vec::new(), home })
    }

    /// A controller, and `agents` agents that know the answers of `count` new
    /// recordings, all of them ready for work.
    pub async fn with_corpus(agents: usize, count: usize, seed: u64) -> Result<(Self, Corpus)> {
        Self::with_corpus_on(Kind::Sqlite, agents, count, seed).await
    }

    /// The same on either database.
    pub async fn with_corpus_on(
        kind: Kind,
        agents: usize,
        count: usize,
        seed: u64,
    ) -> Result<(Self, Corpus)> {
        let mut cluster = Self::on(kind).await?;
        let corpus = cluster.begin(agents, count, seed).await?;
        Ok((cluster, corpus))
    }

    /// Starts the controller, and `agents` agents that know the answers of
    /// `count` new recordings, and waits until all of them are ready for work.
    pub async fn begin(&mut self, agents: usize, count: usize, seed: u64) -> Result<Corpus> {
        let corpus = Corpus::make(&self.path("calls"), count, seed)?;
        self.controller.start().await?;
        for index in 0..agents {
            let name = format!("host-{index}");
            self.add_agent(&name, Engine::Answers(corpus.answers.clone())).await?;
        }
        self.agents_are_ready().await?;
        Ok(corpus)
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Adds an agent and starts it.
    pub async fn add_agent(&mut self, name: &str, engine: Engine) -> Result<&mut Agent> {
        self.add_armed_agent(name, engine, &[]).await
    }

    /// The same, of one that is told what to do at failpoints, if anything.
    pub async fn add_armed_agent(
        &mut self,
        name: &str,
        engine: Engine,
        orders: &[String],
    ) -> Result<&mut Agent> {
        let address = format!("10.77.0.{}", self.agents.len() + 1);
        let mut agent = Agent::new(self.home.path(), name, &address, engine)?;
        if !orders.is_empty() {
            agent.arm(orders)?;
        }
        if self.controller.arming().is_some() {
            self.join_in_spite_of_failpoints(&agent).await?;
        }
        agent.start(&self.controller).await?;
        self.agents.push(agent);
        self.agents.last_mut().context("no agent")
    }

    /// A controller that is armed may die of it, or fail: it is asked again.
    async fn join_in_spite_of_failpoints(&mut self, agent: &Agent) -> Result<()> {
        let mut failed = None;
        let joined = until("the agent to join", SOON, async || {
            self.controller.revive()?;
            failed = agent.join(&self.controller).await.err();
            Ok(failed.is_none().then_some(()))
        });
        joined.await.with_context(|| format!("the last time it failed with {failed:?}"))
    }

    /// Waits until every agent takes work.
    pub async fn agents_are_ready(&mut self) -> Result<()> {
        for index in 0..self.agents.len() {
            let name = self.agents[index].name.clone();
            let ready = self.agent_is(&name, pb::AgentState::Ready).await;
            if let Some(status) = self.agents[index].ended()? {
                anyhow::bail!(
                    "agent {name} ended ({status}), see its log: {}",
                    self.agents[index].log_text()?
                );
            }
            ready?;
        }
        Ok(())
    }

    /// Waits until an agent is in a state, and gives what is said of it then.
    pub async fn agent_is(&self, name: &str, state: pb::AgentState) -> Result<pb::Agent> {
        let client = self.client()?;
        until(format!("agent {name} to be {state:?}"), SOON, async || {
            let seen = client.agents().await?.into_iter().find(|agent| agent.name == name);
            Ok(seen.filter(|agent| agent.state() == state))
        })
        .await
    }

    /// Calls on the controller as an operator's program would.
    pub fn client(&self) -> Result<Client> {
        self.controller.client()
    }

    /// Reads the controller's tables.
    pub async fn tables(&self) -> Result<Tables> {
        Tables::open(self.controller.database()).await
    }

    /// Runs `cofi` with these arguments, to its end.
    pub async fn cofi(&self, arguments: &[&str]) -> Result<Ran> {
        let mut command = programs::command(&programs::path("cofi")?);
        command
            .args(["--controller", &self.controller.url(), "--state-dir"])
            .arg(self.controller.state_dir());
        command.args(arguments);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let Output { status, stdout, stderr } = output.context("cofi does not end")?.context("run cofi")?;
        let (stdout, stderr) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
        Ok(Ran { code: status.code(), stdout, stderr })
    }

    /// Submits a corpus with `cofi batch submit`: the batch's id.
    pub async fn submit(&self, corpus: &Corpus) -> Result<i64> {
        let source = corpus.root.to_str().context("a path that is not UTF-8")?;
        let ran = self.cofi(&["--json", "batch", "submit", source]).await?;
        ensure!(ran.code == Some(0), "the batch was not accepted: {ran:?}");
        ran.json()?["batch"]["batch_id"].as_i64().with_context(|| format!("no batch id in {ran:?}"))
    }

    /// Waits until nothing is left to do for a batch, and gives it.
    pub async fn at_rest(&self, batch: i64) -> Result<pb::Batch> {
        let client = self.client()?;
        until(format!("batch {batch} to come to rest"), PATIENCE, async || {
            let seen = client.batch(batch).await?;
            let rests = match seen.state() {
                pb::BatchState::Complete
                | pb::BatchState::CompleteWithFailures
                | pb::BatchState::Cancelled
                | pb::BatchState::Earlier => true,
                pb::BatchState::Unspecified | pb::BatchState::Distributing | pb::BatchState::Identifying => {
                    false
                }
            };
            Ok(rests.then_some(seen))
        })
        .await
    }

    /// Ends everything in order, and expects that it ends well.
    pub async fn stop(&mut self) -> Result<()> {
        for agent in &mut self.agents {
            agent.stop().await?;
        }
        self.controller.stop().await
    }
}

fn home() -> Result<TempDir> {
    let mut home = tempfile::Builder::new().prefix("cofi-test-").tempdir().context("make a folder")?;
    if std::env::var_os("COFI_TEST_KEEP").is_some() {
        home.disable_cleanup(true);
        eprintln!("kept: {}", home.path().display());
    }
    Ok(home)
}

/// Where a controller puts its database by itself.
fn embedded(home: &TempDir) -> PathBuf {
    home.path().join("controller").join("cofi.sqlite")
}
