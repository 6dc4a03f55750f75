//! An agent as a process.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{Controller, SOON};
use crate::{failpoints::Arming, journal::Journal, logs, process::Process, programs, worker::Desk};

/// What identifies languages.
#[derive(Debug, Clone)]
pub enum Engine {
    /// `answer-worker` with the answers in this file.
    Answers(PathBuf),
    /// The built-in one with the model in this folder.
    Builtin(PathBuf),
}

/// An agent, running or not.
#[derive(Debug)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// What the tables call ip.
    pub address: String,
    /// From where its workers are told what to do, with [`Engine::Answers`].
    pub desk: Desk,
    engine: Engine,
    folder: PathBuf,
    publish_dir: Option<PathBuf>,
    engine_timeout: Option<Duration>,
    engine_attempts: Option<u32>,
    log_filter: &'static str,
    /// Put before the program, for example to have its flushes fail.
    wrapper: Vec<String>,
    arming: Option<Arming>,
    ends: Vec<ExitStatus>,
    process: Option<Process>,
}

impl Agent {
    /// An agent that was not started yet, with a folder of its own in `home`.
    pub fn new(home: &Path, name: &str, address: &str, engine: Engine) -> Result<Self> {
        let mut folder = home.join(name);
        while folder.exists() {
            folder.as_mut_os_string().push("-again");
        }
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        let answers = match &engine {
            Engine::Answers(answers) => answers.as_path(),
            Engine::Builtin(_) => Path::new(""),
        };
        Ok(Self {
            name: name.to_owned(),
            address: address.to_owned(),
            desk: Desk::new(&folder, answers),
            engine,
            folder,
            publish_dir: None,
            engine_timeout: None,
            engine_attempts: None,
            log_filter: "info",
            wrapper: Vec::new(),
            arming: None,
            ends: Vec::new(),
            process: None,
        })
    }

    /// Has it publish what it stores, from its next start on, in a folder that
    /// is made for that.
    pub fn publish(&mut self) -> Result<PathBuf> {
        let folder = self.folder.join("published");
        fs::create_dir(&folder).context("make the folder to publish in")?;
        self.publish_dir = Some(folder.clone());
        Ok(folder)
    }

    /// Limits the time that a worker may take for one recording, from its next
    /// start on.
    pub fn limit_engine(&mut self, timeout: Duration) {
        self.engine_timeout = Some(timeout);
    }

    /// Limits how often an engine that fails is tried with one recording, from
    /// its next start on.
    pub fn limit_attempts(&mut self, attempts: u32) {
        self.engine_attempts = Some(attempts);
    }

    /// Has it log what this filter lets through, from its next start on.
    pub fn log_at(&mut self, filter: &'static str) {
        self.log_filter = filter;
    }

    /// Has it started by another program, which gets it as its arguments, from
    /// its next start on.
    pub fn wrap(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
    }

    /// Has it do something at failpoints, from its next start on.
    pub fn arm(&mut self, orders: &[String]) -> Result<()> {
        let log = self.folder.join("failpoints");
        self.arming = Some(Arming::new("cofi-agent", orders, &log)?);
        Ok(())
    }

    /// What it is told to do at failpoints.
    #[must_use]
    pub fn arming(&self) -> Option<&Arming> {
        self.arming.as_ref()
    }

    /// Makes its machine an agent, as its administrator would, unless it is one.
    pub async fn join(&self, controller: &Controller) -> Result<()> {
        if self.identity().join("identity.pem").exists() {
            return Ok(());
        }
        self.join_again(controller).await
    }

    /// The same, although it is an agent, whether it runs or not.
    pub async fn join_again(&self, controller: &Controller) -> Result<()> {
        let token = controller.client()?.new_join_token(&self.name).await?;
        let file = self.join_token();
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        opened.and_then(|mut file| file.write_all(token.as_bytes())).context("write the token")?;
        let mut command = programs::command(&programs::path("cofi-agent")?);
        command.args([
            "join",
            "--again",
            "--name",
            &self.name,
            "--controller",
            &controller.address().to_string(),
        ]);
        command.arg("--token-file").arg(&file).arg("--data-dir").arg(self.data_dir());
        let output = command.output().await.context("run cofi-agent join")?;
        ensure!(output.status.success(), "cofi-agent join: {output:?}");
        Ok(())
    }

