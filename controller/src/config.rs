//! Configuration: a TOML file, then `COFI_` environment variables, then flags.
//! Checked once; nothing reads the environment later.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use cofi_language::LanguageTable;
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ledger::DatabaseUrl;

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
}

/// The keys that may be given, each of them by file, environment or flag.
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Folder for the embedded database and other state [default: ./cofi-controller-data].
    #[arg(long, value_name = "DIR")]
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
    /// Where operators are answered [default: 127.0.0.1:7400].
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_listen: Option<String>,
    /// Where agents are answered [default: 127.0.0.1:7401].
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_listen: Option<String>,
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

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder for state.
    pub state_dir: PathBuf,
    /// Where the database is, and how to get in.
    pub database: DatabaseUrl,
    /// Where operators are answered; on loopback.
    pub control_listen: SocketAddr,
    /// Where agents are answered; on loopback.
    pub agent_listen: SocketAddr,
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
        let format = match self.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        format!(
            "state_dir = {}\ndatabase_url = {}\ncontrol_listen = \"{}\"\nagent_listen = \"{}\"\n\
             allowed_roots = [{}]\nreplace_after_seconds = {}\n{}log = {}\nlog_format = \"{format}\"\n",
            text(&self.state_dir.display().to_string()),
            text(&self.database.url),
            self.control_listen,
            self.agent_listen,
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

/// The keys that the environment may hold; other programs have `COFI_`
/// variables of their own.
const ENVIRONMENT: [&str; 11] = [
    "state_dir",
    "database_url",
    "database_password_file",
    "database_password",
    "control_listen",
    "agent_listen",
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

impl TryFrom<Keys> for Config {
    type Error = ConfigError;

    fn try_from(keys: Keys) -> Result<Self, ConfigError> {
        let state_dir = keys.state_dir.unwrap_or_else(|| PathBuf::from("cofi-controller-data"));
        let database_url = keys
            .database_url
            .unwrap_or_else(|| format!("sqlite:{}", state_dir.join("cofi.sqlite").display()));
        let database = database(database_url, keys.database_password_file, keys.database_password)?;
        let roots = keys.allowed_roots.unwrap_or_else(|| vec![PathBuf::from("/")]);
        let aliases = keys.language_aliases.unwrap_or_default();
        let languages = LanguageTable::new(aliases).map_err(|error| ConfigError::Invalid {
            key: "language_aliases",
            value: error.to_string(),
            expected: "a table of SAID = \"CODE\"".to_owned(),
        })?;
        Ok(Self {
            state_dir,
            database,
            control_listen: loopback("control_listen", keys.control_listen, "127.0.0.1:7400")?,
            agent_listen: loopback("agent_listen", keys.agent_listen, "127.0.0.1:7401")?,
            allowed_roots: roots.iter().map(|path| root(path)).collect::<Result<_, _>>()?,
            replace_after: replace_after(keys.replace_after_seconds)?,
            release_after_seconds: release_after(keys.release_after_seconds)?,
            languages,
            log: keys.log.unwrap_or_else(|| "info".to_owned()),
            log_format: keys.log_format.unwrap_or_default(),
        })
    }
}

/// A database's URL has no password in it: it would stand in process lists and
/// logs.
fn database(
    url: String,
    file: Option<PathBuf>,
    password: Option<String>,
) -> Result<DatabaseUrl, ConfigError> {
    let schemes = ["sqlite:", "mysql://", "mariadb://"];
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(rest));
    let has_password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    if has_password || !schemes.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(ConfigError::Invalid {
            key: "database_url",
            value: if has_password { "(a URL with a password)".to_owned() } else { url },
            expected: "sqlite:PATH or mysql://USER@HOST:PORT/DATABASE; the password goes into the file that \
                       database_password_file names, or into COFI_DATABASE_PASSWORD"
                .to_owned(),
        });
    }
    let password = match file {
        None => password,
        Some(file) => {
            let read = std::fs::read_to_string(&file).map_err(|error| ConfigError::Invalid {
                key: "database_password_file",
                value: file.display().to_string(),
                expected: format!("a file that can be read ({error})"),
            })?;
            Some(read.trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    Ok(DatabaseUrl { url, password })
}

/// From a second, for tests, to a month.
fn replace_after(seconds: Option<u64>) -> Result<Duration, ConfigError> {
    let seconds = seconds.unwrap_or(900);
    if (1..=31 * 24 * 3_600).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(ConfigError::Invalid {
        key: "replace_after_seconds",
        value: seconds.to_string(),
        expected: "1 to 2678400".to_owned(),
    })
}

/// From a second, for tests, to ten years.
fn release_after(seconds: Option<u64>) -> Result<Option<u32>, ConfigError> {
    let Some(seconds) = seconds else { return Ok(None) };
    match u32::try_from(seconds) {
        Ok(seconds @ 1..=315_360_000) => Ok(Some(seconds)),
        _ => Err(ConfigError::Invalid {
            key: "release_after_seconds",
            value: seconds.to_string(),
            expected: "1 to 315360000".to_owned(),
        }),
    }
}

/// Nothing but loopback until connections are encrypted and callers known.
fn loopback(key: &'static str, value: Option<String>, usual: &str) -> Result<SocketAddr, ConfigError> {
    let value = value.unwrap_or_else(|| usual.to_owned());
    match value.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        _ => Err(ConfigError::Invalid {
            key,
            value,
            expected: format!(
                "a loopback address with a port, such as {usual}: connections are not encrypted yet"
            ),
        }),
    }
}

fn root(path: &Path) -> Result<PathBuf, ConfigError> {
    path.canonicalize().map_err(|error| ConfigError::Invalid {
        key: "allowed_roots",
        value: path.display().to_string(),
        expected: format!("folders that exist ({error})"),
    })
}
