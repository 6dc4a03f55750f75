//! What travels on the `Session` stream, as domain types.

mod hello;
mod result;

pub use hello::{Engine, EngineState, Heartbeat, Hello, Storage};
pub use result::{FailureClass, Identified, LanguageProbability, LidFailure, LidOutcome, LidResult};

use crate::{
    Digest, Malformed, RecordingId,
    limits::{MAX_GROUP, MAX_RESULT_GROUP, cut_reason},
    pb::agent as pb,
};

/// A recording that an agent holds durably and has no receipt for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The recording.
    pub recording: RecordingId,
    /// Its name on the agent.
    pub audio_name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Digest of what the agent holds.
    pub digest: Digest,
}

impl TryFrom<pb::Held> for Held {
    type Error = Malformed;

    fn try_from(held: pb::Held) -> Result<Self, Malformed> {
        Ok(Self {
            recording: held.recording.try_into()?,
            audio_name: held.audio_name,
            size_bytes: held.size_bytes,
            digest: Digest::try_from(&held.digest[..])?,
        })
    }
}

impl From<Held> for pb::Held {
    fn from(held: Held) -> Self {
        Self {
            recording: Some(held.recording.into()),
            audio_name: held.audio_name,
            size_bytes: held.size_bytes,
            digest: bytes::Bytes::copy_from_slice(held.digest.as_bytes()),
        }
    }
}

/// A recording to identify in a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identify {
    /// The recording.
    pub recording: RecordingId,
    /// The round.
    pub round: i32,
    /// Codes the answer is restricted to; empty means any.
    pub candidates: Vec<String>,
}

impl TryFrom<pb::Identify> for Identify {
    type Error = Malformed;

    fn try_from(identify: pb::Identify) -> Result<Self, Malformed> {
        let recording = identify.recording.try_into()?;
        Ok(Self { recording, round: identify.round, candidates: identify.candidates })
    }
}

impl From<Identify> for pb::Identify {
    fn from(identify: Identify) -> Self {
        Self {
            recording: Some(identify.recording.into()),
            round: identify.round,
            candidates: identify.candidates,
        }
    }
}

/// The receipt for a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultReceipt {
    /// The recording.
    pub recording: RecordingId,
    /// The round that is settled.
    pub round: i32,
}

impl TryFrom<pb::ResultReceipt> for ResultReceipt {
    type Error = Malformed;

    fn try_from(receipt: pb::ResultReceipt) -> Result<Self, Malformed> {
        Ok(Self { recording: receipt.recording.try_into()?, round: receipt.round })
    }
}

impl From<ResultReceipt> for pb::ResultReceipt {
    fn from(receipt: ResultReceipt) -> Self {
        Self { recording: Some(receipt.recording.into()), round: receipt.round }
    }
}

/// A recording that an agent need not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The recording.
    pub recording: RecordingId,
    /// Why, in words.
    pub reason: String,
}

impl TryFrom<pb::Release> for Release {
    type Error = Malformed;

    fn try_from(release: pb::Release) -> Result<Self, Malformed> {
        Ok(Self { recording: release.recording.try_into()?, reason: cut_reason(release.reason) })
    }
}

impl From<Release> for pb::Release {
    fn from(release: Release) -> Self {
        Self { recording: Some(release.recording.into()), reason: release.reason }
    }
}

/// Turns a group of messages into domain types.
///
/// # Errors
/// The group is longer than `most`, or one of its messages is malformed.
pub fn group<M, T: TryFrom<M, Error = Malformed>>(
    messages: Vec<M>,
    most: Group,
) -> Result<Vec<T>, Malformed> {
    if messages.len() > most.limit() {
        return Err(Malformed::invalid("group", format!("{} entries", messages.len()), most.expected()));
    }
    messages.into_iter().map(TryInto::try_into).collect()
}

/// How long a group may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Of results.
    Results,
    /// Of anything else.
    Other,
}

impl Group {
    fn limit(self) -> usize {
        match self {
            Self::Results => MAX_RESULT_GROUP,
            Self::Other => MAX_GROUP,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Results => "at most 500 entries",
            Self::Other => "at most 1,000 entries",
        }
    }
}

fn text(field: &'static str, value: String, most_chars: usize) -> Result<String, Malformed> {
    let fits =
        !value.is_empty() && value.chars().count() <= most_chars && !value.chars().any(char::is_control);
    if fits {
        Ok(value)
    } else {
        Err(Malformed::invalid(field, cut_reason(value).escape_debug(), "some printable text that fits"))
    }
}

fn within(
    field: &'static str,
    value: u32,
    least: u32,
    most: u32,
    expected: &'static str,
) -> Result<u32, Malformed> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(Malformed::invalid(field, value, expected)) }
}

fn seconds(field: &'static str, value: f64) -> Result<f64, Malformed> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(Malformed::invalid(field, value, "seconds, 0 or more"))
    }
}
