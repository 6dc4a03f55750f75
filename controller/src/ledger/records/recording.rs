//! Recordings of a manifest.

use cofi_proto::{Digest, RecordingId};

use super::{Lid, Placement, ReleaseRecord};

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
    /// Round of identification to begin with; 0 if there is nothing to identify.
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
    /// Since when no host needs to hold it, if so.
    pub release: Option<ReleaseRecord>,
}

/// Recordings that a retry set going again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retried {
    /// To be placed again.
    pub placements: u64,
    /// To be identified again.
    pub identifications: u64,
    /// Left as failed: they are released, and no host has their files.
    pub released: u64,
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
