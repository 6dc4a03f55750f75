//! `cofi run`: a controller and an agent in this process, and a client that
//! talks to them like any other.
//!
//! ```text
//! folders ─> embedded (controller, agent) ─> finish what was left
//!                                            ─> plan what is new ─> report
//! ```

mod door;
mod embedded;
mod error;
mod folders;
mod history;
mod joining;
mod log;
mod report;

use std::time::{Duration, Instant};

use cofi_lid::worker::forbid_dumps;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

pub(crate) use self::error::RunError;
use self::{door::Door, embedded::Embedded, folders::Folders, report::Report};
use super::{connect, watch};
use crate::{
    args::RunArgs,
    client::{Client, Plan},
    error::Error,
    exit::Exit,
    output::{Console, Progress, note},
    view::Planned,
};

/// How long a batch may wait for something without anything changing, before
/// the run is given up. A large model takes its time to load.
const NO_HEADWAY_LIMIT: Duration = Duration::from_mins(3);

/// How long the controller may be away. It is in this process.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a failing controller may take to end, after its client noticed.
const BLAME_TIME: Duration = Duration::from_secs(1);

/// Identifies every recording in a folder. Ctrl-C has it finish what is in
/// hand.
pub(crate) async fn run(
    args: RunArgs,
    call_timeout: Option<Duration>,
    console: Console,
) -> Result<Exit, Error> {
    forbid_dumps().map_err(RunError::Dumps)?;
    let folders = Folders::prepare(&args.folder, &args.data_dir)?;
    log::start(&folders)?;
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let mut service = Embedded::start(&args, &folders, call_timeout).await?;
    let mut progress = console.progress();
    let door = service.door();
    let job = Job { args: &args, folders: &folders, console };
    let outcome = tokio::select! {
        outcome = job.carry_out(&door, &mut progress) => outcome,
        () = signals.next() => Err(Error::Interrupted),
        error = service.failed() => Err(error.into()),
    };
    let outcome = blame(outcome, &mut service).await;
    progress.clear();
    let interrupted = matches!(outcome, Err(Error::Interrupted));
    if interrupted {
        note("finishing what is in hand; Ctrl-C again stops at once");
    }
    service.end(&mut signals).await;
    if interrupted {
        note(&how_to_go_on(&progress));
        return Ok(Exit::Interrupted);
    }
    outcome
}

/// A client that lost its controller is told why, if the controller says so.
async fn blame(outcome: Result<Exit, Error>, service: &mut Embedded) -> Result<Exit, Error> {
    match outcome {
        Err(error @ (Error::Client(_) | Error::Credentials(_))) => {
            match timeout(BLAME_TIME, service.failed()).await {
                Ok(cause) => Err(cause.into()),
                Err(_) => Err(error),
            }
        }
        Ok(_) | Err(_) => outcome,
    }
}

fn how_to_go_on(progress: &Progress) -> String {
    let done = progress.last().map_or(String::new(), |batch| {
        format!(" with {} of {} recordings identified", batch.counts.identified, batch.counts.recordings)
    });
    format!("stopped{done}; the same command goes on from there")
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What there is to do, for the client side.
struct Job<'a> {
    args: &'a RunArgs,
    folders: &'a Folders,
    console: Console,
}

impl Job<'_> {
    async fn carry_out(&self, door: &Door, progress: &mut Progress) -> Result<Exit, Error> {
        let begun = Instant::now();
        let client = connect(door.target(door.credentials().await?)?).await?;
        let mut worked = self.finish_what_was_left(&client, progress).await?;
        let known = match client.create_batch(self.plan()).await? {
            Planned::Rejection(rejection) => {
                progress.clear();
                self.console.document(&Planned::Rejection(rejection.clone()))?;
                self.console.rejection(&rejection)?;
                return Ok(Exit::WithFailures);
            }
            Planned::NothingNew(nothing) => nothing.known,
            Planned::Batch(batch) => {
                self.follow(&client, batch.batch_id, progress).await?;
                worked.push(batch.batch_id);
                0
            }
        };
        progress.clear();
        let outstanding = history::outstanding(&client, self.folders).await?;
        let report = Report { worked, known, outstanding, elapsed: begun.elapsed() };
        report.print(&client, self.folders, self.console).await?;
        Ok(if report.outstanding.is_empty() { Exit::Done } else { Exit::WithFailures })
    }

    /// Batches that an earlier run left unfinished, and with `--retry` those
    /// with recordings that failed.
    async fn finish_what_was_left(
        &self,
        client: &Client,
        progress: &mut Progress,
    ) -> Result<Vec<i64>, Error> {
        if self.args.retry {
            history::retry(client, self.folders).await?;
        }
        let mut worked = Vec::new();
        for batch in history::batches(client, self.folders).await? {
            if !batch.at_rest() {
                progress.note(&format!("batch {} goes on", batch.batch_id));
                self.follow(client, batch.batch_id, progress).await?;
                worked.push(batch.batch_id);
            }
        }
        Ok(worked)
    }

    async fn follow(&self, client: &Client, batch_id: i64, progress: &mut Progress) -> Result<(), Error> {
        watch::while_it_gets_on(client.watch(batch_id, PATIENCE), progress, NO_HEADWAY_LIMIT).await
    }

    fn plan(&self) -> Plan {
        Plan {
            source: self.folders.source_text().to_owned(),
            candidate_languages: self.args.candidates.clone(),
            skip_known: true,
            ..Plan::default()
        }
    }
}
