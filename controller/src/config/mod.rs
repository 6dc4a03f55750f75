//! Configuration: a TOML file, then `COFI_` environment variables, then flags.
//! Checked once; nothing reads the environment later.

mod check;
mod keys;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use cofi_language::LanguageTable;

pub use self::keys::{Arguments, AuthorityStep, Command, Keys, LogFormat};
use crate::ledger::DatabaseUrl;

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder for state.
    pub state_dir: PathBuf,
    /// Where the database is, and how to get in.
    pub database: DatabaseUrl,
    /// Names and addresses that stand in the certificate, beside loopback.
    pub server_names: Vec<String>,
    /// Where operators are answered.
    pub control_listen: SocketAddr,
    /// Where agents are answered.
    pub agent_listen: SocketAddr,
    /// Connections at a time; none: what the limit on open files allows.
    pub max_connections: Option<u32>,
    /// Connections of one agent at a time.
    pub connections_per_agent: u32,
    /// For how long an agent's certificate is good.
    pub agent_certificate: Duration,
    /// Folders that sources must lie below, without links.
    pub allowed_roots: Vec<PathBuf>,
    /// How long an agent may be away before what it holds is placed again.
    pub replace_after: Duration,
    /// How long agents keep recordings after later stages are done with them;
    /// none: for ever.
    pub release_after_seconds: Option<u32>,
    /// The codes that are known.
    pub languages: LanguageTable,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

impl Config {
    /// The configuration as a file would have it, without secrets.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let text = |text: &str| format!("{text:?}");
        let roots: Vec<String> =
            self.allowed_roots.iter().map(|root| text(&root.display().to_string())).collect();
        let names: Vec<String> = self.server_names.iter().map(|name| text(name)).collect();
        let format = match self.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        format!(
            "state_dir = {}\ndatabase_url = {}\nserver_names = [{}]\ncontrol_listen = \"{}\"\nagent_listen = \"{}\"\n\
             {}connections_per_agent = {}\nagent_certificate_seconds = {}\nallowed_roots = [{}]\nreplace_after_seconds = {}\n{}log = {}\nlog_format = \"{format}\"\n",
            text(&self.state_dir.display().to_string()),
            text(&self.database.url),
            names.join(", "),
            self.control_listen,
            self.agent_listen,
            self.max_connections.map(|count| format!("max_connections = {count}\n")).unwrap_or_default(),
            self.connections_per_agent,
            self.agent_certificate.as_secs(),
            roots.join(", "),
            self.replace_after.as_secs(),
            self.release_after_seconds
                .map(|seconds| format!("release_after_seconds = {seconds}\n"))
                .unwrap_or_default(),
            text(&self.log),
        )
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or the environment cannot be understood.
    #[error("{0}")]
    Unreadable(Box<figment::Error>),
    /// A key holds what it may not hold.
    #[error("{key} = {value:?}: expected {expected}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: String,
    },
}
