//! The shared table `call`.

use cofi_proto::BatchId;

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
