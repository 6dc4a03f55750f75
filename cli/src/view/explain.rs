//! Why something waits, rests or failed.

use jiff::Timestamp;
use serde::Serialize;

use super::{Agent, BatchState, Counts, Recording, optional_rfc3339, rfc3339};

/// Why a batch is not done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BatchExplained {
    pub(crate) batch_id: i64,
    /// Null while the database is away, as are the counts.
    pub(crate) state: Option<BatchState>,
    pub(crate) counts: Option<Counts>,
    pub(crate) reasons: Vec<Reason>,
}

/// Why a recording is not done, and what happened to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RecordingExplained {
    pub(crate) batch_id: i64,
    /// Null while the database is away.
    pub(crate) recording: Option<Recording>,
    pub(crate) reasons: Vec<Reason>,
    /// Newest first.
    pub(crate) history: Vec<HistoryEntry>,
}

/// Why an agent gets nothing, or what it does, and what was decided about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AgentExplained {
    pub(crate) name: String,
    /// Null while the database is away, and if it was only ever refused.
    pub(crate) agent: Option<Agent>,
    pub(crate) reasons: Vec<Reason>,
    /// Newest first.
    pub(crate) history: Vec<HistoryEntry>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HistoryEntry {
    #[serde(serialize_with = "rfc3339")]
    pub(crate) time: Timestamp,
    pub(crate) kind: String,
    pub(crate) agent: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
}

/// One reason; what its kind has nothing to say of is null, or 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    pub(crate) kind: ReasonKind,
    pub(crate) agent: Option<String>,
    pub(crate) recordings: u64,
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
    #[serde(serialize_with = "optional_rfc3339")]
    pub(crate) since_time: Option<Timestamp>,
    #[serde(serialize_with = "optional_rfc3339")]
    pub(crate) until_time: Option<Timestamp>,
    pub(crate) attempts: u32,
}

/// As the operator API names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasonKind {
    Complete,
    Failed,
    Cancelled,
    DatabaseAway,
    Released,
    UnderWay,
    UnderWayTo,
    BeingVerified,
    Queued,
    Backoff,
    NoAgentSeen,
    NoAgentConnected,
    AgentExpected,
    AgentWorks,
    AgentIdle,
    AgentFull,
    AgentAway,
    AgentLost,
    AgentRemoved,
    AgentDraining,
    AgentQuarantined,
    AgentReconciling,
    EngineStarting,
    EngineFailed,
    AgentWithoutStream,
    AgentPaused,
    DiskFull,
    DiskFailed,
    AgentRefused,
}
