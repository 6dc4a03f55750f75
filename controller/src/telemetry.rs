//! Where log lines go: to standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogFormat};

/// What the driver's pool says of connections that did not come about is left
/// out unless it is asked for: whoever wanted one is told, and logs it.
const LEFT_OUT: &str = "sqlx_core::pool=off";

/// What is logged, from how it is configured.
pub(crate) fn filter(filter: &str) -> Result<EnvFilter, ConfigError> {
    EnvFilter::try_new(format!("{LEFT_OUT},{filter}")).map_err(|error| ConfigError::Invalid {
        key: "log",
        value: filter.to_owned(),
        expected: format!("a filter such as \"info\" or \"cofi_controller=debug\" ({error})"),
    })
}

/// Sets the process's log up. Fails if the filter cannot be understood.
pub fn init(text: &str, format: LogFormat) -> Result<(), ConfigError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(text)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second set-up in one process, as tests do it, keeps the first.
    match format {
        LogFormat::Text => builder.try_init().ok(),
        LogFormat::Json => builder.json().try_init().ok(),
    };
    Ok(())
}
