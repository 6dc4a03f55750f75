//! What can be wrong with the record, by fixed words.

use std::fmt;

use cofi_proto::{AgentName, BatchId};

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident = $word:literal,)+) => {
        /// What is wrong, as a fixed word for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FlawKind {
            $($(#[$meta])* $kind,)+
        }

        impl FlawKind {
            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }
        }
    };
}

kinds! {
    /// `cofiMeta` does not have its one row.
    Meta = "meta",
    /// Several rows of `batchStatus` are the current batch.
    CurrentBatches = "current_batches",
    /// A batch of Cofi's has no row in `batchStatus`.
    BatchWithoutStatus = "batch_without_status",
    /// Recordings belong to no batch of Cofi's.
    RecordingsWithoutBatch = "recordings_without_batch",
    /// Something was decided about an agent that was never seen.
    StandingWithoutAgent = "standing_without_agent",
    /// The batch's own count or sum of bytes is not that of its recordings.
    BatchCounts = "batch_counts",
    /// A stage of `batchStatus` is not what the rows say.
    Stage = "stage",
    /// The start or end of a stage contradicts its status.
    StageTimes = "stage_times",
    /// Failures that `batchStatus.remarks` does not mention.
    Remarks = "remarks",
    /// A batch with work left rests, or one without does not.
    Resting = "resting",
    /// A batch that rests is the current one.
    CurrentAtRest = "current_at_rest",
    /// Ordinals of a manifest leave one out.
    OrdinalMissing = "ordinal_missing",
    /// A state that does not exist.
    State = "state",
    /// A column is filled that must be empty in this state, or empty that must
    /// be filled.
    Columns = "columns",
    /// The key that names are compared by is not that of the name.
    NameKey = "name_key",
    /// A failure without code and reason, or these without a failure.
    Reason = "reason",
    /// A failure that the history does not know.
    FailureEvent = "failure_event",
    /// A later round of identification that the history does not know.
    RoundEvent = "round_event",
    /// A recording is held by an agent that was never seen.
    UnknownAgent = "unknown_agent",
    /// No row in `fileDistribution`.
    FileMissing = "file_missing",
    /// Several rows in `fileDistribution`.
    FileDoubled = "file_doubled",
    /// A row in `fileDistribution` of what was never stored.
    FileUnexpected = "file_unexpected",
    /// A row in `fileDistribution` of what is in no manifest.
    FileStranger = "file_stranger",
    /// `fileDistribution.ip` is not the holder's.
    FileAddress = "file_address",
    /// `fileDistribution.lidDone` is not what the recording's state says.
    FileLidDone = "file_lid_done",
    /// No row in `call`.
    CallMissing = "call_missing",
    /// Several rows in `call`.
    CallDoubled = "call_doubled",
    /// A row in `call` of what was never stored.
    CallUnexpected = "call_unexpected",
    /// A row in `call` of what is in no manifest.
    CallStranger = "call_stranger",
    /// The recording points to another row than its call.
    CallId = "call_id",
    /// `call.audioUrl` is not the batch's endpoint and the name.
    CallUrl = "call_url",
    /// `call.ip` is not the holder's.
    CallAddress = "call_address",
    /// `call.lang` is not what `lidStatus` says, or not 'unknown' before.
    CallLang = "call_lang",
    /// `call.languageId` is not that of `call.lang`.
    CallLanguageId = "call_language_id",
    /// `call.audioDuration` is not what `lidStatus` says, or not 0 before.
    CallDuration = "call_duration",
    /// No row in `lidStatus` of what is identified.
    LidMissing = "lid_missing",
    /// Several rows in `lidStatus`.
    LidDoubled = "lid_doubled",
    /// A row in `lidStatus` of what is not identified.
    LidUnexpected = "lid_unexpected",
    /// A row in `lidStatus` of what is in no manifest.
    LidStranger = "lid_stranger",
    /// A column holds what cannot be read.
    Unreadable = "unreadable",
    /// The agent does not have the recording.
    HeldAbsent = "held_absent",
    /// The agent's file has another size.
    HeldSize = "held_size",
    /// The agent's file has another content.
    HeldDigest = "held_digest",
    /// The agent's file cannot be read.
    HeldUnreadable = "held_unreadable",
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What.
    pub kind: FlawKind,
    /// With which batch.
    pub batch: Option<BatchId>,
    /// With which recording of it.
    pub ordinal: Option<i64>,
    /// The name that it is about.
    pub audio_name: Option<String>,
    /// The agent that it is about.
    pub agent: Option<AgentName>,
    /// For people.
    pub words: String,
}

/// What tells one flaw from another, however its words read by now.
pub type FlawKey = (FlawKind, Option<BatchId>, Option<i64>, Option<String>);

impl Flaw {
    /// Something that is wrong with the database as a whole.
    pub(crate) fn new(kind: FlawKind, words: impl Into<String>) -> Self {
        Self { kind, batch: None, ordinal: None, audio_name: None, agent: None, words: words.into() }
    }

    /// The same, of a batch.
    pub(crate) fn of_batch(kind: FlawKind, batch: BatchId, words: impl Into<String>) -> Self {
        Self { batch: Some(batch), ..Self::new(kind, words) }
    }

    /// What tells it from others.
    #[must_use]
    pub fn key(&self) -> FlawKey {
        (self.kind, self.batch, self.ordinal, self.audio_name.clone())
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.words)
    }
}
