//! System calls of an agent that fail, for as long as one likes.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use crate::cluster::{Agent, SOON};

/// A tracer that has system calls fail.
#[derive(Debug)]
pub struct Fault {
    tracer: Child,
    /// It goes on saying which threads it has, and ends when nobody listens.
    _said: Lines<BufReader<ChildStderr>>,
}

impl Fault {
    /// Has these calls of a running agent, with commas between them, fail with
    /// an error such as `EIO`: everywhere, or where they are about these paths.
    pub async fn begin(agent: &Agent, calls: &str, error: &str, on: &[&Path]) -> Result<Self> {
        let id = agent.id().context("the agent does not run")?.to_string();
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error={error}"));
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
        for path in on {
            command.arg("-P").arg(path);
        }
        command.args(["-p", &id]).stderr(Stdio::piped()).kill_on_drop(true);
        let mut tracer = command.spawn().context("start strace")?;
        let mut said = BufReader::new(tracer.stderr.take().context("no stderr")?).lines();
        // It says so once it has them all.
        let attached = timeout(SOON, async {
            while let Some(line) = said.next_line().await? {
                if line.contains("attached") {
                    return Ok(());
                }
                // How it understands the paths.
                ensure!(line.contains("Requested path"), "strace says {line:?}");
            }
            anyhow::bail!("strace has ended")
        });
        attached.await.context("strace does not attach")??;
        Ok(Self { tracer, _said: said })
    }

    /// Lets the process go on without it.
    pub async fn end(mut self) -> Result<()> {
        let id = self.tracer.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(id.context("the tracer has ended")?, Signal::TERM).context("end the tracer")?;
        timeout(SOON, self.tracer.wait()).await.context("the tracer does not end")??;
        Ok(())
    }
}
