//! The worker's side: ready or fatal once, then answers and failures.

use serde::{Deserialize, Serialize, Serializer};

use super::{ProtocolError, check_length, check_text, to_line};

/// The code of a failure that came without one.
const DEFAULT_CODE: &str = "engine_error";

/// `lidStatus.language` holds no more.
const MAX_LANGUAGE_CHARS: usize = 100;

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum WorkerLine {
    /// The worker takes requests now.
    Ready {
        /// What it is.
        ready: Ready,
    },
    /// The worker cannot work at all and exits.
    Fatal {
        /// Why.
        fatal: String,
    },
    /// The language of one recording.
    Answer(Answer),
    /// One recording has no answer.
    Failure(Failure),
    /// One recording has no answer, and the worker ends for it: it takes no other request.
    #[serde(serialize_with = "as_the_last")]
    GivenUp(Failure),
}

/// How a worker introduces itself; foreign workers may leave all of it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The engine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// What it computes on: `cpu` or `cuda`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The model it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What a person should know, such as why CUDA is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A language and how sure the engine is of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageProbability {
    /// The language as the engine calls it.
    pub language: String,
    /// From 0 to 1.
    pub probability: f64,
}

/// The language of one recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The id of the request.
    pub id: String,
    /// The language as the engine calls it; the built-in engine says canonical codes.
    pub language: String,
    /// The likeliest languages among the candidates, the likeliest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<LanguageProbability>,
    /// The likeliest of all languages, whatever the candidates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrestricted: Option<LanguageProbability>,
    /// How long the recording is, by the samples that were decoded.
    pub duration_seconds: f64,
    /// How long the engine took, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processing_seconds: Option<f64>,
}

/// Why one recording has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The id of the request.
    pub id: String,
    /// The reason in words.
    pub error: String,
    /// The reason as a word for programs, such as `undecodable`.
    pub code: String,
    /// What the reason lies in.
    pub class: FailureClass,
}

/// Whether trying elsewhere could help.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// The recording: every engine would fail on it.
    #[default]
    Recording,
    /// This engine: another try or another host may succeed.
    Engine,
}

/// All members that any line may have; which are there decides what the line is.
#[derive(Deserialize)]
struct Members {
    ready: Option<Ready>,
    fatal: Option<String>,
    id: Option<String>,
    language: Option<String>,
    #[serde(default)]
    probabilities: Vec<LanguageProbability>,
    unrestricted: Option<LanguageProbability>,
    duration_seconds: Option<f64>,
    processing_seconds: Option<f64>,
    error: Option<String>,
    code: Option<String>,
    #[serde(default)]
    class: FailureClass,
    #[serde(default)]
    ends: bool,
}

impl WorkerLine {
    /// Reads what a worker said from a line without its line feed; members that are not known are ignored.
    pub fn parse(line: &str) -> Result<Self, ProtocolError> {
        check_length(line)?;
        let mut members: Members = serde_json::from_str(line)?;
        let shape =
            (members.ready.take(), members.fatal.take(), members.language.take(), members.error.take());
        match shape {
            (Some(ready), None, None, None) => Ok(Self::Ready { ready }),
            (None, Some(fatal), None, None) => Ok(Self::Fatal { fatal }),
            (None, None, Some(language), None) => members.into_answer(language).map(Self::Answer),
            (None, None, None, Some(error)) if members.ends => members.into_failure(error).map(Self::GivenUp),
            (None, None, None, Some(error)) => members.into_failure(error).map(Self::Failure),
            (None, None, None, None) => Err(ProtocolError::Shape { found: "none of them" }),
            (_, _, _, _) => Err(ProtocolError::Shape { found: "several at once" }),
        }
    }

    /// The line without its line feed.
    pub fn to_line(&self) -> Result<String, ProtocolError> {
        to_line(self)
    }
}

impl Members {
    fn into_answer(self, language: String) -> Result<Answer, ProtocolError> {
        check_language("language", &language)?;
        for each in &self.probabilities {
            check_probability("probabilities", each)?;
        }
        if let Some(unrestricted) = &self.unrestricted {
            check_probability("unrestricted", unrestricted)?;
        }
        if let Some(seconds) = self.processing_seconds {
            check_seconds("processing_seconds", seconds)?;
        }
        let duration_seconds = self.duration_seconds.ok_or_else(|| missing("duration_seconds"))?;
        check_seconds("duration_seconds", duration_seconds)?;
        Ok(Answer {
            id: checked_id(self.id)?,
            language,
            probabilities: self.probabilities,
            unrestricted: self.unrestricted,
            duration_seconds,
            processing_seconds: self.processing_seconds,
        })
    }

    fn into_failure(self, error: String) -> Result<Failure, ProtocolError> {
        let code = self.code.unwrap_or_else(|| DEFAULT_CODE.to_owned());
        check_text("code", &code, 64, "1 to 64 characters")?;
        Ok(Failure { id: checked_id(self.id)?, error, code, class: self.class })
    }
}

fn as_the_last<S: Serializer>(failure: &Failure, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Last<'a> {
        #[serde(flatten)]
        failure: &'a Failure,
        ends: bool,
    }
    Last { failure, ends: true }.serialize(serializer)
}

fn checked_id(id: Option<String>) -> Result<String, ProtocolError> {
    let id = id.ok_or_else(|| missing("id"))?;
    check_text("id", &id, 256, "1 to 256 characters")?;
    Ok(id)
}

fn missing(field: &'static str) -> ProtocolError {
    ProtocolError::Value { field, value: "missing".to_owned(), accepted: "there" }
}

fn check_language(field: &'static str, language: &str) -> Result<(), ProtocolError> {
    check_text(field, language, MAX_LANGUAGE_CHARS, "1 to 100 characters")
}

fn check_probability(field: &'static str, each: &LanguageProbability) -> Result<(), ProtocolError> {
    check_language(field, &each.language)?;
    if (0.0..=1.0).contains(&each.probability) {
        return Ok(());
    }
    Err(ProtocolError::Value { field, value: each.probability.to_string(), accepted: "from 0 to 1" })
}

fn check_seconds(field: &'static str, seconds: f64) -> Result<(), ProtocolError> {
    if seconds.is_finite() && seconds >= 0.0 {
        return Ok(());
    }
    Err(ProtocolError::Value { field, value: seconds.to_string(), accepted: "seconds, 0 or more" })
}
