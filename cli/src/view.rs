//! What the commands show: the operator API's answers as types of our own.
//!
//! Their serialised form is what `--json` prints, a promise to programs: names
//! are those of the operator API, carry their units, and what is not known is
//! null.

#![allow(clippy::struct_field_names, reason = "the names are the operator API's")]

mod access;
mod check;
mod explain;
mod release;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub(crate) use self::{
    access::{AuditEntry, CreatedToken, NewToken, RevokedAgent, Secret, Token, TokenKind, TokenState},
    check::{AgentCheck, AgentCheckState, CheckSummary, Checked, Finding},
    explain::{AgentExplained, BatchExplained, HistoryEntry, Reason, ReasonKind, RecordingExplained},
    release::{Release, ReleaseCause, Released},
};

/// A batch as its rows stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Batch {
    pub(crate) batch_id: i64,
    pub(crate) batch_date: String,
    pub(crate) source: String,
    pub(crate) state: BatchState,
    pub(crate) process_id: i64,
    pub(crate) category_mapping_id: i64,
    pub(crate) audio_endpoint: String,
    pub(crate) candidate_languages: Vec<String>,
    #[serde(serialize_with = "rfc3339")]
    pub(crate) create_time: Timestamp,
    pub(crate) counts: Counts,
    /// The most frequent first. Empty in a listing of batches.
    pub(crate) languages: Vec<LanguageCount>,
    /// Empty in a listing of batches.
    pub(crate) newest_failures: Vec<Failure>,
    /// Not there in a listing of batches.
    pub(crate) rates: Option<Rates>,
    /// Why the work that is left does not go on.
    pub(crate) waiting_for: Option<String>,
    /// Recordings that no host needs to hold any more; 0 in a listing of
    /// batches.
    pub(crate) released: u64,
    /// Those of them whose host has not said that the file is gone.
    pub(crate) releases_unconfirmed: u64,
}

/// A batch, whoever wrote it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum AnyBatch {
    Own(Box<Batch>),
    Earlier(Box<EarlierBatch>),
}

/// A batch that an earlier service wrote, and that the controller knows from
/// the shared tables alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EarlierBatch {
    pub(crate) batch_id: i64,
    pub(crate) batch_date: Option<String>,
    /// So that programs tell it from the states of other batches.
    pub(crate) state: Earlier,
    /// The most frequent first. Empty in a listing of batches.
    pub(crate) languages: Vec<LanguageCount>,
    #[serde(rename = "earlier")]
    pub(crate) tables: SharedTables,
}

/// The only state of a batch that an earlier service wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Earlier {
    Earlier,
}

/// What the shared tables say of a batch that an earlier service wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SharedTables {
    pub(crate) current: bool,
    pub(crate) start_time: Option<String>,
    pub(crate) stages: Vec<StageStatus>,
    pub(crate) calls: Option<u64>,
    /// Like those that follow not there in a listing of batches.
    pub(crate) identified: Option<u64>,
    pub(crate) lid_pending: Option<u64>,
    pub(crate) distributed: Option<u64>,
    pub(crate) remarks: Option<String>,
}

impl SharedTables {
    /// What the row says of the batch as a whole.
    pub(crate) fn whole(&self) -> Option<&str> {
        let whole = self.stages.iter().find(|stage| stage.stage == "batchStatus")?;
        whole.status.as_deref()
    }
}

/// A stage of a batch, by the name of its column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StageStatus {
    pub(crate) stage: String,
    pub(crate) status: Option<String>,
}

impl Batch {
    /// Nothing moves any more until somebody asks for it.
    pub(crate) fn at_rest(&self) -> bool {
        match self.state {
            BatchState::Complete | BatchState::CompleteWithFailures | BatchState::Cancelled => true,
            BatchState::Distributing | BatchState::Identifying => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BatchState {
    Distributing,
    Identifying,
    Complete,
    CompleteWithFailures,
    Cancelled,
}

impl BatchState {
    /// The state in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Distributing => "distributing",
            Self::Identifying => "identifying",
            Self::Complete => "complete",
            Self::CompleteWithFailures => "complete with failures",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Recordings by where they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) recordings: u64,
    pub(crate) bytes: u64,
    pub(crate) planned: u64,
    pub(crate) placement_failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) stored: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) lid_pending: u64,
    pub(crate) identified: u64,
    pub(crate) lid_failed: u64,
}

impl Counts {
    /// Recordings that rest as failed.
    pub(crate) fn failed(&self) -> u64 {
        self.placement_failed.saturating_add(self.lid_failed)
    }

