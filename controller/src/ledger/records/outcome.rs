//! What became of recordings on hosts, and what the ledger says of it.

use super::PendingLid;
use cofi_proto::{AgentName, Digest, RecordingId, session::LidOutcome};

/// What the record step says of an acknowledged recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It has its rows, now or since earlier.
    Stored,
    /// It needs none from this agent, which may drop it; why, in words.
    Unwanted(String),
}

/// A placement that failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementFailure {
    /// The recording.
    pub recording: RecordingId,
    /// A fixed word for programs.
    pub code: String,
    /// Words for people.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i64,
}

/// A result that is ready to be applied: its language is mapped.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedResult {
    /// The recording.
    pub recording: RecordingId,
    /// The round that it answers.
    pub round: i32,
    /// The agent that reports it, and the address of its host.
    pub agent: AgentName,
    /// What the tables call ip.
    pub address: String,
    /// What came out; the language is a code of the `language` table where it
    /// could be mapped.
    pub outcome: LidOutcome,
    /// Of the content that was identified, if the agent says so.
    pub digest: Option<Digest>,
}

/// What the apply step says of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The tables hold it, now or since earlier, or an earlier one won.
    Settled,
    /// The recording has no rows yet: the result must come again.
    NotRecorded,
    /// Another agent holds the recording: the result is not used, and not
    /// receipted either, since the round is open still.
    Elsewhere,
    /// The engine failed, and is to try it again in another round.
    SetBack(PendingLid),
    /// Engines failed on it that do well otherwise: it rests as failed.
    Blamed,
}
