//! What may be given, by file, environment or flag.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Parser;
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Deserializer, Serialize};

use super::ConfigError;

/// Places batches of call recordings on GPU machines and keeps the record of
/// every step.
#[derive(Debug, Parser)]
#[command(name = "cofi-controller", version, about)]
#[command(
    after_help = "Every key of the file can be given as COFI_ + upper case in the environment and as a flag; \
                        flags win over the environment, the environment over the file.\n\
                        Only in the file: [language_aliases], lines of SAID = \"CODE\" for codes of engines.\n\
                        Exit codes: 0 stopped on request, 64 wrong configuration, 70 failed."
)]
pub struct Arguments {
    /// TOML file with any of the keys below.
    #[arg(long, global = true, env = "COFI_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the effective configuration and exit.
    #[arg(long)]
    pub check_config: bool,
    /// Something else than serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The keys.
    #[command(flatten)]
    pub keys: Keys,
}

/// What the controller's program does beside serving.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Prepare a MySQL or MariaDB database: add Cofi's tables, the view and two indexes, change nothing that is there.
    Migrate {
        /// Print what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
        /// Leave the indexes on the shared tables out.
        #[arg(long)]
        no_add_indexes: bool,
    },
    /// Change the certificate authority, in three steps, while the controller serves and agents work.
    #[command(subcommand)]
    Authority(AuthorityStep),
}

/// A step of a change of authority. Between two of them lies the time in which
/// every agent has heard of the first: a day is plenty for steps 1 and 2, the
/// lifetime of agents' certificates for steps 2 and 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Subcommand)]
pub enum AuthorityStep {
    /// 1. Make a successor, which agents trust from then on beside the present one.
    Announce,
    /// 2. Have the successor issue certificates; both are trusted.
    Install,
    /// 3. Trust nobody but the present authority.
    Forget,
}

/// The keys that may be given, each of them by file, environment or flag.
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Folder for the embedded database and other state [default: ./cofi-controller-data].
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// The database.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "Database: sqlite:PATH or mysql://USER@HOST:PORT/DATABASE [default: sqlite:STATE_DIR/cofi.sqlite]"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
    /// File with the password for the database [default: none, or `COFI_DATABASE_PASSWORD` in the environment].
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_password_file: Option<PathBuf>,
    /// The password itself: only from the environment, where no other process reads it.
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub database_password: Option<String>,
    /// Names and addresses under which it is dialled, beside loopback.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help = "Names and addresses under which this machine is dialled: they stand in its certificate \
                [default: localhost, 127.0.0.1, ::1, which always do]"
    )]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "names")]
    #[serde(default)]
    pub server_names: Option<Vec<String>>,
    /// Where operators are answered [default: 127.0.0.1:7400].
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_listen: Option<String>,
    /// Where agents are answered [default: 127.0.0.1:7401].
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_listen: Option<String>,
    /// Connections at a time, of agents and operators together [default: half of the limit on open files, at most 8192].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// Connections of one agent at a time [default: 8].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_agent: Option<u32>,
    /// Seconds for which an agent's certificate is good; it is renewed after a third [default: 2592000].
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_certificate_seconds: Option<u64>,
    /// Folders that sources of batches must lie below [default: /].
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "paths")]
    #[serde(default)]
    pub allowed_roots: Option<Vec<PathBuf>>,
    /// Seconds that an agent may be away before what it holds is placed again [default: 900].
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace_after_seconds: Option<u64>,
    /// Seconds that agents keep recordings after later stages are done with them [default: for ever].
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_after_seconds: Option<u64>,
    /// Codes that engines say and the table does not know; in the file only.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_aliases: Option<BTreeMap<String, String>>,
    /// What is logged, for example `info` or `cofi_controller=debug` [default: info].
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// How it is logged: text or json [default: text].
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
}

/// A list of paths, or one text with commas between them, as the environment
/// has it.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Paths {
        List(Vec<PathBuf>),
        Text(String),
    }
    Ok(Option::<Paths>::deserialize(deserializer)?.map(|paths| match paths {
        Paths::List(paths) => paths,
        Paths::Text(text) => text.split(',').map(PathBuf::from).collect(),
    }))
}

/// A list of names, or one text with commas between them, as the environment
/// has it.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = paths(deserializer)?;
    Ok(names.map(|names| names.iter().map(|name| name.to_string_lossy().trim().to_owned()).collect()))
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The keys that the environment may hold; other programs have `COFI_`
/// variables of their own.
const ENVIRONMENT: [&str; 15] = [
    "state_dir",
    "database_url",
    "database_password_file",
    "database_password",
    "server_names",
    "control_listen",
    "agent_listen",
    "max_connections",
    "connections_per_agent",
    "agent_certificate_seconds",
    "allowed_roots",
    "replace_after_seconds",
    "release_after_seconds",
    "log",
    "log_format",
];

impl Arguments {
    /// File, environment and flags as one.
    pub fn effective(&self) -> Result<Keys, ConfigError> {
        let mut figment = Figment::new();
        if let Some(file) = &self.config {
            figment = figment.merge(Toml::file_exact(file));
        }
        figment
            .merge(Env::prefixed("COFI_").only(&ENVIRONMENT))
            .merge(Serialized::defaults(&self.keys))
            .extract()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))
    }
}
