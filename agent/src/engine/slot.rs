//! One slot: keeps a worker process up and gives it recordings.
//!
//! An attempt that fails by the engine's fault costs the worker its place as
//! well: what is broken may be the process. A recording that has used its
//! attempts up is accused, and told to the controller only once another worker
//! has come up. If none does, the engine was to blame, and the recording waits
//! for it. What was told may still be the engine's fault: the controller sees
//! how others fare, and decides.
//!
//! ```text
//!            answer                           ready: the failure is told
//!   attempt -------> result      accused ---<
//!      |  ^                         ^         not ready: attempts begin anew
//!      |  '-- others are left --.   |
//!      '------ engine failed ---+---' none are left
//! ```

use std::{sync::Arc, time::Duration};

use cofi_lid::protocol::{Request, WorkerLine};
use cofi_proto::{
    limits::cut_reason,
    session::{FailureClass, LidFailure, LidOutcome},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::{
    board::{Board, Worker},
    exchange::{Verdict, verdict},
    feeder::{Feeder, Task},
    pool::Program,
    process::{Process, WorkerError},
};
use crate::{
    Stop,
    backoff::Backoff,
    chain::Chain,
    config::EngineConfig,
    journal::{Attempted, Change, Finished, Job, Journal},
    store::Layout,
};

pub(super) const FIRST_RETRY: Duration = Duration::from_millis(200);
const FIRST_RESTART: Duration = Duration::from_millis(200);
pub(super) const LONGEST_RESTART: Duration = Duration::from_secs(30);

/// What a slot works with.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) index: usize,
    pub(super) program: Arc<Program>,
    pub(super) config: Arc<EngineConfig>,
    pub(super) layout: Arc<Layout>,
    pub(super) journal: Journal,
    pub(super) results: mpsc::Sender<Finished>,
    pub(super) feeder: Feeder,
    pub(super) board: Arc<watch::Sender<Board>>,
    pub(super) stop: Stop,
}

/// How a worker's service ended.
enum Served {
    Drained,
    /// The worker ended over a recording, with a reason for it.
    GaveUp,
    /// The worker is lost, or not to be trusted any more.
    Failed(String, Option<Accused>),
}

/// A recording that has used its attempts up.
struct Accused {
    task: Task,
    failure: LidFailure,
}

