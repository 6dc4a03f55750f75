//! One worker process: started, spoken to, and ended together with all that it
//! started itself.

use std::{io, process::Stdio, time::Duration};

use cofi_lid::protocol::{MAX_LINE_BYTES, ProtocolError, Ready, Request, WorkerLine};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process_group},
};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tracing::Instrument as _;

use super::{
    lines::{Length, next_line},
    pool::Program,
};

/// Longest line of a worker's standard error that is logged.
const MAX_LOG_LINE_BYTES: usize = 4 * 1024;

/// Longest line of a worker's standard error that stands in a reason.
const MAX_WORDS_CHARS: usize = 200;

/// How long the last words of a process that has ended may take to arrive.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(200);

/// How long a process that closed its output may take to exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a worker process is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    /// It cannot be started.
    #[error("start {program}")]
    Start {
        /// What was to be started.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It says that it cannot work.
    #[error("{0}")]
    Fatal(String),
    /// It is gone, and perhaps said something before.
    #[error("the worker process ended ({how}){}", said(.words))]
    Gone {
        /// Its exit status or the signal that ended it.
        how: String,
        /// The last line of its standard error.
        words: String,
    },
    /// It did not answer.
    #[error("the worker did not answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// It said what is none of the protocol.
    #[error("the worker said {said:?}")]
    Nonsense {
        /// The beginning of what it said.
        said: String,
        /// Why that is none of the protocol.
        source: ProtocolError,
    },
    /// It said what it may not say now.
    #[error("the worker said {0} out of turn")]
    OutOfTurn(&'static str),
    /// A request cannot be written as a line.
    #[error("write a request")]
    Request(#[source] ProtocolError),
}

impl WorkerError {
    /// The fixed word for a recording that was in the worker's hands.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Silent(_) => "timeout",
            Self::Nonsense { .. } | Self::OutOfTurn(_) | Self::Request(_) => "worker_protocol",
            Self::Start { .. } | Self::Fatal(_) | Self::Gone { .. } => "worker_crashed",
        }
    }
}

/// A worker that has said that it is ready.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Its process group, which it leads.
    group: Option<Pid>,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
    /// Whether it said that it ends.
    gave_up: bool,
    /// The last line of its standard error.
    words: watch::Receiver<String>,
    /// Reads its standard error; ends with this.
    log: JoinSet<()>,
}

impl Process {
    /// Starts a worker and waits until it is ready.
    pub(super) async fn start(program: &Program, within: Duration) -> Result<(Self, Ready), WorkerError> {
        let starting = |source| WorkerError::Start { program: program.path.display().to_string(), source };
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C is for the agent, which lets its workers finish.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(starting)?;
        let pipe = || starting(io::ErrorKind::BrokenPipe.into());
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or_else(pipe)?);
        let errors = child.stderr.take().ok_or_else(pipe)?;
        let (last, words) = watch::channel(String::new());
        let mut log = JoinSet::new();
        log.spawn(log_lines(errors, last).in_current_span());
        let line = Vec::new();
        let mut process = Self { child, group, input, output, line, gave_up: false, words, log };
        let first = timeout(within, process.read()).await.map_err(|_| WorkerError::Silent(within))?;
        introduction(first?).map(|ready| (process, ready))
    }

    /// Sends a request and waits for what the worker says next.
    pub(super) async fn ask(
        &mut self,
        request: &Request,
        within: Duration,
    ) -> Result<WorkerLine, WorkerError> {
        failpoint!(async RECORDING_TAKEN => return Err(WorkerError::OutOfTurn("failpoint")));
        let mut line = request.to_line().map_err(WorkerError::Request)?;
        line.push('\n');
        let exchange = async {
            let Some(input) = &mut self.input else { return Err(WorkerError::OutOfTurn("nothing")) };
            let written = async {
                input.write_all(line.as_bytes()).await?;
                input.flush().await
            };
            if written.await.is_err() {
                return Err(self.gone().await);
            }
            self.read().await
        };
        let said = timeout(within, exchange).await.unwrap_or(Err(WorkerError::Silent(within)));
        self.gave_up = matches!(said, Ok(WorkerLine::GivenUp(_)));
        said
    }

    /// Whether it ends over the recording that it was asked for last.
    pub(super) fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// Waits for the worker to do something without being asked: it may not.
    pub(super) async fn unasked(&mut self) -> WorkerError {
        match self.read().await {
            Ok(line) => out_of_turn(line),
            Err(error) => error,
        }
    }

    /// Lets the worker leave by itself.
    pub(super) async fn end(mut self) {
        self.input = None;
        // What remains is killed.
        drop(timeout(EXIT_TIMEOUT, self.child.wait()).await);
    }

    async fn read(&mut self) -> Result<WorkerLine, WorkerError> {
        let read = next_line(&mut self.output, &mut self.line, MAX_LINE_BYTES).await;
        let Ok(Some(length)) = read else { return Err(self.gone().await) };
        let line = std::mem::take(&mut self.line);
        parsed(&line, length)
    }

    /// Why the worker is gone.
    async fn gone(&mut self) -> WorkerError {
        let how = match timeout(EXIT_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "output closed".to_owned(),
        };
        // It ends with its standard error, which a child of the worker may keep open.
        drop(timeout(LAST_WORDS_TIMEOUT, self.log.join_next()).await);
        WorkerError::Gone { how, words: self.words.borrow().clone() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also what the worker has started; usually the group is gone already.
        let killed = self.group.map(|group| kill_process_group(group, Signal::KILL));
        if let Some(Err(error)) = killed
            && error != Errno::SRCH
        {
            tracing::debug!(%error, "could not kill a worker's process group");
        }
    }
}

/// What a line of a worker says.
pub(super) fn parsed(line: &[u8], length: Length) -> Result<WorkerLine, WorkerError> {
    let text = String::from_utf8_lossy(line);
    let parsed = match length {
        Length::Whole => WorkerLine::parse(&text),
        Length::TooLong => Err(ProtocolError::TooLong { bytes: line.len() }),
    };
    parsed.map_err(|source| WorkerError::Nonsense { said: text.chars().take(100).collect(), source })
}

/// How a worker whose first words are `line` introduces itself.
pub(super) fn introduction(line: WorkerLine) -> Result<Ready, WorkerError> {
    match line {
        WorkerLine::Ready { ready } => Ok(ready),
        other @ (WorkerLine::Fatal { .. }
        | WorkerLine::Answer(_)
        | WorkerLine::Failure(_)
        | WorkerLine::GivenUp(_)) => Err(out_of_turn(other)),
    }
}

fn out_of_turn(line: WorkerLine) -> WorkerError {
    match line {
        WorkerLine::Fatal { fatal } => WorkerError::Fatal(fatal),
        WorkerLine::Ready { .. } => WorkerError::OutOfTurn("ready"),
        WorkerLine::Answer(_) => WorkerError::OutOfTurn("an answer"),
        WorkerLine::Failure(_) | WorkerLine::GivenUp(_) => WorkerError::OutOfTurn("a failure"),
    }
}

/// What the worker said last, as the end of a sentence.
fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(", its last words: {words}") }
}

async fn log_lines(errors: ChildStderr, last: watch::Sender<String>) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while let Ok(Some(_)) = next_line(&mut errors, &mut line, MAX_LOG_LINE_BYTES).await {
        let text = String::from_utf8_lossy(&line).escape_debug().to_string();
        tracing::info!(line = text, "worker says");
        last.send_replace(text.chars().take(MAX_WORDS_CHARS).collect());
        line.clear();
    }
}
