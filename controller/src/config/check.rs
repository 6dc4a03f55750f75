//! What the keys may hold.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use cofi_identity::{AGENT_LIFETIME, ServerNames};
use cofi_language::LanguageTable;

use super::{Config, ConfigError, Keys};
use crate::{ledger::DatabaseUrl, telemetry};

impl TryFrom<Keys> for Config {
    type Error = ConfigError;

    fn try_from(keys: Keys) -> Result<Self, ConfigError> {
        let state_dir = keys.state_dir.unwrap_or_else(|| PathBuf::from("cofi-controller-data"));
        let database_url = keys
            .database_url
            .unwrap_or_else(|| format!("sqlite:{}", state_dir.join("cofi.sqlite").display()));
        let database =
            database(database_url, keys.database_password_file.as_deref(), keys.database_password)?;
        let roots = keys.allowed_roots.unwrap_or_else(|| vec![PathBuf::from("/")]);
        let aliases = keys.language_aliases.unwrap_or_default();
        let languages = LanguageTable::new(aliases.clone()).map_err(|error| ConfigError::Invalid {
            key: "language_aliases",
            value: error.to_string(),
            expected: "a table of SAID = \"CODE\"".to_owned(),
        })?;
        Ok(Self {
            state_dir,
            database,
            database_password_file: keys.database_password_file,
            server_names: server_names(keys.server_names.unwrap_or_default())?,
            control_listen: address("control_listen", keys.control_listen, "127.0.0.1:7400")?,
            agent_listen: address("agent_listen", keys.agent_listen, "127.0.0.1:7401")?,
            max_connections: max_connections(keys.max_connections)?,
            connections_per_agent: connections_per_agent(keys.connections_per_agent)?,
            agent_certificate: agent_certificate(keys.agent_certificate_seconds)?,
            allowed_roots: roots.iter().map(|path| root(path)).collect::<Result<_, _>>()?,
            replace_after: replace_after(keys.replace_after_seconds)?,
            release_after_seconds: release_after(keys.release_after_seconds)?,
            languages,
            language_aliases: aliases,
            log: log(keys.log.unwrap_or_else(|| "info".to_owned()))?,
            log_format: keys.log_format.unwrap_or_default(),
        })
    }
}

/// A database's URL has no password in it: it would stand in process lists and
/// logs.
fn database(url: String, file: Option<&Path>, password: Option<String>) -> Result<DatabaseUrl, ConfigError> {
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
            let read = std::fs::read_to_string(file).map_err(|error| ConfigError::Invalid {
                key: "database_password_file",
                value: file.display().to_string(),
                expected: format!("a file that can be read ({error})"),
            })?;
            Some(read.trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    Ok(DatabaseUrl { url, password })
}

fn log(filter: String) -> Result<String, ConfigError> {
    telemetry::filter(&filter)?;
    Ok(filter)
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

fn address(key: &'static str, value: Option<String>, usual: &str) -> Result<SocketAddr, ConfigError> {
    let value = value.unwrap_or_else(|| usual.to_owned());
    value.parse().map_err(|_| ConfigError::Invalid {
        key,
        value,
        expected: format!("an IP address with a port, such as {usual}"),
    })
}

fn server_names(names: Vec<String>) -> Result<Vec<String>, ConfigError> {
    match ServerNames::new(names.iter().map(String::as_str)) {
        Ok(_) => Ok(names),
        Err(error) => Err(ConfigError::Invalid {
            key: "server_names",
            value: error.name,
            expected: "DNS names without wildcards, and IP addresses".to_owned(),
        }),
    }
}

fn max_connections(count: Option<u32>) -> Result<Option<u32>, ConfigError> {
    count.map(|count| within("max_connections", count, 16..=65_536, "16 to 65536")).transpose()
}

/// Three are what an agent has by default, and twice that while it comes back.
fn connections_per_agent(count: Option<u32>) -> Result<u32, ConfigError> {
    within("connections_per_agent", count.unwrap_or(8), 2..=256, "2 to 256")
}

/// From seconds, for tests, to a year.
fn agent_certificate(seconds: Option<u64>) -> Result<Duration, ConfigError> {
    let seconds = seconds.unwrap_or(AGENT_LIFETIME.as_secs());
    within("agent_certificate_seconds", seconds, 5..=31_536_000, "5 to 31536000").map(Duration::from_secs)
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
    expected: &str,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::Invalid { key, value: value.to_string(), expected: expected.to_owned() })
}

/// Sources must be UTF-8, so that a folder that is not has none below it.
fn root(path: &Path) -> Result<PathBuf, ConfigError> {
    let wrong =
        |expected| ConfigError::Invalid { key: "allowed_roots", value: path.display().to_string(), expected };
    let root = path.canonicalize().map_err(|error| wrong(format!("folders that exist ({error})")))?;
    if root.to_str().is_none() {
        return Err(wrong(format!("folders whose paths are UTF-8, which {} is not", root.display())));
    }
    Ok(root)
}