impl Slot {
    /// Works until the agent drains.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut restart = Backoff::new(FIRST_RESTART, LONGEST_RESTART);
        let mut accused: Option<Accused> = None;
        while !self.stop.is_draining() {
            let started = tokio::select! {
                started = Process::start(&self.program, self.config.start_timeout) => started,
                () = self.stop.draining() => break,
            };
            match started {
                Ok((process, ready)) => {
                    tracing::info!(?ready, "worker ready");
                    self.note(Worker::Ready(ready));
                    if let Some(Accused { task, failure }) = accused.take() {
                        self.finish(&task, LidOutcome::Failed(failure)).await;
                    }
                    match self.serve(process, &mut restart).await {
                        Served::Drained => break,
                        Served::GaveUp => tracing::info!("worker gave a recording up, starting another"),
                        Served::Failed(reason, blamed) => {
                            tracing::warn!(reason, "worker lost, starting another");
                            accused = blamed;
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(reason = %Chain(&error), "worker does not come up, starting another");
                    self.note(Worker::Failed(Chain(&error).to_string()));
                    if let Some(Accused { task, .. }) = accused.take() {
                        self.acquit(task).await;
                    }
                }
            }
            tokio::select! {
                () = sleep(restart.pause()) => {}
                () = self.stop.draining() => break,
            }
        }
        Ok(())
    }

    /// Gives a worker recordings until it is lost or the agent drains.
    async fn serve(&self, mut process: Process, restart: &mut Backoff) -> Served {
        loop {
            let task = match self.next(&mut process).await {
                Ok(Some(task)) => task,
                Ok(None) => {
                    process.end().await;
                    return Served::Drained;
                }
                Err(lost) => return Served::Failed(Chain(&lost).to_string(), None),
            };
            if let Err((reason, accused)) = self.identify(&mut process, task).await {
                return Served::Failed(reason, accused);
            }
            // A worker that gets work done may be replaced at once.
            restart.reset();
            if process.gave_up() {
                return Served::GaveUp;
            }
        }
    }

    /// The next recording; `None` once the agent drains.
    async fn next(&self, process: &mut Process) -> Result<Option<Task>, WorkerError> {
        let Some(mut answer) = self.feeder.ask().await else { return Ok(None) };
        tokio::select! {
            task = &mut answer => Ok(task.ok()),
            lost = process.unasked() => {
                // A recording that was handed out at this very moment.
                answer.close();
                if let Ok(task) = answer.try_recv() {
                    self.feeder.give_back(task).await;
                }
                Err(lost)
            }
        }
    }

    /// Has a recording identified and writes down what came out. Otherwise: why not, and who is accused of it.
    async fn identify(&self, process: &mut Process, mut task: Task) -> Result<(), (String, Option<Accused>)> {
        task.attempts += 1;
        let failure = match self.attempt(process, &task).await {
            Ok(outcome) => {
                self.finish(&task, outcome).await;
                return Ok(());
            }
            Err(failure) => failure,
        };
        let LidFailure { code, reason, attempts, class: _ } = &failure;
        tracing::warn!(recording = %task.job.recording, code, reason, attempts, "engine failed on a recording");
        let reason = reason.clone();
        if self.was_the_last(&task) {
            return Err((reason, Some(Accused { task, failure })));
        }
        self.remember(&task).await;
        self.feeder.give_back(task).await;
        Err((reason, None))
    }

    /// The engine has turned out not to work: the recording has all its attempts before it.
    async fn acquit(&self, mut task: Task) {
        tracing::info!(recording = %task.job.recording, "the engine was to blame, the recording waits for it");
        task.attempts = 0;
        self.remember(&task).await;
        self.feeder.give_back(task).await;
    }

    /// Whether a recording that has failed now is given up.
    fn was_the_last(&self, task: &Task) -> bool {
        u32::try_from(task.attempts).is_ok_and(|attempts| attempts >= self.config.attempts.get())
    }

    /// Writes down that an attempt failed, so that the next agent goes on counting. Attempts that an agent's
    /// end cuts off do not count: the recording is not to blame for them.
    async fn remember(&self, task: &Task) {
        let Job { recording, round, .. } = task.job;
        let attempted = Attempted { recording, round, attempts: task.attempts };
        if let Err(error) = self.journal.commit(Change::Attempted(attempted)).await {
            tracing::error!(%recording, error = %Chain(&error), "could not write a failed attempt down");
        }
    }

    /// The outcome of a recording, or how the engine failed on it.
    async fn attempt(&self, process: &mut Process, task: &Task) -> Result<LidOutcome, LidFailure> {
        let (job, attempts) = (&task.job, task.attempts);
        let candidates = if job.candidates.is_empty() { &self.config.candidates } else { &job.candidates };
        let request = Request {
            id: format!("{}#{}", job.recording, job.round),
            path: self.layout.recording(job.recording.batch, &job.audio_name),
            candidates: candidates.clone(),
        };
        let begun = Instant::now();
        let said = process.ask(&request, self.config.timeout).await;
        outcome(&request, said, attempts, begun.elapsed().as_secs_f64())
    }

    /// Hands an outcome on to be written down.
    async fn finish(&self, task: &Task, outcome: LidOutcome) {
        let Job { recording, digest, round, .. } = task.job;
        tracing::debug!(%recording, round, "recording finished");
        // Without a keeper the agent ends; the recording is in the journal.
        self.results.send(Finished { recording, digest, round, outcome }).await.ok();
    }

    fn note(&self, worker: Worker) {
        self.board.send_if_modified(|board| board.note(self.index, worker));
    }
}

/// What came of asking a worker for a recording for the `attempts`-th time: the
/// outcome, or how the engine failed.
pub(super) fn outcome(
    request: &Request,
    said: Result<WorkerLine, WorkerError>,
    attempts: i32,
    wall_seconds: f64,
) -> Result<LidOutcome, LidFailure> {
    match said.and_then(|line| verdict(request, line, wall_seconds)) {
        Ok(Verdict::Identified(identified)) => Ok(LidOutcome::Identified(identified)),
        Ok(Verdict::Unfit { code, reason }) => {
            let class = FailureClass::Recording;
            Ok(LidOutcome::Failed(LidFailure { code, reason, attempts, class }))
        }
        Ok(Verdict::Failed { code, reason }) => {
            Err(LidFailure { code, reason, attempts, class: FailureClass::Agent })
        }
        Err(lost) => {
            let (code, reason) = (lost.code().to_owned(), cut_reason(Chain(&lost).to_string()));
            Err(LidFailure { code, reason, attempts, class: FailureClass::Agent })
        }
    }
}
