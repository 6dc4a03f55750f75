//! What the ledger takes and gives.

use cofi_proto::{AgentName, BatchId, Digest, RecordingId, session::LidOutcome};

/// Makes an enum of fixed words that a column holds.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// The word that stands in the column.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = UnknownWord;

            fn try_from(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord(word.to_owned())),
                }
            }
        }
    };
}

/// A column holds a word that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown word {0:?}")]
pub struct UnknownWord(pub String);

words! {
    /// Where a recording's file stands.
    Placement {
        /// Not on a host yet.
        Planned = "planned",
        /// On a host, with its rows.
        Stored = "stored",
        /// Rests: could not be placed.
        Failed = "failed",
        /// Its batch was cancelled before it was placed.
        Cancelled = "cancelled",
    }
}

words! {
    /// Where a recording's identification stands.
    Lid {
        /// Not identified in its round yet.
        None = "none",
        /// Identified.
        Done = "done",
        /// Rests: could not be identified.
        Failed = "failed",
    }
}

/// A batch to plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// Absolute path of the source folder.
    pub source: String,
    /// 'DD-MM-YYYY'.
    pub batch_date: String,
    /// `process.id`.
    pub process: i64,
    /// `categoryMapping.id`.
    pub category_mapping: i64,
    /// What `call.audioUrl` starts with, without a slash at its end.
    pub audio_endpoint: String,
    /// Codes that identification may answer with; empty means any.
    pub candidates: Vec<String>,
    /// The caller's key, if it gave one.
    pub idempotency_key: Option<String>,
    /// Digest of the request, to tell whether a key is used for the same one.
    pub request_hash: Digest,
    /// Microseconds since 1970-01-01 UTC.
    pub now: i64,
}

/// What became of the wish to plan a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// A new batch without recordings, not visible yet.
    New(BatchId),
    /// The same request made this batch before.
    Existing(BatchId),
    /// The same request is planning this batch at this moment.
    BeingPlanned(BatchId),
}

/// A file of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Place in the manifest, from 0.
    pub ordinal: i64,
    /// What names are compared by.
    pub name_key: String,
    /// Base name.
    pub audio_name: String,
    /// Path relative to the source.
    pub source_path: String,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub mtime: i64,
}

/// Which characters a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Repertoire {
    /// ASCII.
    Ascii,
    /// Western European: Windows-1252, which the servers call latin1.
    Latin1,
    /// The first 65,536 of Unicode: utf8mb3.
    BasicPlane,
    /// All of Unicode.
    #[default]
    Unicode,
}

impl Repertoire {
    /// Whether it has all characters of a text.
    #[must_use]
    pub fn has(self, text: &str) -> bool {
        match self {
            Self::Ascii => text.is_ascii(),
            // Of Windows-1252 the part that needs no table; the rest is refused.
            Self::Latin1 => text.chars().all(|c| c.is_ascii() || ('\u{a0}'..='\u{ff}').contains(&c)),
            Self::BasicPlane => text.chars().all(|c| c <= '\u{ffff}'),
            Self::Unicode => true,
        }
    }
}

/// A column that names go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameColumn {
    /// Its table and name.
    pub column: &'static str,
    /// Characters that it holds; none if it has no bound.
    pub chars: Option<usize>,
    /// Which characters.
    pub repertoire: Repertoire,
}

/// The columns that limit a batch's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameColumns {
    /// Those that hold the bare name.
    pub names: Vec<NameColumn>,
    /// The one that holds endpoint, slash and name.
    pub url: Option<NameColumn>,
}

/// What a file of a source looks like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceStamp {
    /// Place in the manifest.
    pub ordinal: i64,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub mtime: i64,
}

/// A recording that waits to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRecording {
    /// The recording.
    pub recording: RecordingId,
    /// Base name.
    pub audio_name: String,
    /// Path relative to the source.
    pub source_path: String,
    /// Bytes, when it was planned.
    pub size: u64,
    /// Nanoseconds since 1970-01-01 UTC, when it was planned.
    pub mtime: i64,
    /// Round of identification to begin with.
    pub round: i32,
}

/// What is known of a recording that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRecord {
    /// As it was planned.
    pub planned: PlannedRecording,
    /// Root of its batch.
    pub source: String,
    /// Where its file stands.
    pub placement: Placement,
    /// Who holds it.
    pub agent: Option<String>,
    /// Of its content, once stored.
    pub digest: Option<Digest>,
}

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
}

/// What the apply step says of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The tables hold it, now or since earlier, or an earlier one won.
    Settled,
    /// The recording has no rows yet: the result must come again.
    NotRecorded,
}

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

/// Which recordings a listing is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingFilter {
    /// All.
    All,
    /// Not placed yet.
    Planned,
    /// On a host.
    Stored,
    /// On a host, not identified yet.
    LidPending,
    /// Identified.
    Identified,
    /// Could not be placed, or not be identified.
    Failed,
    /// Cancelled before they were placed.
    Cancelled,
}

/// A recording as its rows stand.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingRecord {
    /// Place in the manifest, from 0.
    pub ordinal: i64,
    /// Base name.
    pub audio_name: String,
    /// Path relative to the source.
    pub source_path: String,
    /// Bytes.
    pub size: u64,
    /// Where its file stands.
    pub placement: Placement,
    /// Where its identification stands.
    pub lid: Lid,
    /// Who holds it.
    pub agent: Option<String>,
    /// `call.id`.
    pub call: Option<i64>,
    /// Of its content.
    pub digest: Option<Digest>,
    /// Failed attempts since it was last retried.
    pub attempts: i64,
    /// Of the newest failure, for programs.
    pub code: Option<String>,
    /// Of the newest failure, for people.
    pub reason: Option<String>,
    /// As in `call.lang`, once identified.
    pub language: Option<String>,
    /// Seconds, once identified.
    pub duration_seconds: Option<f64>,
}

/// Recordings that a retry set going again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retried {
    /// To be placed again.
    pub placements: u64,
    /// To be identified again, with their new round, and who holds them.
    pub identifications: Vec<PendingLid>,
}

/// A stored recording whose round of identification is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLid {
    /// Who holds it.
    pub agent: String,
    /// The recording.
    pub recording: RecordingId,
    /// The open round.
    pub round: i32,
    /// Codes the answer is restricted to.
    pub candidates: Vec<String>,
}

/// Which calls a listing is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFilter {
    /// The batch.
    pub batch: BatchId,
    /// A value of `call.status`, or any.
    pub status: Option<String>,
    /// Whether the language is known, or either.
    pub identified: Option<bool>,
}

/// A row of `call`.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// `call.id`.
    pub call: i64,
    /// Base name.
    pub audio_name: String,
    /// Where the audio can be had.
    pub audio_url: String,
    /// Of the host that holds the file.
    pub ip: String,
    /// 'Pending' and what later stages make of it.
    pub status: String,
    /// 'unknown' until identified.
    pub lang: String,
    /// `language.id`, if known.
    pub language: Option<i64>,
    /// Seconds; 0 until identified.
    pub duration_seconds: f64,
}

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
