//! Agents as the ledger knows them.

use cofi_proto::{AgentName, RecordingId};

use super::{AgentFault, Standing};

/// An agent as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Its name.
    pub name: AgentName,
    /// UUID of its store.
    pub storage_id: String,
    /// What the tables call ip.
    pub advertise_address: String,
    /// The program's version.
    pub version: String,
    /// Whether it had a session when this was written.
    pub connected: bool,
    /// Microseconds since 1970-01-01 UTC.
    pub last_seen: i64,
}

/// What the rows say that an agent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Custody {
    /// Recordings that are stored there.
    pub stored: u64,
    /// Those of them whose identification is settled, well or not.
    pub settled: u64,
    /// Recordings beside those that it has not said to have removed yet,
    /// although they are released.
    pub releasing: u64,
}

/// What was decided about an agent, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingRecord {
    /// The agent.
    pub agent: AgentName,
    /// What was decided.
    pub standing: Standing,
    /// Why, for people.
    pub reason: String,
    /// Microseconds since 1970-01-01 UTC.
    pub since: i64,
    /// Until when it may finish, if there is a limit.
    pub deadline: Option<i64>,
}

/// Which of an agent's recordings are placed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveUp {
    /// Who holds them.
    pub agent: AgentName,
    /// Those that were stored before: microseconds since 1970-01-01 UTC.
    pub stored_before: i64,
    /// Which of those.
    pub scope: GiveUpScope,
    /// Why, for people.
    pub reason: String,
}

/// Which of an agent's recordings are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpScope {
    /// All that somebody may still need.
    All,
    /// Those without a language, since the others stay where later stages look
    /// for them.
    WithoutLanguage,
    /// Those whose identification is open, also newer ones that its engine
    /// failed on. That it did is not held against them.
    Open,
}

/// An agent on which what it was given failed, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRecord {
    /// The agent.
    pub agent: AgentName,
    /// What failed there.
    pub fault: AgentFault,
    /// Why, for people.
    pub reason: String,
    /// Microseconds since 1970-01-01 UTC.
    pub since: i64,
}

/// A recording that an agent did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The recording.
    pub recording: RecordingId,
    /// The agent.
    pub agent: AgentName,
    /// A fixed word for programs.
    pub code: String,
    /// Words for people.
    pub reason: String,
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// A page of recordings that were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp {
    /// How many are to be placed again.
    pub recordings: u64,
    /// The last one that was looked at; none if there were no more.
    pub last: Option<RecordingId>,
}
