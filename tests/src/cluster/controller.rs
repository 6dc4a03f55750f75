//! The controller as a process.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitStatus,
};

use anyhow::{Context as _, Result, bail, ensure};
use rand::Rng as _;
use tokio::process::Command;

use super::SOON;
use crate::{
    client::Client,
    database::{Database, Right, WriteLock},
    failpoints::Arming,
    logs,
    process::Process,
    programs,
    wait::until,
};

/// Below the ports that the kernel gives to outgoing connections, one of which
/// could otherwise have the port when a controller is started again.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Times that other ports are tried when somebody was quicker.
const TRIES: usize = 5;

/// What the environment calls the password for the database.
const PASSWORD: &str = "COFI_DATABASE_PASSWORD";

/// A controller, running or not.
#[derive(Debug)]
pub struct Controller {
    folder: PathBuf,
    database: Database,
    /// Where a server is reached, if not at its own address.
    via: Option<SocketAddr>,
    time_zone: Option<&'static str>,
    started: bool,
    control: u16,
    agents: u16,
    /// Put before the program, for example to take rights away.
    wrapper: Vec<String>,
    allowed_roots: Vec<PathBuf>,
    replace_after: Option<u64>,
    release_after: Option<u64>,
    certificates_last: Option<u64>,
    log_filter: &'static str,
    arming: Option<Arming>,
    ends: Vec<ExitStatus>,
    process: Option<Process>,
}

impl Controller {
    /// A controller that was not started yet.
    pub fn new(folder: &Path, database: Database) -> Result<Self> {
        let (control, agents) = two_ports()?;
        Ok(Self {
            folder: folder.to_owned(),
            database,
            via: None,
            time_zone: None,
            started: false,
            control,
            agents,
            wrapper: Vec::new(),
            allowed_roots: Vec::new(),
            replace_after: None,
            release_after: None,
            certificates_last: None,
            log_filter: "info",
            arming: None,
            ends: Vec::new(),
            process: None,
        })
    }

    /// Has it started by another program, which gets it as its arguments.
    pub fn wrap(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
    }

    /// Has it reach its server at another address, from its next start on.
    pub fn reach_database_at(&mut self, address: SocketAddr) {
        self.via = Some(address);
    }

    /// Has it live in another time zone, from its next start on.
    pub fn live_in(&mut self, time_zone: &'static str) {
        self.time_zone = Some(time_zone);
    }

    /// Restricts the sources of batches, from its next start on.
    pub fn allow_roots(&mut self, roots: &[&Path]) {
        self.allowed_roots = roots.iter().map(|&root| root.to_owned()).collect();
    }

    /// Has it give agents up that are away for so many seconds, from its next
    /// start on.
    pub fn replace_after(&mut self, seconds: u64) {
        self.replace_after = Some(seconds);
    }

    /// Has it issue certificates for so many seconds, from its next start on.
    pub fn certificates_last(&mut self, seconds: u64) {
        self.certificates_last = Some(seconds);
    }

    /// Has it log what this filter lets through, from its next start on.
    pub fn log_at(&mut self, filter: &'static str) {
        self.log_filter = filter;
    }

    /// Has it do something at failpoints, from its next start on.
    pub fn arm(&mut self, orders: &[String]) -> Result<()> {
        let log = self.folder.join("controller.failpoints");
        self.arming = Some(Arming::new("cofi-controller", orders, &log)?);
        Ok(())
    }

    /// What it is told to do at failpoints.
    #[must_use]
    pub fn arming(&self) -> Option<&Arming> {
        self.arming.as_ref()
    }

    /// SIGTERM, and waits for its end, which is kept.
    pub async fn end(&mut self) -> Result<()> {
        let status = self.terminate().await?;
        self.ends.push(status);
        Ok(())
    }

