//! An agent in the test's own process.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use cofi_agent::{Config, Stop, config::EngineProgram};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{Controller, Recording, within};

/// An agent, its folder and the notes of its engine.
pub struct TestAgent {
    pub config: Config,
    folder: TempDir,
    stop: Stop,
    running: JoinSet<anyhow::Result<()>>,
}

impl TestAgent {
    /// An agent that has joined and is not started yet, with the engine of
    /// `worker.py`.
    pub fn new(controller: &Controller) -> Self {
        let agent = Self::stranger(controller.address);
        controller.site.certify(agent.data(), &agent.config.name);
        agent
    }

    /// The same without an identity.
    pub fn stranger(controller: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let notes = folder.path().join("notes");
        fs::create_dir(&notes).unwrap();
        let mut config = Config::new("test-agent".parse().unwrap(), folder.path().join("data"));
        config.controller = controller.into();
        config.engine.workers = 1.try_into().ok();
        config.engine.timeout = Duration::from_secs(20);
        let worker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent/support/worker.py");
        config.engine.program = EngineProgram::Command {
            program: "python3".into(),
            arguments: vec![worker.display().to_string(), notes.display().to_string()],
        };
        Self { config, folder, stop: Stop::new(), running: JoinSet::new() }
    }

    /// Has the engine run a shell script instead.
    pub fn with_script(mut self, script: &str) -> Self {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        self.config.engine.program = EngineProgram::Command { program: "sh".into(), arguments };
        self
    }

    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    pub fn start(&mut self) {
        self.stop = Stop::new();
        let running = cofi_agent::run(self.config.clone(), PathBuf::from("/nonexistent"), self.stop.clone());
        self.running.spawn(running);
    }

    pub fn stop_token(&self) -> Stop {
        self.stop.clone()
    }

    /// Ends the agent at once, as far as a task can; waits until it has ended.
    pub async fn stop(&mut self) {
        self.stop.stop();
        self.ended().await.unwrap();
    }

    /// Waits until the agent has ended.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        within("the agent to end", self.running.join_next()).await.expect("not started").unwrap()
    }

    pub fn data(&self) -> &Path {
        &self.config.data_dir
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a recording lies.
    pub fn path(&self, recording: &Recording) -> PathBuf {
        self.data().join("recordings").join(recording.id.batch.to_string()).join(&recording.name)
    }

    /// The requests that the engine got for a recording, as JSON.
    pub fn requests(&self, recording: &Recording) -> Vec<serde_json::Value> {
        let notes = fs::read_to_string(self.folder().join("notes").join(&recording.name));
        notes.unwrap_or_default().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Files that have not found their place.
    pub fn incoming(&self) -> usize {
        fs::read_dir(self.data().join("incoming")).unwrap().count()
    }
}
