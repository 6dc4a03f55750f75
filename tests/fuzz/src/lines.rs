//! The line protocol of engines, from both sides. Whatever a worker prints
//! becomes an outcome that the journal keeps and the controller takes.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use cofi_agent::{Board, fuzz};
use cofi_language::{Canonical, LanguageCode, LanguageTable};
use cofi_lid::protocol::{MAX_LINE_BYTES, ProtocolError, Request, WorkerLine};
use cofi_proto::{
    BatchId, Digest, RecordingId,
    limits::MAX_REASON_BYTES,
    pb::agent as pb,
    session::{Engine, LidOutcome, LidResult},
};

use crate::{Kind, check_words, dispatch};

/// What an input may be.
pub const KINDS: &[Kind] = &[("worker", worker), ("request", request), ("language", language)];

/// What the worker whose words are fuzzed was asked for.
const ASKED: &str = "1/2#1";

/// The target.
pub fn check(input: &[u8]) {
    dispatch(KINDS, input);
}

/// The standard output of a worker.
fn worker(output: &[u8]) {
    let request = Request { id: ASKED.to_owned(), path: "/a.wav".into(), candidates: Vec::new() };
    for fuzz::Heard { worker, outcome } in ready(fuzz::heard(output, &request)) {
        let mut board = Board::new("worker.py".to_owned());
        board.note(0, worker);
        check_engine(board.engine());
        check_outcome(outcome.unwrap_or_else(LidOutcome::Failed));
    }
    output.split(|byte| *byte == b'\n').for_each(line);
}

/// What the agent says of its engine, the controller takes as it is.
fn check_engine(engine: Engine) {
    assert!([&engine.name, &engine.reason, &engine.device].iter().all(|text| text.len() <= MAX_REASON_BYTES));
    assert_eq!(Engine::try_from(pb::Engine::from(engine.clone())), Ok(engine));
}

/// What is written down is what was heard, and no controller refuses it: it
/// would be sent again for ever.
fn check_outcome(outcome: LidOutcome) {
    let kept = fuzz::journalled(outcome.clone()).expect("an outcome that the journal keeps");
    assert_eq!(kept, outcome);
    let recording = RecordingId { batch: BatchId(1), ordinal: 2 };
    let result = LidResult { recording, round: 1, outcome, digest: Some(Digest::of(b"")) };
    let taken = LidResult::try_from(pb::LidResult::from(result.clone()));
    assert_eq!(taken.as_ref(), Ok(&result));
}

/// A line that is understood is written as one that is understood alike.
fn line(line: &[u8]) {
    let Ok(text) = std::str::from_utf8(line) else { return };
    match WorkerLine::parse(text) {
        Ok(said) => {
            let written = said.to_line().expect("a line");
            assert!(!written.contains('\n') && written.len() < MAX_LINE_BYTES);
            assert_eq!(WorkerLine::parse(&written).expect("what was written"), said);
        }
        Err(error) => check_refusal(&error),
    }
}

/// What the agent asks its worker for.
fn request(line: &[u8]) {
    let Ok(text) = std::str::from_utf8(line) else { return };
    match Request::parse(text) {
        Ok(request) => {
            assert!(request.path.is_absolute() && !request.id.is_empty());
            let written = request.to_line().expect("a line");
            assert!(!written.contains('\n'));
            assert_eq!(Request::parse(&written).expect("what was written"), request);
        }
        Err(error) => check_refusal(&error),
    }
}

/// A word for a language has one code, which is its own; what is not known is
/// kept as it was said.
fn language(word: &[u8]) {
    let Ok(word) = std::str::from_utf8(word) else { return };
    let table = LanguageTable::default();
    match table.canonical(word) {
        Canonical::Known(code) => {
            assert!(code.as_str().len() <= LanguageCode::MAX_CHARS && code.as_str().is_ascii());
            assert_eq!(table.canonical(code.as_str()), Canonical::Known(code));
        }
        Canonical::Unmapped(said) => assert_eq!(said, word),
    }
    assert_eq!(table.canonical(&format!(" {word}\t")).known(), table.canonical(word).known());
}

fn check_refusal(error: &ProtocolError) {
    check_words(error);
}

/// The outcome of what never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("there is nothing to wait for"),
    }
}
