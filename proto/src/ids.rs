//! The names of things, settled once.

use std::fmt;

use crate::{Malformed, limits::cut_reason, pb::agent as pb};

/// A batch: `batchStatus.id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A recording: its batch and its place in the manifest, from 0. Written
/// `123/4567` for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingId {
    /// The batch.
    pub batch: BatchId,
    /// Its place in the manifest, from 0.
    pub ordinal: i64,
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.batch, self.ordinal)
    }
}

impl std::str::FromStr for RecordingId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parse = || {
            let (batch, ordinal) = text.split_once('/')?;
            Some(Self { batch: BatchId(batch.parse().ok()?), ordinal: ordinal.parse().ok()? })
        };
        parse().ok_or_else(|| {
            Malformed::invalid("recording", shown(text), "BATCH/ORDINAL, for example 123/4567")
        })
    }
}

impl TryFrom<pb::RecordingId> for RecordingId {
    type Error = Malformed;

    fn try_from(id: pb::RecordingId) -> Result<Self, Malformed> {
        if id.batch_id < 1 {
            return Err(Malformed::invalid("recording.batch_id", id.batch_id, "1 or more"));
        }
        if id.ordinal < 0 {
            return Err(Malformed::invalid("recording.ordinal", id.ordinal, "0 or more"));
        }
        Ok(Self { batch: BatchId(id.batch_id), ordinal: id.ordinal })
    }
}

impl TryFrom<Option<pb::RecordingId>> for RecordingId {
    type Error = Malformed;

    fn try_from(id: Option<pb::RecordingId>) -> Result<Self, Malformed> {
        id.ok_or(Malformed::Missing("recording"))?.try_into()
    }
}

impl From<RecordingId> for pb::RecordingId {
    fn from(id: RecordingId) -> Self {
        Self { batch_id: id.batch.0, ordinal: id.ordinal }
    }
}

/// One sending of a recording to an agent. Lives in memory only; the
/// generation, raised durably at each start of the controller, keeps the
/// deliveries of different runs apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// Of the controller.
    pub generation: u64,
    /// Counts up within a generation.
    pub sequence: u64,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.sequence)
    }
}

impl TryFrom<Option<pb::DeliveryId>> for DeliveryId {
    type Error = Malformed;

    fn try_from(id: Option<pb::DeliveryId>) -> Result<Self, Malformed> {
        let id = id.ok_or(Malformed::Missing("delivery"))?;
        Ok(Self { generation: id.generation, sequence: id.sequence })
    }
}

impl From<DeliveryId> for pb::DeliveryId {
    fn from(id: DeliveryId) -> Self {
        Self { generation: id.generation, sequence: id.sequence }
    }
}

/// Name of an agent: 1 to 64 letters, digits, '.', '-' and '_', beginning with
/// a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentName(String);

impl AgentName {
    const EXPECTED: &str = "1 to 64 letters, digits, '.', '-' or '_', the first one a letter or digit";

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for AgentName {
    type Error = Malformed;

    fn try_from(name: String) -> Result<Self, Malformed> {
        let fits = name.len() <= 64
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if fits { Ok(Self(name)) } else { Err(Malformed::invalid("name", shown(&name), Self::EXPECTED)) }
    }
}

impl std::str::FromStr for AgentName {
    type Err = Malformed;

    fn from_str(name: &str) -> Result<Self, Malformed> {
        name.to_owned().try_into()
    }
}

/// A text that is none of ours, for a refusal: not more of it than fits into the
/// header of an answer, and in one line.
fn shown(text: &str) -> impl fmt::Display {
    cut_reason(text.to_owned()).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_is_read_as_it_is_written() {
        let id = RecordingId { batch: BatchId(123), ordinal: 4567 };
        assert_eq!(id.to_string(), "123/4567");
        assert_eq!("123/4567".parse(), Ok(id));
        for wrong in ["", "123", "a/b", "1/2/3", "/"] {
            assert!(wrong.parse::<RecordingId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_in_one_short_line() {
        let text = format!("a\n{}", "\u{1}".repeat(1_000_000));
        let refusals = [text.parse::<AgentName>().unwrap_err(), text.parse::<RecordingId>().unwrap_err()];
        for words in refusals.map(|refusal| refusal.to_string()) {
            assert!(words.len() < 8 * 1024 && !words.contains(char::is_control), "{}", words.len());
        }
    }

    #[test]
    fn agent_names_that_could_be_taken_for_something_else_are_refused() {
        for wrong in ["", "-a", ".hidden", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(wrong.parse::<AgentName>().is_err(), "{wrong}");
        }
        assert_eq!("gpu-01.rack_2".parse::<AgentName>().unwrap().as_str(), "gpu-01.rack_2");
    }
}
