//! What came out of identifying a recording.

use super::{seconds, text};
use crate::{Digest, Malformed, RecordingId, limits::cut_reason, pb::agent as pb};

/// The outcome of one round of identification of one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct LidResult {
    /// The recording.
    pub recording: RecordingId,
    /// The round that it answers.
    pub round: i32,
    /// What came out.
    pub outcome: LidOutcome,
    /// Of the content that was identified; none if an older agent says nothing
    /// of it.
    pub digest: Option<Digest>,
}

/// What came out of a round of identification.
#[derive(Debug, Clone, PartialEq)]
pub enum LidOutcome {
    /// A language.
    Identified(Identified),
    /// None, for good.
    Failed(LidFailure),
}

/// A language, as the engine said it.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// As the engine said it.
    pub language: String,
    /// The engine's best, the likeliest first.
    pub probabilities: Vec<LanguageProbability>,
    /// The best without regard to candidates.
    pub unrestricted: Option<LanguageProbability>,
    /// Seconds of the samples that were decoded.
    pub duration_seconds: f64,
    /// Wall time in the engine, in seconds.
    pub processing_seconds: f64,
}

/// A language and how likely it is.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageProbability {
    /// As the engine said it.
    pub language: String,
    /// 0 to 1.
    pub probability: f64,
}

/// Why a recording has no language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LidFailure {
    /// A fixed word for programs.
    pub code: String,
    /// Words for people.
    pub reason: String,
    /// How often the agent tried.
    pub attempts: i32,
    /// What it lies in.
    pub class: FailureClass,
}

/// What a failure lies in, and against whom it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The recording: it would fail anywhere.
    Recording,
    /// The agent that had it: its engine, its disk.
    Agent,
}

impl From<pb::FailureClass> for FailureClass {
    fn from(class: pb::FailureClass) -> Self {
        match class {
            pb::FailureClass::Unspecified | pb::FailureClass::Recording => Self::Recording,
            pb::FailureClass::Agent => Self::Agent,
        }
    }
}

impl From<FailureClass> for pb::FailureClass {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::Recording => Self::Recording,
            FailureClass::Agent => Self::Agent,
        }
    }
}

/// Longest language code or failure code that is taken.
const MAX_CODE_CHARS: usize = 64;
const MAX_PROBABILITIES: usize = 5;

impl TryFrom<pb::LidResult> for LidResult {
    type Error = Malformed;

    fn try_from(result: pb::LidResult) -> Result<Self, Malformed> {
        let outcome = match result.outcome.ok_or(Malformed::Missing("result.outcome"))? {
            pb::lid_result::Outcome::Identified(identified) => LidOutcome::Identified(identified.try_into()?),
            pb::lid_result::Outcome::Failure(failure) => LidOutcome::Failed(LidFailure {
                class: failure.class().into(),
                code: text("failure.code", failure.code, MAX_CODE_CHARS)?,
                reason: cut_reason(failure.reason),
                attempts: failure.attempts.max(0),
            }),
        };
        let said = (!result.digest.is_empty()).then(|| Digest::try_from(&result.digest[..])).transpose();
        let digest =
            said.map_err(|_| Malformed::invalid("result.digest", result.digest.len(), "16 bytes"))?;
        Ok(Self { recording: result.recording.try_into()?, round: result.round, outcome, digest })
    }
}

impl TryFrom<pb::Identified> for Identified {
    type Error = Malformed;

    fn try_from(identified: pb::Identified) -> Result<Self, Malformed> {
        let probabilities =
            identified.probabilities.into_iter().take(MAX_PROBABILITIES).map(TryInto::try_into);
        Ok(Self {
            language: text("identified.language", identified.language, MAX_CODE_CHARS)?,
            probabilities: probabilities.collect::<Result<_, _>>()?,
            unrestricted: identified.unrestricted.map(TryInto::try_into).transpose()?,
            duration_seconds: seconds("identified.duration_seconds", identified.duration_seconds)?,
            processing_seconds: seconds("identified.processing_seconds", identified.processing_seconds)?,
        })
    }
}

impl TryFrom<pb::LanguageProbability> for LanguageProbability {
    type Error = Malformed;

    fn try_from(likely: pb::LanguageProbability) -> Result<Self, Malformed> {
        if !(0.0..=1.0).contains(&likely.probability) {
            return Err(Malformed::invalid("probability", likely.probability, "0 to 1"));
        }
        let language = text("probability.language", likely.language, MAX_CODE_CHARS)?;
        Ok(Self { language, probability: likely.probability })
    }
}

impl From<LanguageProbability> for pb::LanguageProbability {
    fn from(likely: LanguageProbability) -> Self {
        Self { language: likely.language, probability: likely.probability }
    }
}

impl From<LidResult> for pb::LidResult {
    fn from(result: LidResult) -> Self {
        let outcome = match result.outcome {
            LidOutcome::Identified(identified) => pb::lid_result::Outcome::Identified(pb::Identified {
                language: identified.language,
                probabilities: identified.probabilities.into_iter().map(Into::into).collect(),
                unrestricted: identified.unrestricted.map(Into::into),
                duration_seconds: identified.duration_seconds,
                processing_seconds: identified.processing_seconds,
            }),
            LidOutcome::Failed(failure) => pb::lid_result::Outcome::Failure(pb::LidFailure {
                code: failure.code,
                reason: failure.reason,
                attempts: failure.attempts,
                class: pb::FailureClass::from(failure.class).into(),
            }),
        };
        let digest = result.digest.map(|digest| bytes::Bytes::copy_from_slice(digest.as_bytes()));
        Self {
            recording: Some(result.recording.into()),
            round: result.round,
            outcome: Some(outcome),
            digest: digest.unwrap_or_default(),
        }
    }
}
