//! The agent's configuration: checked once, and not read from anywhere after.

mod address;
mod check;
mod error;
mod keys;
mod layers;
mod limits;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use cofi_proto::AgentName;

pub use address::{ControllerAddress, WrongAddress};
pub use error::ConfigError;
pub use keys::{Keys, LogFormat};
pub use layers::load;

/// The checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The agent's name.
    pub name: AgentName,
    /// Whether the name was configured. Otherwise it is the host's, and the one
    /// in the agent's certificate goes before it.
    pub named: bool,
    /// Where the controller listens for agents.
    pub controller: ControllerAddress,
    /// The agent's own folder.
    pub data_dir: PathBuf,
    /// The flat folder in which later stages look for recordings by name.
    pub publish_dir: Option<PathBuf>,
    /// What the tables call ip; by default the agent's address on its
    /// connection to the controller.
    pub advertise_address: Option<String>,
    /// Share of work relative to other agents, 100 being usual.
    pub weight: u32,
    /// Receive streams, each on a connection of its own.
    pub receive_connections: u32,
    /// The engine and its workers.
    pub engine: EngineConfig,
    /// What is kept free on the disk of `data_dir`; by default 256 MiB, or 1 %
    /// of a small disk.
    pub disk_reserve_bytes: Option<u64>,
    /// How long results stay after their receipt.
    pub result_retention: Duration,
    /// How long a drain waits for what the workers have in hand.
    pub drain_grace: Duration,
    /// Which events are logged: a filter of `tracing`.
    pub log: String,
    /// How events are logged.
    pub log_format: LogFormat,
}

/// The engine and its workers.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineConfig {
    /// Which program identifies languages.
    pub program: EngineProgram,
    /// Worker processes; by default one on CUDA and otherwise half of the cores.
    pub workers: Option<NonZeroU32>,
    /// Languages to choose from when a batch names none; empty means any.
    pub candidates: Vec<String>,
    /// How long a worker may take for one recording.
    pub timeout: Duration,
    /// Memory that a worker may take for one recording, beyond what the loaded
    /// model does; kept by the built-in engine.
    pub memory_mib: u32,
    /// How often a recording is tried when the engine fails on it.
    pub attempts: NonZeroU32,
    /// How long a worker may take to come up.
    pub start_timeout: Duration,
}

/// Which program identifies languages.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineProgram {
    /// The built-in engine, as `lid-worker` of the agent's own program.
    Builtin {
        /// Folder with the model.
        model: PathBuf,
        /// The ONNX Runtime library; by default the one beside the model.
        onnxruntime_lib: Option<PathBuf>,
        /// Probability below which an answer is "undetermined"; the engine has
        /// a default.
        floor: Option<f64>,
    },
    /// Any program that speaks the worker protocol: its path and arguments.
    Command {
        /// What is started.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

impl Config {
    /// The defaults for an agent of that name with that folder.
    #[must_use]
    pub fn new(name: AgentName, data_dir: PathBuf) -> Self {
        Self {
            name,
            named: true,
            controller: limits::CONTROLLER.into(),
            data_dir,
            publish_dir: None,
            advertise_address: None,
            weight: limits::WEIGHT,
            receive_connections: limits::RECEIVE_CONNECTIONS,
            engine: EngineConfig {
                program: EngineProgram::Builtin {
                    model: PathBuf::from(limits::MODEL),
                    onnxruntime_lib: None,
                    floor: None,
                },
                workers: None,
                candidates: Vec::new(),
                timeout: limits::ENGINE_TIMEOUT,
                memory_mib: limits::ENGINE_MEMORY_MIB,
                attempts: limits::ENGINE_ATTEMPTS,
                start_timeout: limits::ENGINE_START_TIMEOUT,
            },
            disk_reserve_bytes: None,
            result_retention: limits::RESULT_RETENTION,
            drain_grace: limits::DRAIN_GRACE,
            log: limits::LOG.to_owned(),
            log_format: LogFormat::Text,
        }
    }
}
