//! What can be asked of the program.

use std::{env, fmt::Display, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use cofi_agent::{
    Config,
    config::{self, ConfigError, ControllerAddress, Keys},
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
    /// Make this machine an agent: get its first certificate, or another one
    Join(JoinArgs),
}

/// How a machine joins. What is not given here is taken from the
/// configuration of the agent.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArgs {
    /// The controller's control listener, by default on port 7400
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) controller: ControllerAddress,
    /// File with the token that "cofi token create --join NAME" made at the
    /// controller, readable for its owner alone; "-" is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: PathBuf,
    /// Name of this agent, for which the token was made [default: the host's name]
    #[arg(long)]
    name: Option<String>,
    /// The agent's own folder [default: cofi-agent-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Join although this machine has a good certificate, as when that was revoked
    #[arg(long)]
    pub(crate) again: bool,
    /// Configuration file of the agent (TOML)
    #[arg(long, value_name = "FILE", env = "COFI_CONFIG")]
    config: Option<PathBuf>,
}

impl JoinArgs {
    /// The agent's checked configuration.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let (name, data_dir) = (self.name.clone(), self.data_dir.clone());
        let flags = Keys { name, data_dir, ..Keys::default() };
        config::load(self.config.as_deref(), environment(), &flags)?.try_into()
    }
}

impl Args {
    /// The checked configuration of all layers.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        config::load(self.config.as_deref(), environment(), &self.keys)?.try_into()
    }
}

/// The environment. What is not UTF-8 is no value of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

/// Prints a configuration so that it can be used as a file.
pub(crate) fn print(config: &Config) -> anyhow::Result<ExitCode> {
    let text = toml::to_string(&config.to_keys())?;
    say(text)
}

/// Says what was done, for people and programs.
pub(crate) fn say(text: impl Display) -> anyhow::Result<ExitCode> {
    write!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
