//! Batches that an earlier service wrote: rows in the shared tables, without a
//! manifest of Cofi's.

use cofi_proto::BatchId;

use super::BatchRecord;

/// A batch, whoever wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyBatch {
    /// Planned by Cofi, which has its manifest.
    Own(BatchRecord),
    /// Known from the shared tables alone.
    Earlier(EarlierBatch),
}

impl AnyBatch {
    /// `batchStatus.id`.
    #[must_use]
    pub fn id(&self) -> BatchId {
        match self {
            Self::Own(record) => record.batch,
            Self::Earlier(earlier) => earlier.batch,
        }
    }
}

/// A batch of an earlier service, as the shared tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierBatch {
    /// `batchStatus.id`.
    pub batch: BatchId,
    /// `batchStatus.batchDate`, usually 'DD-MM-YYYY'.
    pub batch_date: Option<String>,
    /// `batchStatus.batchStartTime`, in the database's time zone.
    pub start_time: Option<String>,
    /// Whether the row calls it the current batch.
    pub current: bool,
    /// What the row says of each stage: in a listing the three that every
    /// database has, else all that this one has.
    pub stages: Vec<StageStatus>,
    /// Rows in `call`.
    pub calls: u64,
    /// What takes longer to find out; none in a listing.
    pub details: Option<EarlierDetails>,
}

/// A stage of a batch, as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageStatus {
    /// The column, for example "sttStatus".
    pub stage: &'static str,
    /// `Pending`, `InProgress` or `Complete`; none where the column is NULL.
    pub status: Option<String>,
}

/// What is told of one batch of an earlier service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierDetails {
    /// Rows in `call` whose language is known.
    pub identified: u64,
    /// Rows in `call` whose language is 'unknown' or NULL.
    pub lid_pending: u64,
    /// Rows in `fileDistribution`.
    pub distributed: u64,
    /// Languages and how many calls have them, the most frequent first.
    pub languages: Vec<(String, u64)>,
    /// `batchStatus.remarks`.
    pub remarks: Option<String>,
}
