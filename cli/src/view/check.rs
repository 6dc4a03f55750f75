//! What the invariant checker says.

use std::collections::BTreeMap;

use serde::Serialize;

/// A message of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Checked {
    Finding(Finding),
    Summary(CheckSummary),
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) batch_id: Option<i64>,
    pub(crate) ordinal: Option<i64>,
    pub(crate) audio_name: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) words: String,
}

/// What was looked at, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CheckSummary {
    pub(crate) batches: u64,
    pub(crate) recordings: u64,
    pub(crate) earlier_batches: u64,
    pub(crate) batches_being_planned: u64,
    pub(crate) findings: u64,
    /// By kind.
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) agents: Vec<AgentCheck>,
}

/// What came of asking an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AgentCheck {
    pub(crate) name: String,
    pub(crate) state: AgentCheckState,
    pub(crate) recordings_looked_at: u64,
    pub(crate) recordings_not_looked_at: u64,
    pub(crate) recordings_not_its_own: Option<u64>,
    pub(crate) unknown_files: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AgentCheckState {
    LookedAt,
    Away,
    CannotBeAsked,
    Silent,
}

impl AgentCheckState {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::LookedAt => "looked at",
            Self::Away => "not connected",
            Self::CannotBeAsked => "too old to be asked",
            Self::Silent => "did not answer",
        }
    }
}