    /// Starts it again if it has ended, as one that is armed may: how it ended
    /// is kept. It need not serve yet, nor live for long, when this returns.
    pub fn revive(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            self.ends.push(status);
            self.process = Some(Process::start("the controller", self.command()?, &self.log())?);
        }
        Ok(())
    }

    /// How it ended, each time that it did so by itself or was asked to.
    #[must_use]
    pub fn ends(&self) -> &[ExitStatus] {
        &self.ends
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().map(Process::ended).transpose().map(Option::flatten)
    }

    /// Has recordings released so many seconds after later stages are done with
    /// them, from its next start on.
    pub fn release_after(&mut self, seconds: u64) {
        self.release_after = Some(seconds);
    }

    /// Starts it and waits until it says that it serves. Before its first start
    /// a database on a server is migrated, and other ports are tried when
    /// somebody else has these. One that is armed may die of that: it is started
    /// until it does not.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the controller runs already");
        let first = !std::mem::replace(&mut self.started, true);
        if first {
            self.migrate().await?;
        }
        for _ in 0..TRIES {
            self.process = Some(Process::start("the controller", self.command()?, &self.log())?);
            if self.serves().await? {
                return Ok(());
            }
            let status = self.ended()?;
            self.process = None;
            if self.arming.is_some() && !self.ports_are_taken()? {
                self.ends.extend(status);
                continue;
            }
            ensure!(
                first && self.ports_are_taken()?,
                "the controller ended at its start, see its log: {}",
                logs::read(&self.log())?
            );
            std::fs::remove_file(self.log()).context("begin the log anew")?;
            (self.control, self.agents) = two_ports()?;
        }
        bail!("no free ports in {TRIES} tries")
    }

    fn ports_are_taken(&self) -> Result<bool> {
        Ok(logs::read(&self.log())?.contains("Address already in use"))
    }

    /// Runs `cofi-controller migrate` as its user would, with the password in a
    /// file. The embedded database needs none of that.
    async fn migrate(&self) -> Result<()> {
        let Database::Server(server) = &self.database else { return Ok(()) };
        let password = self.folder.join("migrator.password");
        std::fs::write(&password, server.password(Right::Migrator)).context("write the password")?;
        let mut command = programs::command(&programs::path("cofi-controller")?);
        command.args(["migrate", "--database-url", &server.url(Right::Migrator, None)]);
        command.arg("--database-password-file").arg(password);
        let output = command.output().await.context("run cofi-controller migrate")?;
        ensure!(output.status.success(), "cofi-controller migrate: {output:?}");
        Ok(())
    }

    /// Waits until it serves; false if it has ended instead.
    async fn serves(&mut self) -> Result<bool> {
        let mut client = None;
        until("the controller to serve", SOON, async || {
            if self.ended()?.is_some() {
                return Ok(Some(false));
            }
            // At its first start it makes what its clients need.
            client = client.take().or_else(|| self.client().ok());
            let Some(client) = &client else { return Ok(None) };
            Ok(client.serves().await.then_some(true))
        })
        .await
    }

    fn command(&self) -> Result<Command> {
        let program = match &self.arming {
            Some(arming) => arming.program().to_owned(),
            None => programs::path("cofi-controller")?,
        };
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = programs::command(Path::new(wrapper));
                command.args(arguments).arg(program);
                command
            }
            None => programs::command(&program),
        };
        let address = |port| format!("{}:{port}", Ipv4Addr::LOCALHOST);
        command
            .arg("--state-dir")
            .arg(self.state_dir())
            .args(["--control-listen", &address(self.control), "--agent-listen", &address(self.agents)])
            .args(["--log-format", "json", "--log", self.log_filter]);
        if let Some(arming) = &self.arming {
            arming.tell(&mut command);
        }
        if let Database::Server(server) = &self.database {
            command.args(["--database-url", &server.url(Right::Service, self.via)]);
            command.env(PASSWORD, server.password(Right::Service));
        }
        if let Some(time_zone) = self.time_zone {
            command.env("TZ", time_zone);
        }
        if let Some(seconds) = self.replace_after {
            command.args(["--replace-after-seconds", &seconds.to_string()]);
        }
        if let Some(seconds) = self.certificates_last {
            command.args(["--agent-certificate-seconds", &seconds.to_string()]);
        }
        if let Some(seconds) = self.release_after {
            command.args(["--release-after-seconds", &seconds.to_string()]);
        }
        for root in &self.allowed_roots {
            command.arg("--allowed-roots").arg(root);
        }
        Ok(command)
    }

    /// Takes the right to write away from it, between two of its transactions.
    pub async fn lock_out(&self) -> Result<WriteLock> {
        let process = self.process.as_ref().context("the controller does not run")?;
        let stand_still = WriteLock::needs_a_pause(&self.database);
        until("a moment between two transactions", SOON, async || {
            if !stand_still {
                return WriteLock::take(&self.database).await;
            }
            process.pause()?;
            let lock = WriteLock::take(&self.database).await;
            process.go_on()?;
            lock
        })
        .await
    }

    /// What the kernel calls it, if it runs.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        self.process.as_ref().map(Process::id)
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.take().context("the controller does not run")?.kill().await
    }

    /// SIGTERM: how it ended.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.take().context("the controller does not run")?.terminate(SOON).await
    }

    /// Ends it in order, if it runs.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let status = process.terminate(SOON).await?;
        ensure!(status.success(), "the controller ended with {status}");
        Ok(())
    }

    /// The most memory that it has used so far, in KiB.
    pub fn peak_memory_kib(&self) -> Result<u64> {
        self.process.as_ref().context("the controller does not run")?.peak_memory_kib()
    }

    /// Calls on it as its operator's program would. It was started before.
    pub fn client(&self) -> Result<Client> {
        Client::new(self.address(), &self.state_dir())
    }

    /// Where operators are answered, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// Where operators are answered.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.control).into()
    }

    /// Where agents are answered.
    #[must_use]
    pub fn agent_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.agents).into()
    }

    /// Its folder.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.folder.join("controller")
    }

    /// Where its rows are.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What it printed.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("controller.log")
    }
}

fn two_ports() -> Result<(u16, u16)> {
    for _ in 0..1_000 {
        let (one, other) = (rand::rng().random_range(PORTS), rand::rng().random_range(PORTS));
        // Held at the same time, so that they are two.
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        if let (Ok(_one), Ok(_other)) = (free(one), free(other)) {
            return Ok((one, other));
        }
    }
    bail!("no free ports on loopback in {PORTS:?}")
}
