//! Configuration: a TOML file, then `COFI_` environment variables, then flags.
//! Checked once; nothing reads the environment later.

mod check;
mod keys;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use cofi_language::LanguageTable;

pub use self::keys::{Arguments, AuthorityStep, Command, Keys, LogFormat};
use crate::ledger::DatabaseUrl;

/// A configuration that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Folder for state.
    pub state_dir: PathBuf,
    /// Where the database is, and how to get in.
    pub database: DatabaseUrl,
    /// The file that its password was read from.
    pub database_password_file: Option<PathBuf>,
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
    /// What was added to them: what engines say, and the code for it.
    pub language_aliases: BTreeMap<String, String>,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

impl Config {
    /// The configuration as a file would have it, without secrets.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        Ok(toml::to_string(&self.to_keys())?)
    }

    fn to_keys(&self) -> Keys {
        Keys {
            state_dir: Some(self.state_dir.clone()),
            database_url: Some(self.database.url.clone()),
            database_password_file: self.database_password_file.clone(),
            database_password: None,
            server_names: Some(self.server_names.clone()),
            control_listen: Some(self.control_listen.to_string()),
            agent_listen: Some(self.agent_listen.to_string()),
            max_connections: self.max_connections,
            connections_per_agent: Some(self.connections_per_agent),
            agent_certificate_seconds: Some(self.agent_certificate.as_secs()),
            allowed_roots: Some(self.allowed_roots.clone()),
            replace_after_seconds: Some(self.replace_after.as_secs()),
            release_after_seconds: self.release_after_seconds.map(u64::from),
            language_aliases: (!self.language_aliases.is_empty()).then(|| self.language_aliases.clone()),
            log: Some(self.log.clone()),
            log_format: Some(self.log_format),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or the environment cannot be understood.
    #[error("{0}")]
    Unreadable(Box<figment::Error>),
    /// The configuration cannot be shown as a file.
    #[error("print the configuration: {0}")]
    Unprintable(#[from] toml::ser::Error),
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
