//! What travels on a `Receive` stream, as domain types.

use bytes::Bytes;

use crate::{
    DeliveryId, Digest, Malformed, RecordingId,
    limits::{MAX_NAME_BYTES, MAX_RECORDING_BYTES, PIECE_BYTES, cut_reason},
    pb::agent as pb,
};

/// A part of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The sending that it belongs to.
    pub delivery: DeliveryId,
    /// Of the data within the recording, in bytes.
    pub offset: u64,
    /// On the first piece.
    pub head: Option<PieceHead>,
    /// On the last piece.
    pub tail: Option<PieceTail>,
    /// The content.
    pub data: Bytes,
}

/// What the first piece says of the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceHead {
    /// The recording.
    pub recording: RecordingId,
    /// Its name.
    pub audio_name: String,
    /// Its size.
    pub size_bytes: u64,
    /// The round of identification to begin with.
    pub round: i32,
    /// Codes the answer is restricted to; empty means any.
    pub candidates: Vec<String>,
}

/// How a recording ends on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceTail {
    /// Whole; the digest of its content.
    Whole(Digest),
    /// The sender gave it up: nothing is to be kept and nothing reported.
    GivenUp,
}

impl TryFrom<pb::Piece> for Piece {
    type Error = Malformed;

    fn try_from(piece: pb::Piece) -> Result<Self, Malformed> {
        if piece.data.len() > PIECE_BYTES {
            return Err(Malformed::invalid("piece.data", piece.data.len(), "at most 262,144 bytes"));
        }
        Ok(Self {
            delivery: piece.delivery.try_into()?,
            offset: piece.offset,
            head: piece.head.map(TryInto::try_into).transpose()?,
            tail: piece.tail.map(TryInto::try_into).transpose()?,
            data: piece.data,
        })
    }
}

impl From<Piece> for pb::Piece {
    fn from(piece: Piece) -> Self {
        Self {
            delivery: Some(piece.delivery.into()),
            offset: piece.offset,
            head: piece.head.map(Into::into),
            tail: piece.tail.map(Into::into),
            data: piece.data,
        }
    }
}

impl TryFrom<pb::PieceHead> for PieceHead {
    type Error = Malformed;

    fn try_from(head: pb::PieceHead) -> Result<Self, Malformed> {
        let recording = head.recording.try_into()?;
        if head.size_bytes > MAX_RECORDING_BYTES {
            return Err(Malformed::invalid("head.size_bytes", head.size_bytes, "at most 4 GiB"));
        }
        check_name(&head.audio_name)?;
        Ok(Self {
            recording,
            audio_name: head.audio_name,
            size_bytes: head.size_bytes,
            round: head.round,
            candidates: head.candidates,
        })
    }
}

/// A name is one component of a path and nothing else.
fn check_name(name: &str) -> Result<(), Malformed> {
    let wrong = name.is_empty()
        || name.len() > MAX_NAME_BYTES
        || name == "."
        || name == ".."
        || name.chars().any(|c| c == '/' || c.is_control());
    if wrong {
        Err(Malformed::invalid(
            "head.audio_name",
            cut_reason(name.to_owned()).escape_debug(),
            "a file's name",
        ))
    } else {
        Ok(())
    }
}

impl From<PieceHead> for pb::PieceHead {
    fn from(head: PieceHead) -> Self {
        Self {
            recording: Some(head.recording.into()),
            audio_name: head.audio_name,
            size_bytes: head.size_bytes,
            round: head.round,
            candidates: head.candidates,
        }
    }
}

impl TryFrom<pb::PieceTail> for PieceTail {
    type Error = Malformed;

    fn try_from(tail: pb::PieceTail) -> Result<Self, Malformed> {
        if tail.digest.is_empty() {
            Ok(Self::GivenUp)
        } else {
            Ok(Self::Whole(Digest::try_from(&tail.digest[..])?))
        }
    }
}

impl From<PieceTail> for pb::PieceTail {
    fn from(tail: PieceTail) -> Self {
        let digest = match tail {
            PieceTail::Whole(digest) => Bytes::copy_from_slice(digest.as_bytes()),
            PieceTail::GivenUp => Bytes::new(),
        };
        Self { digest }
    }
}

/// What became of a delivery on the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Stored or refused.
    pub outcome: DeliveryOutcome,
}

/// Stored or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Durable on the agent.
    Acknowledged {
        /// Its size.
        size_bytes: u64,
        /// Digest of what the agent wrote.
        digest: Digest,
    },
    /// Not stored.
    Refused {
        /// Why, for programs.
        code: RefusalCode,
        /// Why, for people.
        reason: String,
    },
}

/// Why an agent did not store a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// Size or digest differ from what the pieces said.
    Integrity,
    /// No room.
    DiskFull,
    /// The file system answered with an error.
    Io,
    /// `publish_dir` has another file of that name.
    NameTaken,
}

impl RefusalCode {
    /// The fixed word that stands in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::DiskFull => "disk_full",
            Self::Io => "agent_io",
            Self::NameTaken => "name_taken",
        }
    }
}

impl TryFrom<pb::DeliveryReport> for DeliveryReport {
    type Error = Malformed;

    fn try_from(report: pb::DeliveryReport) -> Result<Self, Malformed> {
        let outcome = match report.outcome.ok_or(Malformed::Missing("report.outcome"))? {
            pb::delivery_report::Outcome::Acknowledgement(stored) => DeliveryOutcome::Acknowledged {
                size_bytes: stored.size_bytes,
                digest: Digest::try_from(&stored.digest[..])?,
            },
            pb::delivery_report::Outcome::Refusal(refusal) => DeliveryOutcome::Refused {
                code: refusal.code().try_into()?,
                reason: cut_reason(refusal.reason),
            },
        };
        Ok(Self { delivery: report.delivery.try_into()?, outcome })
    }
}

impl From<DeliveryReport> for pb::DeliveryReport {
    fn from(report: DeliveryReport) -> Self {
        let outcome = match report.outcome {
            DeliveryOutcome::Acknowledged { size_bytes, digest } => {
                pb::delivery_report::Outcome::Acknowledgement(pb::Acknowledgement {
                    size_bytes,
                    digest: Bytes::copy_from_slice(digest.as_bytes()),
                })
            }
            DeliveryOutcome::Refused { code, reason } => {
                let code = pb::RefusalCode::from(code).into();
                pb::delivery_report::Outcome::Refusal(pb::Refusal { code, reason })
            }
        };
        Self { delivery: Some(report.delivery.into()), outcome: Some(outcome) }
    }
}

impl TryFrom<pb::RefusalCode> for RefusalCode {
    type Error = Malformed;

    fn try_from(code: pb::RefusalCode) -> Result<Self, Malformed> {
        match code {
            pb::RefusalCode::Unspecified => {
                Err(Malformed::invalid("refusal.code", code.as_str_name(), "a known code"))
            }
            pb::RefusalCode::Integrity => Ok(Self::Integrity),
            pb::RefusalCode::DiskFull => Ok(Self::DiskFull),
            pb::RefusalCode::Io => Ok(Self::Io),
            pb::RefusalCode::NameTaken => Ok(Self::NameTaken),
        }
    }
}

impl From<RefusalCode> for pb::RefusalCode {
    fn from(code: RefusalCode) -> Self {
        match code {
            RefusalCode::Integrity => Self::Integrity,
            RefusalCode::DiskFull => Self::DiskFull,
            RefusalCode::Io => Self::Io,
            RefusalCode::NameTaken => Self::NameTaken,
        }
    }
}
