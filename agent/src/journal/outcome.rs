//! The form in which an outcome of the engine stands in the journal.

use std::sync::Arc;

use cofi_proto::session::{FailureClass, Identified, LanguageProbability, LidFailure, LidOutcome};
use serde::{Deserialize, Serialize};

use super::JournalError;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Identified {
        language: String,
        probabilities: Vec<Likely>,
        unrestricted: Option<Likely>,
        duration_seconds: f64,
        processing_seconds: f64,
    },
    Failed {
        code: String,
        reason: String,
        attempts: i32,
        #[serde(default)]
        class: Class,
    },
}

/// What a failure lies in; of the recording in a journal of an older agent.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    #[default]
    Recording,
    Agent,
}

impl From<FailureClass> for Class {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::Recording => Self::Recording,
            FailureClass::Agent => Self::Agent,
        }
    }
}

impl From<Class> for FailureClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Recording => Self::Recording,
            Class::Agent => Self::Agent,
        }
    }
}

/// A language and how likely it is, from 0 to 1.
#[derive(Serialize, Deserialize)]
struct Likely(String, f64);

impl From<LanguageProbability> for Likely {
    fn from(likely: LanguageProbability) -> Self {
        Self(likely.language, likely.probability)
    }
}

impl From<Likely> for LanguageProbability {
    fn from(Likely(language, probability): Likely) -> Self {
        Self { language, probability }
    }
}

impl From<LidOutcome> for Outcome {
    fn from(outcome: LidOutcome) -> Self {
        match outcome {
            LidOutcome::Identified(identified) => Self::Identified {
                language: identified.language,
                probabilities: identified.probabilities.into_iter().map(Into::into).collect(),
                unrestricted: identified.unrestricted.map(Into::into),
                duration_seconds: identified.duration_seconds,
                processing_seconds: identified.processing_seconds,
            },
            LidOutcome::Failed(LidFailure { code, reason, attempts, class }) => {
                Self::Failed { code, reason, attempts, class: class.into() }
            }
        }
    }
}

impl From<Outcome> for LidOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Identified {
                language,
                probabilities,
                unrestricted,
                duration_seconds,
                processing_seconds,
            } => Self::Identified(Identified {
                language,
                probabilities: probabilities.into_iter().map(Into::into).collect(),
                unrestricted: unrestricted.map(Into::into),
                duration_seconds,
                processing_seconds,
            }),
            Outcome::Failed { code, reason, attempts, class } => {
                Self::Failed(LidFailure { code, reason, attempts, class: class.into() })
            }
        }
    }
}

/// The outcome as the journal holds it.
pub(super) fn to_text(outcome: LidOutcome) -> Result<String, JournalError> {
    serde_json::to_string(&Outcome::from(outcome))
        .map_err(|source| JournalError::Encode { what: "an outcome", source: Arc::new(source) })
}

/// The outcome that the journal holds.
pub(super) fn from_text(text: &str) -> Result<LidOutcome, JournalError> {
    serde_json::from_str::<Outcome>(text).map(Into::into).map_err(|_| JournalError::damaged("outcome", text))
}

/// The outcome after it was in the journal, for the fuzz targets; none if it
/// cannot be written or read.
#[must_use]
pub fn journalled(outcome: LidOutcome) -> Option<LidOutcome> {
    from_text(&to_text(outcome).ok()?).ok()
}
