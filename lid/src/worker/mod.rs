//! The built-in engine as a worker process: requests on standard input, answers on standard output.

mod limits;
mod watchdog;

use std::{
    io::{self, BufRead, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

pub use limits::forbid_dumps;
use watchdog::{Bounds, Excess, Watchdog};

use crate::{
    audio::{Allowance, AudioError},
    engine::{Device, Engine, EngineError, Identified},
    protocol::{
        Answer, Failure, FailureClass, LanguageProbability, MAX_LINE_BYTES, ProtocolError, Ready, Request,
        WorkerLine,
    },
};

/// Identifies languages for an agent: requests on standard input, answers on standard output.
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
    /// Seconds after which a recording is given up, and the worker with it
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub time_limit: u32,
    /// MiB that a recording may take beyond what the loaded model does
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..))]
    pub memory_limit: u32,
}

impl WorkerArgs {
    fn memory_bytes(&self) -> u64 {
        u64::from(self.memory_limit) << 20
    }
}

/// Below this the likeliest language is less likely than all others together.
///
/// Measured with whisper-base on 400 single telephone prompts, most of 1 to 3 s: of the answers below 0.5 44 %
/// were right, from 0.6 on 99 %. Clips of 10 s and more lie above 0.85.
pub const DEFAULT_FLOOR: f64 = 0.5;

/// Why a worker stops before its input ends.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("load the engine")]
    Load(#[source] EngineError),
    #[error("read a request")]
    Read(#[source] io::Error),
    #[error("write an answer")]
    Write(#[source] io::Error),
    #[error("understand a request")]
    Request(#[source] ProtocolError),
    #[error("put an answer into a line")]
    Line(#[source] ProtocolError),
    #[error("limit what the process may use")]
    Limits(#[source] io::Error),
}

/// Serves requests until standard input closes. Nothing but protocol lines goes to standard output.
///
/// The process limits what it may use, and ends itself with a failure for a recording that takes more.
#[must_use]
pub fn run(args: &WorkerArgs) -> ExitCode {
    match run_limited(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(reason = chain(&error), "worker stops");
            ExitCode::FAILURE
        }
    }
}

fn run_limited(args: &WorkerArgs) -> Result<(), WorkerError> {
    limits::at_start().map_err(WorkerError::Limits)?;
    let engine = load(args, &mut io::stdout())?;
    let memory = args.memory_bytes();
    limits::for_recordings(engine.model().device(), memory).map_err(WorkerError::Limits)?;
    let bounds = Bounds { time: Duration::from_secs(u64::from(args.time_limit)), memory };
    let watchdog = Watchdog::start(bounds, move |id, excess| give_up(id, excess, bounds))
        .map_err(WorkerError::Limits)?;
    answer_all(engine, args, &mut io::stdin().lock(), &mut io::stdout(), &watchdog)
}

fn load(args: &WorkerArgs, out: &mut impl Write) -> Result<Engine, WorkerError> {
    let library = args.onnxruntime_lib.clone().unwrap_or_else(|| args.model.join("libonnxruntime.so"));
    let allowance = Allowance { memory_bytes: args.memory_bytes(), cpu_seconds: u64::from(args.time_limit) };
    let threads = usize::from(args.threads);
    match Engine::load(&args.model, &library, args.device, threads, args.floor, allowance) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            write(out, &WorkerLine::Fatal { fatal: chain(&error) })?;
            Err(WorkerError::Load(error))
        }
    }
}

fn answer_all(
    mut engine: Engine,
    args: &WorkerArgs,
    input: &mut impl BufRead,
    out: &mut impl Write,
    watchdog: &Watchdog,
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
        let answer = watchdog.watch(&request.id, || handle(&mut engine, &request));
        write(out, &answer)?;
    }
    Ok(())
}

/// Answers for a recording that is still being worked on, and ends the process.
fn give_up(id: String, excess: Excess, bounds: Bounds) {
    let (code, error) = match excess {
        Excess::Time => ("too_slow", format!("not done after {} s", bounds.time.as_secs())),
        Excess::Memory => ("too_much_memory", format!("takes more than {} MiB", bounds.memory >> 20)),
        Excess::Orphaned => {
            tracing::info!(recording = id, "the agent has gone, worker ends");
            std::process::exit(0);
        }
    };
    tracing::warn!(recording = id, code, "recording is given up, worker ends");
    let failure = Failure { id, error, code: code.to_owned(), class: FailureClass::Recording };
    if let Err(error) = write(&mut io::stdout(), &WorkerLine::GivenUp(failure)) {
        tracing::error!(reason = chain(&error), "the reason cannot be told");
    }
    std::process::exit(1);
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
