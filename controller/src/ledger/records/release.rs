//! Recordings that hosts need not hold any more.

use std::collections::BTreeSet;

use cofi_proto::{AgentName, BatchId};

use super::ReleaseCause;

/// Where to look for recordings that can be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseScope {
    /// Among those of a batch.
    Batch(BatchId),
    /// Among the identified ones that an agent holds.
    Agent(AgentName),
}

/// Which recordings are released, beside that later stages are done with their
/// calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseTerms {
    /// Who wants it.
    pub cause: ReleaseCause,
    /// Why, for people.
    pub reason: String,
    /// Only those whose call, placement and language have been as they are for
    /// so long; 0: all.
    pub older_than_seconds: u32,
}

/// What a release came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Released {
    /// What came of the recordings.
    pub counts: ReleaseCounts,
    /// Who held those that are released.
    pub agents: BTreeSet<String>,
}

/// What came of looking for recordings to release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReleaseCounts {
    /// Released now, or to be released.
    pub released: u64,
    /// Their bytes.
    pub released_bytes: u64,
    /// Released before.
    pub released_before: u64,
    /// Not released: later stages still need them.
    pub needed: u64,
    /// Not released: their language is still to come.
    pub unidentified: u64,
    /// Not released: not long enough as they are.
    pub too_young: u64,
}

/// The release of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRecord {
    /// Who held it.
    pub agent: String,
    /// Who wanted it.
    pub cause: ReleaseCause,
    /// Why, for people.
    pub reason: String,
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// When its host said that the file is gone.
    pub done: Option<i64>,
}

/// How much of a batch is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReleasedCount {
    /// Recordings.
    pub recordings: u64,
    /// Those of them whose host has not said that the file is gone.
    pub unconfirmed: u64,
}
