//! From the worker's words to an outcome.

use cofi_lid::protocol::{Answer, Failure, FailureClass, LanguageProbability, Request, WorkerLine};
use cofi_proto::{
    limits::cut_reason,
    session::{self, Identified},
};

use super::process::WorkerError;

/// Longest language and most probabilities that the controller takes.
const MAX_LANGUAGE_CHARS: usize = 64;
const MAX_PROBABILITIES: usize = 5;

/// What a worker made of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Identified(Identified),
    /// The recording is to blame: every engine would fail.
    Unfit {
        code: String,
        reason: String,
    },
    /// The engine is to blame: another attempt may succeed.
    Failed {
        code: String,
        reason: String,
    },
}

/// What `line` says about `request`. `wall_seconds` stands in where the worker
/// does not say how long it took.
pub(super) fn verdict(
    request: &Request,
    line: WorkerLine,
    wall_seconds: f64,
) -> Result<Verdict, WorkerError> {
    match line {
        WorkerLine::Answer(answer) if answer.id == request.id => identified(answer, wall_seconds),
        WorkerLine::Failure(failure) | WorkerLine::GivenUp(failure) if failure.id == request.id => {
            Ok(failed(failure))
        }
        WorkerLine::Answer(_) => Err(WorkerError::OutOfTurn("an answer to something else")),
        WorkerLine::Failure(_) | WorkerLine::GivenUp(_) => {
            Err(WorkerError::OutOfTurn("a failure of something else"))
        }
        WorkerLine::Ready { .. } => Err(WorkerError::OutOfTurn("ready")),
        WorkerLine::Fatal { fatal } => Err(WorkerError::Fatal(fatal)),
    }
}

fn identified(answer: Answer, wall_seconds: f64) -> Result<Verdict, WorkerError> {
    let mut languages = std::iter::once(&answer.language)
        .chain(answer.probabilities.iter().map(|each| &each.language))
        .chain(answer.unrestricted.iter().map(|each| &each.language));
    if languages.any(|language| language.chars().nth(MAX_LANGUAGE_CHARS).is_some()) {
        return Err(WorkerError::OutOfTurn("a language of more than 64 characters"));
    }
    Ok(Verdict::Identified(Identified {
        language: answer.language,
        probabilities: answer.probabilities.into_iter().take(MAX_PROBABILITIES).map(likely).collect(),
        unrestricted: answer.unrestricted.map(likely),
        duration_seconds: answer.duration_seconds,
        processing_seconds: answer.processing_seconds.unwrap_or(wall_seconds),
    }))
}

fn failed(failure: Failure) -> Verdict {
    let (code, reason) = (failure.code, cut_reason(failure.error));
    match failure.class {
        FailureClass::Recording => Verdict::Unfit { code, reason },
        FailureClass::Engine => Verdict::Failed { code, reason },
    }
}

fn likely(each: LanguageProbability) -> session::LanguageProbability {
    session::LanguageProbability { language: each.language, probability: each.probability }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(line: &str) -> Result<Verdict, String> {
        let request = Request { id: "1/2#1".to_owned(), path: "/a.wav".into(), candidates: Vec::new() };
        let line = WorkerLine::parse(line).unwrap();
        verdict(&request, line, 0.5).map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_without_times_gets_the_wall_time() {
        let line = r#"{"id":"1/2#1","language":"hin","duration_seconds":12.5}"#;
        let Verdict::Identified(identified) = judge(line).unwrap() else { panic!("not identified") };
        assert_eq!(identified.language, "hin");
        assert!((identified.processing_seconds - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn the_class_of_a_failure_decides_whether_it_is_tried_again() {
        let unfit = judge(r#"{"id":"1/2#1","error":"no audio","code":"empty","class":"recording"}"#).unwrap();
        assert_eq!(unfit, Verdict::Unfit { code: "empty".to_owned(), reason: "no audio".to_owned() });
        let failed = judge(r#"{"id":"1/2#1","error":"out of memory","class":"engine"}"#).unwrap();
        assert_eq!(
            failed,
            Verdict::Failed { code: "engine_error".to_owned(), reason: "out of memory".to_owned() }
        );
    }

    #[test]
    fn answers_to_something_else_are_nonsense() {
        assert!(judge(r#"{"id":"1/3#1","language":"hi","duration_seconds":1}"#).is_err());
        assert!(judge(r#"{"ready":{}}"#).is_err());
        let long = "x".repeat(65);
        assert!(judge(&format!(r#"{{"id":"1/2#1","language":"{long}","duration_seconds":1}}"#)).is_err());
    }
}
