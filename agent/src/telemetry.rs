//! Where events go: standard error, as text or JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// Begins to log. Events go to standard error, since a worker's standard
/// output belongs to its protocol.
///
/// # Errors
/// The filter is none, or events are logged already.
pub fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let logging = fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let outcome = match format {
        LogFormat::Text => logging.try_init(),
        LogFormat::Json => logging.json().try_init(),
    };
    outcome.map_err(|error| anyhow::anyhow!(error))
}
