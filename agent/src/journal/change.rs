//! The changes that the journal takes.

use cofi_proto::{
    Digest, RecordingId,
    session::{Identify, LidOutcome, ResultReceipt},
};

/// A change of the journal.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// These recordings are durable in `incoming/` and are about to be put in
    /// their places. What stood under their ids is forgotten, results of other
    /// content included.
    Stored(Vec<NewRecording>),
    /// These recordings have their places; they wait for the engine now.
    Placed(Vec<RecordingId>),
    /// These recordings arrived again with the content that is held.
    Again(Vec<Again>),
    /// Bytes arrived for a recording that were of no use.
    Wasted(RecordingId, u64),
    /// The controller may have lost what it said: nothing counts as recorded
    /// or receipted.
    Unrecorded,
    /// The controller has rows for these recordings.
    Recorded(Vec<RecordingId>),
    /// The controller has settled these results.
    Receipted(Vec<ResultReceipt>),
    /// These recordings are to be identified if they are not yet.
    Identify(Vec<Identify>),
    /// An attempt to identify a recording has failed.
    Attempted(Attempted),
    /// A recording has a result.
    Finished(Finished),
    /// These recordings are not held any more.
    Forgotten(Vec<RecordingId>),
    /// Results that were receipted before this moment (microseconds since
    /// 1970) are not needed any more.
    Expired(i64),
}

/// A recording that is durable in `incoming/`.
#[derive(Debug, Clone)]
pub(crate) struct NewRecording {
    pub(crate) recording: RecordingId,
    pub(crate) audio_name: String,
    pub(crate) size_bytes: u64,
    pub(crate) digest: Digest,
    pub(crate) round: i32,
    pub(crate) candidates: Vec<String>,
    /// Its file in `incoming/`.
    pub(crate) incoming: String,
}

/// A recording that arrived again with the content that is held.
#[derive(Debug, Clone)]
pub(crate) struct Again {
    pub(crate) size_bytes: u64,
    /// What the delivery asks for.
    pub(crate) identify: Identify,
}

/// A recording that is still to be identified, after a failed attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempted {
    pub(crate) recording: RecordingId,
    pub(crate) round: i32,
    /// Failed attempts in this round, the last one among them.
    pub(crate) attempts: i32,
}

/// The result of a recording.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) recording: RecordingId,
    /// Of the content that was identified.
    pub(crate) digest: Digest,
    pub(crate) round: i32,
    pub(crate) outcome: LidOutcome,
}
