//! The built-in engine as a worker process: requests on standard input, answers on standard output.

use std::{
    io::{self, BufRead, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use crate::{
    audio::AudioError,
    engine::{Device, Engine, EngineError, Identified},
    protocol::{
        Answer, Failure, FailureClass, LanguageProbability, MAX_LINE_BYTES, ProtocolError, Ready, Request,
        WorkerLine,
    },
};

/// How the worker is told what to use.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerArgs {
    /// Folder that tools/make-model made
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// ONNX Runtime [default: libonnxruntime.so in the model folder]
    #[arg(long, value_name = "FILE")]
    pub onnxruntime_lib: Option<PathBuf>,
    /// What to compute on
    #[arg(long, value_enum, default_value_t)]
    pub device: Device,
    /// Threads for one recording; several workers use the cores better than several threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Probability below which the answer is 'und'
    #[arg(long, value_name = "P", default_value_t = DEFAULT_FLOOR, value_parser = probability)]
    pub floor: f64,
}

/// Below this the likeliest language is more often wrong than right.
pub const DEFAULT_FLOOR: f64 = 0.35;

/// Standard output or input is gone or broken.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("read a request")]
    Read(#[source] io::Error),
    #[error("write an answer")]
    Write(#[source] io::Error),
    #[error("read a request")]
    Request(#[source] ProtocolError),
    #[error("put an answer into a line")]
    Line(#[source] ProtocolError),
}

/// Serves requests until standard input closes. Nothing but protocol lines goes to standard output.
#[must_use]
pub fn run(args: &WorkerArgs) -> ExitCode {
    let mut out = io::stdout().lock();
    let mut input = io::stdin().lock();
    let library = args.onnxruntime_lib.clone().unwrap_or_else(|| args.model.join("libonnxruntime.so"));
    let loaded = Engine::load(&args.model, &library, args.device, usize::from(args.threads), args.floor);
    let served = match loaded {
        Ok(engine) => serve(engine, args, &mut input, &mut out),
        Err(error) => {
            let fatal = chain(&error);
            tracing::error!(reason = fatal, "engine does not load");
            if let Err(error) = write(&mut out, &WorkerLine::Fatal { fatal }) {
                tracing::error!(reason = chain(&error), "the reason cannot be told");
            }
            return ExitCode::FAILURE;
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(reason = chain(&error), "worker stops");
            ExitCode::FAILURE
        }
    }
}

fn serve(
    mut engine: Engine,
    args: &WorkerArgs,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> Result<(), WorkerError> {
    let model = engine.model();
    let ready = Ready {
        engine: Some("whisper-lid".to_owned()),
        device: Some(model.device().to_owned()),
        model: Some(args.model.display().to_string()),
        note: model.note().map(str::to_owned),
    };
    write(out, &WorkerLine::Ready { ready })?;
    let mut line = String::new();
    while read_line(input, &mut line)? {
        let request = Request::parse(line.trim_end()).map_err(WorkerError::Request)?;
        write(out, &handle(&mut engine, &request))?;
    }
    Ok(())
}

/// Answers one request; a panic costs that recording and no other.
fn handle(engine: &mut Engine, request: &Request) -> WorkerLine {
    let begun = Instant::now();
    // The engine keeps only buffers and filters between recordings, each overwritten before it is read.
    let outcome = catch_unwind(AssertUnwindSafe(|| engine.identify(&request.path, &request.candidates)));
    match outcome {
        Ok(Ok(identified)) => WorkerLine::Answer(answer(request, identified, begun)),
        Ok(Err(error)) => WorkerLine::Failure(failure(request, &error)),
        Err(_) => WorkerLine::Failure(Failure {
            id: request.id.clone(),
            error: "the engine panicked on this recording, see its log".to_owned(),
            code: "engine_panic".to_owned(),
            class: FailureClass::Recording,
        }),
    }
}

fn answer(request: &Request, identified: Identified, begun: Instant) -> Answer {
    let named = |(language, probability): (cofi_language::LanguageCode, f64)| LanguageProbability {
        language: language.into(),
        probability,
    };
    Answer {
        id: request.id.clone(),
        language: identified.language.into(),
        probabilities: identified.probabilities.into_iter().map(named).collect(),
        unrestricted: identified.unrestricted.map(named),
        duration_seconds: identified.duration_seconds,
        processing_seconds: Some(begun.elapsed().as_secs_f64()),
    }
}

fn failure(request: &Request, error: &EngineError) -> Failure {
    let (code, class) = match error {
        EngineError::Audio(error) => (AudioError::code(error), error.class()),
        EngineError::Candidates(_) => ("unknown_candidates", FailureClass::Recording),
        EngineError::Library { .. }
        | EngineError::Graph { .. }
        | EngineError::Contract(_)
        | EngineError::Language(_)
        | EngineError::Run(_)
        | EngineError::Features(_) => ("engine_error", FailureClass::Engine),
    };
    Failure { id: request.id.clone(), error: chain(error), code: code.to_owned(), class }
}

/// Reads a line of bounded length; false at the end of the input.
fn read_line(input: &mut impl BufRead, line: &mut String) -> Result<bool, WorkerError> {
    line.clear();
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    let read = input.take(limit).read_line(line).map_err(WorkerError::Read)?;
    if read == MAX_LINE_BYTES && !line.ends_with('\n') {
        return Err(WorkerError::Request(ProtocolError::TooLong { bytes: read }));
    }
    Ok(read > 0)
}

fn write(out: &mut impl Write, line: &WorkerLine) -> Result<(), WorkerError> {
    let mut line = line.to_line().map_err(WorkerError::Line)?;
    line.push('\n');
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(WorkerError::Write)
}

/// The error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        Ok(_) | Err(_) => Err("a probability is a number from 0 to 1".to_owned()),
    }
}