    /// Makes it the same agent as another one by copying who that is.
    pub fn impersonate(&self, other: &Self) -> Result<()> {
        let folder = self.identity();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).context("make a folder")?;
        for file in ["identity.pem", "ca.pem"] {
            fs::copy(other.identity().join(file), folder.join(file)).context("copy an identity")?;
        }
        Ok(())
    }

    /// Starts it; before its first start it joins.
    pub async fn start(&mut self, controller: &Controller) -> Result<()> {
        ensure!(self.process.is_none(), "agent {} runs already", self.name);
        self.join(controller).await?;
        let program = match &self.arming {
            Some(arming) => arming.program().to_owned(),
            None => programs::path("cofi-agent")?,
        };
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = programs::command(Path::new(wrapper));
                command.args(arguments).arg(program);
                command
            }
            None => programs::command(&program),
        };
        command
            .args(["--name", &self.name, "--controller", &controller.agent_address().to_string()])
            .args(["--advertise-address", &self.address, "--workers", "1", "--log-format", "json"])
            .args(["--log", self.log_filter])
            .arg("--data-dir")
            .arg(self.data_dir());
        if let Some(arming) = &self.arming {
            arming.tell(&mut command);
        }
        if let Some(folder) = &self.publish_dir {
            command.arg("--publish-dir").arg(folder);
        }
        if let Some(timeout) = self.engine_timeout {
            command.args(["--engine-timeout-seconds", &timeout.as_secs().to_string()]);
        }
        if let Some(attempts) = self.engine_attempts {
            command.args(["--engine-attempts", &attempts.to_string()]);
        }
        match &self.engine {
            Engine::Answers(_) => {
                let words = self.desk.command()?;
                let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                command.args(["--engine", "command", "--engine-command", &quoted.join(" ")]);
            }
            Engine::Builtin(model) => {
                command.args(["--engine", "builtin", "--model"]).arg(model);
            }
        }
        self.process = Some(Process::start(&format!("agent {}", self.name), command, &self.log())?);
        Ok(())
    }

    /// What the kernel calls it, if it runs.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        self.process.as_ref().map(Process::id)
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.take().with_context(|| format!("agent {} does not run", self.name))?.kill().await
    }

    /// SIGSTOP: it stands still until it is let go on.
    pub fn pause(&self) -> Result<()> {
        self.process.as_ref().context("the agent does not run")?.pause()
    }

    /// SIGCONT.
    pub fn go_on(&self) -> Result<()> {
        self.process.as_ref().context("the agent does not run")?.go_on()
    }

    /// Ends it in order, if it runs.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let status = process.terminate(SOON).await?;
        ensure!(status.success(), "agent {} ended with {status}", self.name);
        Ok(())
    }

    /// SIGTERM, and waits for its end, which is kept.
    pub async fn terminate(&mut self) -> Result<()> {
        let process = self.process.take().with_context(|| format!("agent {} does not run", self.name))?;
        self.ends.push(process.terminate(SOON).await?);
        Ok(())
    }

    /// Starts it again if it has ended, as one that is armed may: how it ended
    /// is kept.
    pub async fn revive(&mut self, controller: &Controller) -> Result<()> {
        if let Some(status) = self.ended()? {
            self.ends.push(status);
            self.process = None;
            self.start(controller).await?;
        }
        Ok(())
    }

    /// How it ended, each time that it did so by itself or was asked to.
    #[must_use]
    pub fn ends(&self) -> &[ExitStatus] {
        &self.ends
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().map(Process::ended).transpose().map(Option::flatten)
    }

    /// Reads its journal.
    pub async fn journal(&self) -> Result<Journal> {
        Journal::open(&self.data_dir().join("journal.sqlite")).await
    }

    /// Its folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The token with which it joined last.
    #[must_use]
    pub fn join_token(&self) -> PathBuf {
        self.folder.join("join.token")
    }

    /// Where its key and certificate are.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.data_dir().join("identity")
    }

    /// Where the recordings of a batch lie.
    #[must_use]
    pub fn recordings(&self, batch: i64) -> PathBuf {
        self.data_dir().join("recordings").join(batch.to_string())
    }

    /// What it printed.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// As [`Agent::log`], read.
    pub fn log_text(&self) -> Result<String> {
        logs::read(&self.log())
    }
}
