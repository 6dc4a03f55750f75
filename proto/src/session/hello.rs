//! Who an agent is, and how it is.

use super::{text, within};
use crate::{AgentName, Malformed, limits::cut_reason, pb::agent as pb};

/// How an agent presents itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The agent's protocol version.
    pub protocol: u32,
    /// The program's version, for people.
    pub version: String,
    /// The agent's name.
    pub name: AgentName,
    /// UUID that the agent's store made at its first start.
    pub storage_id: String,
    /// What the tables call ip.
    pub advertise_address: String,
    /// Share of work relative to other agents, 100 being usual.
    pub weight: u32,
    /// Receive streams that it will open.
    pub receive_connections: u32,
    /// Its state at this moment.
    pub heartbeat: Heartbeat,
    /// The database that its store belongs to; empty if it has met none.
    pub database_id: String,
    /// Recordings that it holds and was told have their rows.
    pub recorded: u64,
    /// Recordings that it holds and has a receipted result of.
    pub receipted: u64,
    /// Whether it answers [`Verify`](crate::verify::Verify).
    pub verifies: bool,
}

/// Widest `ip` column of the shared tables.
const MAX_ADDRESS_CHARS: usize = 100;
const MAX_WEIGHT: u32 = 10_000;
const MAX_RECEIVE_CONNECTIONS: u32 = 16;

impl TryFrom<pb::Hello> for Hello {
    type Error = Malformed;

    fn try_from(hello: pb::Hello) -> Result<Self, Malformed> {
        let storage_id = text("hello.storage_id", hello.storage_id, 36)?;
        let address =
            if hello.advertise_address.is_empty() { hello.local_address } else { hello.advertise_address };
        Ok(Self {
            protocol: hello.protocol,
            version: text("hello.version", hello.version, 64)?,
            name: hello.name.try_into()?,
            storage_id,
            advertise_address: text("hello.advertise_address", address, MAX_ADDRESS_CHARS)?,
            weight: within("hello.weight", hello.weight, 1, MAX_WEIGHT, "1 to 10,000")?,
            receive_connections: within(
                "hello.receive_connections",
                hello.receive_connections,
                1,
                MAX_RECEIVE_CONNECTIONS,
                "1 to 16",
            )?,
            heartbeat: hello.heartbeat.ok_or(Malformed::Missing("hello.heartbeat"))?.try_into()?,
            database_id: if hello.database_id.is_empty() {
                hello.database_id
            } else {
                text("hello.database_id", hello.database_id, 36)?
            },
            recorded: hello.recorded,
            receipted: hello.receipted,
            verifies: hello.verifies,
        })
    }
}

impl From<Hello> for pb::Hello {
    fn from(hello: Hello) -> Self {
        Self {
            protocol: hello.protocol,
            version: hello.version,
            name: hello.name.to_string(),
            storage_id: hello.storage_id,
            advertise_address: hello.advertise_address,
            local_address: String::new(),
            weight: hello.weight,
            receive_connections: hello.receive_connections,
            heartbeat: Some(hello.heartbeat.into()),
            database_id: hello.database_id,
            recorded: hello.recorded,
            receipted: hello.receipted,
            verifies: hello.verifies,
        }
    }
}

/// An agent's state at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Bytes free for recordings, what the agent reserves for itself deducted.
    pub free_disk_bytes: u64,
    /// Recordings waiting for the engine or in it.
    pub lid_waiting: u64,
    /// The engine.
    pub engine: Engine,
    /// The disk for recordings.
    pub storage: Storage,
}

impl TryFrom<pb::Heartbeat> for Heartbeat {
    type Error = Malformed;

    fn try_from(heartbeat: pb::Heartbeat) -> Result<Self, Malformed> {
        Ok(Self {
            free_disk_bytes: heartbeat.free_disk_bytes,
            lid_waiting: heartbeat.lid_waiting,
            engine: heartbeat.engine.ok_or(Malformed::Missing("heartbeat.engine"))?.try_into()?,
            storage: heartbeat.storage.map(TryInto::try_into).transpose()?.unwrap_or_default(),
        })
    }
}

impl From<Heartbeat> for pb::Heartbeat {
    fn from(heartbeat: Heartbeat) -> Self {
        Self {
            free_disk_bytes: heartbeat.free_disk_bytes,
            lid_waiting: heartbeat.lid_waiting,
            engine: Some(heartbeat.engine.into()),
            storage: Some(heartbeat.storage.into()),
        }
    }
}

/// What an agent says of its engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engine {
    /// Whether it can work.
    pub state: EngineState,
    /// Why it failed, or a remark such as why CUDA is not used.
    pub reason: String,
    /// What it calls itself and its model.
    pub name: String,
    /// Where it runs: "cpu", "cuda"; empty if it does not say.
    pub device: String,
}

/// Whether an engine can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineState {
    /// No worker is up yet.
    #[default]
    Starting,
    /// At least one worker is up.
    Ready,
    /// No worker comes up; the agent goes on trying.
    Failed,
}

impl TryFrom<pb::Engine> for Engine {
    type Error = Malformed;

    fn try_from(engine: pb::Engine) -> Result<Self, Malformed> {
        let state = match engine.state() {
            pb::EngineState::Unspecified => {
                return Err(Malformed::invalid("engine.state", engine.state, "a known state"));
            }
            pb::EngineState::Starting => EngineState::Starting,
            pb::EngineState::Ready => EngineState::Ready,
            pb::EngineState::Failed => EngineState::Failed,
        };
        Ok(Self {
            state,
            reason: cut_reason(engine.reason),
            name: cut_reason(engine.name),
            device: cut_reason(engine.device),
        })
    }
}

impl From<Engine> for pb::Engine {
    fn from(engine: Engine) -> Self {
        let state = match engine.state {
            EngineState::Starting => pb::EngineState::Starting,
            EngineState::Ready => pb::EngineState::Ready,
            EngineState::Failed => pb::EngineState::Failed,
        };
        Self { state: state.into(), reason: engine.reason, name: engine.name, device: engine.device }
    }
}

/// What an agent says of its disk for recordings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Storage {
    /// Recordings can be stored, as far as there is room.
    #[default]
    Ready,
    /// No room but what is reserved; what would mend that.
    Full(String),
    /// The disk failed, and was not seen to work since; how it failed.
    Failed(String),
}

impl TryFrom<pb::Storage> for Storage {
    type Error = Malformed;

    fn try_from(storage: pb::Storage) -> Result<Self, Malformed> {
        match storage.state() {
            pb::StorageState::Unspecified => {
                Err(Malformed::invalid("storage.state", storage.state, "a known state"))
            }
            pb::StorageState::Ready => Ok(Self::Ready),
            pb::StorageState::Full => Ok(Self::Full(cut_reason(storage.reason))),
            pb::StorageState::Failed => Ok(Self::Failed(cut_reason(storage.reason))),
        }
    }
}

impl From<Storage> for pb::Storage {
    fn from(storage: Storage) -> Self {
        let (state, reason) = match storage {
            Storage::Ready => (pb::StorageState::Ready, String::new()),
            Storage::Full(reason) => (pb::StorageState::Full, reason),
            Storage::Failed(reason) => (pb::StorageState::Failed, reason),
        };
        Self { state: state.into(), reason }
    }
}
