//! Batches as their rows stand.

use cofi_proto::BatchId;

use super::ReleasedCount;

/// A batch as its rows stand.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchRecord {
    /// `batchStatus.id`.
    pub batch: BatchId,
    /// 'DD-MM-YYYY'.
    pub batch_date: String,
    /// Absolute path of the source folder.
    pub source: String,
    /// `process.id`.
    pub process: i64,
    /// `categoryMapping.id`.
    pub category_mapping: i64,
    /// What `call.audioUrl` starts with.
    pub audio_endpoint: String,
    /// Codes that identification may answer with.
    pub candidates: Vec<String>,
    /// Microseconds since 1970-01-01 UTC.
    pub created: i64,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Its recordings by where they stand.
    pub counts: Counts,
}

/// Recordings of a batch by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// In the manifest.
    pub recordings: u64,
    /// Bytes in the manifest.
    pub bytes: u64,
    /// Not placed yet.
    pub planned: u64,
    /// Could not be placed.
    pub placement_failed: u64,
    /// Cancelled before they were placed.
    pub cancelled: u64,
    /// On a host.
    pub stored: u64,
    /// Bytes on hosts.
    pub stored_bytes: u64,
    /// On a host, not identified yet.
    pub lid_pending: u64,
    /// Identified.
    pub identified: u64,
    /// On a host, could not be identified.
    pub lid_failed: u64,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// Recordings are still to be placed.
    Distributing,
    /// All are placed, languages are still to come.
    Identifying,
    /// All are identified.
    Complete,
    /// Nothing is left to do, some rest as failed.
    CompleteWithFailures,
    /// Cancelled.
    Cancelled,
}

impl BatchRecord {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> BatchState {
        let counts = &self.counts;
        if self.cancelled {
            BatchState::Cancelled
        } else if counts.planned > 0 {
            BatchState::Distributing
        } else if counts.lid_pending > 0 {
            BatchState::Identifying
        } else if counts.placement_failed + counts.lid_failed > 0 {
            BatchState::CompleteWithFailures
        } else {
            BatchState::Complete
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn rests(&self) -> bool {
        self.counts.planned == 0 && self.counts.lid_pending == 0
    }
}

/// What is told of a batch beside its counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Highlights {
    /// Languages and how many recordings have them, the most frequent first.
    pub languages: Vec<(String, u64)>,
    /// The newest failures.
    pub failures: Vec<FailedRecording>,
    /// What hosts need not hold any more.
    pub released: ReleasedCount,
}

/// A recording that rests as failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRecording {
    /// Place in the manifest.
    pub ordinal: i64,
    /// Base name.
    pub audio_name: String,
    /// A fixed word for programs.
    pub code: String,
    /// Words for people.
    pub reason: String,
}
