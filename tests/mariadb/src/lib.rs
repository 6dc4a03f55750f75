//! A real MariaDB for tests: a private server on loopback with its own folder,
//! port and socket, which does not outlive the process that started it.
//!
//! ```text
//!   test process --- pipe ---> watcher (sh)
//!        |                        | once the pipe is closed, however the test ended:
//!        +------> mariadbd <------+ kills the server, removes the folder
//! ```
//!
//! The programs of Debian's package `mariadb-server` are used. Where they are
//! missing a test fails: nothing stands in for the server, nothing is skipped.

mod programs;
mod watcher;

use std::{
    fs,
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::mysql::MySqlConnectOptions;
use watcher::Watcher;

/// The user that tests connect as, with every right on every database.
pub const USER: &str = "tester";
/// That user's password.
pub const PASSWORD: &str = "let me in, please";

/// How long a server may take to take connections, also after a crash.
const UP_WITHIN: Duration = Duration::from_mins(1);
/// How long one that was told to end may take.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Ports tried, if another process takes the free one first.
const ATTEMPTS: u32 = 5;

/// The server of this test process, for tests that do not stop it; started by
/// the first one that asks.
///
/// # Panics
/// If it does not start: the tests cannot go on without it.
#[must_use]
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(&[]).unwrap_or_else(|error| panic!("no MariaDB: {error:#}")))
}

/// A server that runs, or was stopped for a while.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
    running: Option<Child>,
    /// After `running`: its end is what removes the folder.
    _watcher: Watcher,
}

impl Server {
    /// Starts a server with an empty data folder and these arguments beside the
    /// necessary ones.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("cofi-mariadb-").tempdir().context("make a folder")?;
        Self::start_in(folder.keep(), arguments)
    }

    /// The same, in a folder of the caller's, which is removed at the end.
    pub fn start_in(folder: PathBuf, arguments: &[&str]) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let watcher = Watcher::of(&folder)?;
        install(&folder)?;
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { folder, port: 0, arguments, running: None, _watcher: watcher };
        for _ in 0..ATTEMPTS {
            server.port = free_port()?;
            if server.start_again().is_ok() {
                return Ok(server);
            }
            server.running = None;
        }
        bail!("the server did not start:\n{}", server.log());
    }

    /// Starts it again after [`Self::kill`] or [`Self::stop`], on the same port
    /// and the same data.
    pub fn start_again(&mut self) -> Result<()> {
        anyhow::ensure!(self.running.is_none(), "the server runs");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"));
        let log = log.context("open the server's log")?;
        let mut command = Command::new(programs::server()?);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.folder.join("data").display()))
            // At its start a server removes what it takes for its own
            // leftovers: in a shared folder, the tables of another one.
            .arg(format!("--tmpdir={}", self.folder.join("tmp").display()))
            .arg(format!("--socket={}", self.folder.join("socket").display()))
            .arg(format!("--pid-file={}", self.folder.join("pid").display()))
            .arg(format!("--init-file={}", self.folder.join("users.sql").display()))
            .arg(format!("--port={}", self.port))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--skip-log-bin",
                "--max-connections=500",
            ])
            .args(programs::as_root())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log")?)
            .stderr(log);
        self.running = Some(command.spawn().context("start mariadbd")?);
        self.wait_until_up()
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let deadline = Instant::now() + UP_WITHIN;
        while !greets(self.address()) {
            let child = self.running.as_mut().context("no server")?;
            if let Some(status) = child.try_wait().context("look after the server")? {
                self.running = None;
                bail!("the server ended ({status}):\n{}", self.log());
            }
            anyhow::ensure!(Instant::now() < deadline, "the server takes no connections:\n{}", self.log());
            sleep(LOOK);
        }
        Ok(())
    }

    /// Whether it has ended by itself; then it can be started again.
    pub fn has_ended(&mut self) -> Result<bool> {
        let child = self.running.as_mut().context("the server does not run")?;
        let ended = child.try_wait().context("look after the server")?.is_some();
        if ended {
            self.running = None;
        }
        Ok(ended)
    }

    /// SIGKILL, as a crash has it; the data stays.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    /// An orderly end; the data stays.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        let mut child = self.running.take().context("the server does not run")?;
        let deadline = Instant::now() + GONE_WITHIN;
        while child.try_wait().context("wait for the server")?.is_none() {
            anyhow::ensure!(Instant::now() < deadline, "the server did not end");
            sleep(LOOK);
        }
        Ok(())
    }

    /// Sends a signal: SIGSTOP makes a server that takes connections and does
    /// not answer.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.running.as_ref().context("the server does not run")?;
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process without an id")?;
        kill_process(id, signal).context("signal the server")
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its folder: `data`, `log`, `socket`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What to connect to for a database, without the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("mysql://{USER}@{}/{database}", self.address())
    }

    /// How tests connect to it as [`USER`], to no database in particular.
    #[must_use]
    pub fn options(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .host(&self.address().ip().to_string())
            .port(self.port)
            .username(USER)
            .password(PASSWORD)
            .charset("utf8mb4")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Makes the data folder, and the file that gives the tests' user its rights.
fn install(folder: &Path) -> Result<()> {
    let data = folder.join("data");
    fs::create_dir(folder.join("tmp")).context("make the folder for temporary tables")?;
    let made = Command::new(programs::install()?)
        .arg("--no-defaults")
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .arg(format!("--datadir={}", data.display()))
        .args(programs::as_root())
        .env("TMPDIR", folder.join("tmp"))
        .stdin(Stdio::null())
        .output()
        .context("start mariadb-install-db")?;
    if !made.status.success() {
        bail!("mariadb-install-db failed: {}", String::from_utf8_lossy(&made.stderr));
    }
    let users = format!(
        "CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
    );
    fs::write(folder.join("users.sql"), users).context("write the users")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("look for a free port")?;
    Ok(listener.local_addr().context("look for a free port")?.port())
}

/// Whether a server speaks first, as MySQL's protocol has it.
fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let ready = stream.set_read_timeout(Some(Duration::from_secs(1)));
    // Length (3 bytes), sequence number, then the protocol's version.
    let mut head = [0; 5];
    ready.is_ok() && stream.read_exact(&mut head).is_ok() && head[4] == 10
}
