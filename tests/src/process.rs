//! A child process whose output goes to a file, and which ends with the test.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a process that was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A process that runs, or has ended and was not noticed yet.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    id: i32,
}

impl Process {
    /// Starts a command; what it prints is appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let opened = OpenOptions::new().create(true).append(true).open(log);
        let log = opened.with_context(|| format!("open the log {}", log.display()))?;
        let errors = log.try_clone().context("share the log")?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let child = child.with_context(|| format!("start {name}"))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).context("a process without an id")?;
        Ok(Self { name: name.to_owned(), child, id })
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("look after {}", self.name))
    }

    /// What the kernel calls it.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.id
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} was to be killed and had ended by itself ({status})", self.name);
        }
        self.signal(Signal::KILL)?;
        self.wait(GONE_WITHIN).await.map(drop)
    }

    /// SIGSTOP: it stands still until it is let go on.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM, and waits for its status.
    pub async fn terminate(self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(within).await
    }

    /// Waits for its status.
    pub async fn wait(mut self, within: Duration) -> Result<ExitStatus> {
        let ended = timeout(within, self.child.wait()).await;
        let ended = ended.with_context(|| format!("{} did not end in {} s", self.name, within.as_secs()))?;
        ended.with_context(|| format!("wait for {}", self.name))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(self.id).context("a process without an id")?;
        kill_process(id, signal).with_context(|| format!("signal {}", self.name))
    }

    /// The most memory that it has used so far, in KiB (`VmHWM`).
    pub fn peak_memory_kib(&self) -> Result<u64> {
        let path = PathBuf::from(format!("/proc/{}/status", self.id));
        let status = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        line.trim().trim_end_matches(" kB").parse().with_context(|| format!("VmHWM is {line:?}"))
    }
}