    /// Every recording has a language, or is known to hold no speech.
    pub(crate) fn all_identified(&self) -> bool {
        self.identified == self.recordings
    }

    /// Recordings that may still be identified, or fail to be.
    pub(crate) fn open(&self) -> u64 {
        self.planned.saturating_add(self.lid_pending)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LanguageCount {
    pub(crate) language: String,
    pub(crate) recordings: u64,
}

/// Why a recording rests as failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) ordinal: i64,
    pub(crate) audio_name: String,
    pub(crate) code: String,
    pub(crate) reason: String,
}

/// Over the last seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Rates {
    pub(crate) stored_per_second: f64,
    pub(crate) stored_bytes_per_second: f64,
    pub(crate) identified_per_second: f64,
}

/// One recording of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Recording {
    pub(crate) ordinal: i64,
    pub(crate) audio_name: String,
    /// Relative to the batch's source.
    pub(crate) source_path: String,
    pub(crate) size_bytes: u64,
    pub(crate) placement: Placement,
    pub(crate) lid: Lid,
    pub(crate) agent: Option<String>,
    pub(crate) call_id: Option<i64>,
    /// XXH3-128 in hexadecimal.
    pub(crate) digest: Option<String>,
    pub(crate) attempts: i32,
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) duration_seconds: Option<f64>,
    /// Not there as long as a host is to hold it.
    pub(crate) release: Option<Release>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Placement {
    Planned,
    Stored,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lid {
    None,
    Done,
    Failed,
}

/// A row of the table `call`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Call {
    pub(crate) call_id: i64,
    pub(crate) batch_id: i64,
    pub(crate) audio_name: String,
    pub(crate) audio_url: String,
    pub(crate) ip: String,
    pub(crate) status: String,
    /// 'unknown' until identified, as in the table.
    pub(crate) lang: String,
    pub(crate) language_id: Option<i64>,
    pub(crate) audio_duration_seconds: f64,
}

/// A machine that recordings are placed on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) advertise_address: String,
    pub(crate) state: AgentState,
    pub(crate) reason: Option<String>,
    pub(crate) version: String,
    pub(crate) storage_id: String,
    #[serde(serialize_with = "rfc3339")]
    pub(crate) last_seen_time: Timestamp,
    /// Since when it is draining, removed or quarantined.
    #[serde(serialize_with = "optional_rfc3339")]
    pub(crate) since_time: Option<Timestamp>,
    /// When a quarantined one gets the next recording, to see how it fares.
    #[serde(serialize_with = "optional_rfc3339")]
    pub(crate) next_probe_time: Option<Timestamp>,
    /// Known while the agent is connected.
    pub(crate) load: Option<AgentLoad>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AgentLoad {
    pub(crate) weight: u32,
    pub(crate) free_disk_bytes: u64,
    pub(crate) deliveries: u64,
    pub(crate) lid_waiting: u64,
    pub(crate) device: Option<String>,
    pub(crate) engine: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AgentState {
    Away,
    Reconciling,
    Starting,
    Ready,
    Unfit,
    Draining,
    Drained,
    Removed,
    Quarantined,
}

impl AgentState {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Reconciling => "reconciling",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unfit => "unfit",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Removed => "removed",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What planning a batch came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Planned {
    Batch(Box<Batch>),
    Rejection(Rejection),
    NothingNew(NothingNew),
}

/// Why a source cannot become a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Rejection {
    pub(crate) offenders: Vec<Offender>,
    pub(crate) total_offenders: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Offender {
    pub(crate) path: String,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct NothingNew {
    /// Files that earlier batches hold.
    pub(crate) known: u64,
}

/// What a retry set in motion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Retried {
    pub(crate) placements: u64,
    pub(crate) identifications: u64,
    /// Failed, and left so, since no host has their files any more.
    pub(crate) released: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Cancelled {
    pub(crate) cancelled: u64,
}

/// What bringing calls in line with `lidStatus` came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LidApplied {
    pub(crate) changed: u64,
    pub(crate) in_line: u64,
    pub(crate) settled: u64,
    pub(crate) without_call: u64,
    pub(crate) without_language: u64,
    pub(crate) unmapped: u64,
    /// The first 50.
    pub(crate) unmapped_languages: Vec<UnmappedLanguage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct UnmappedLanguage {
    pub(crate) language: String,
    pub(crate) names: u64,
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[allow(clippy::ref_option, reason = "serde asks for it")]
fn optional_rfc3339<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
