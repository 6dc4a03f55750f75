//! What can be asked of the program.

use std::{env, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use cofi_agent::{
    Config,
    config::{self, ConfigError, Keys},
};

/// Stores recordings on this host, has their languages identified, and tells
/// the controller.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Configuration file (TOML); each key is also a flag and an environment variable
    #[arg(long, value_name = "FILE", env = "COFI_CONFIG")]
    config: Option<PathBuf>,
    /// Print the effective configuration and exit
    #[arg(long)]
    pub(crate) check_config: bool,
    #[command(flatten)]
    keys: Keys,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Identify languages: one worker of the built-in engine, started by the agent
    LidWorker(cofi_lid::worker::WorkerArgs),
}

impl Args {
    /// The checked configuration of all layers.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        // What is not UTF-8 is no value of ours.
        let environment = env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        config::load(self.config.as_deref(), environment, &self.keys)?.try_into()
    }
}

/// Prints a configuration so that it can be used as a file.
pub(crate) fn print(config: &Config) -> anyhow::Result<ExitCode> {
    let text = toml::to_string(&config.to_keys())?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
