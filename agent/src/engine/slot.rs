//! One slot: keeps a worker process up and gives it recordings.

use std::{sync::Arc, time::Duration};

use cofi_lid::protocol::Request;
use cofi_proto::{
    limits::cut_reason,
    session::{LidFailure, LidOutcome},
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
const LONGEST_RETRY: Duration = Duration::from_secs(5);
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
    Lost(WorkerError),
}

/// How an attempt ended.
enum Attempt {
    /// The recording has its outcome.
    Done(LidOutcome),
    /// The engine failed; the worker lives.
    Again(LidFailure),
    /// The worker is lost, and the attempt with it.
    Lost(WorkerError),
}

impl Slot {
    /// Works until the agent drains.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut restart = Backoff::new(FIRST_RESTART, LONGEST_RESTART);
        while !self.stop.is_draining() {
            let started = tokio::select! {
                started = Process::start(&self.program, self.config.start_timeout) => started,
                () = self.stop.draining() => break,
            };
            match started {
                Ok((process, ready)) => {
                    tracing::info!(?ready, "worker ready");
                    self.note(Worker::Ready(ready));
                    match self.serve(process, &mut restart).await {
                        Served::Drained => break,
                        Served::GaveUp => tracing::info!("worker gave a recording up, starting another"),
                        Served::Lost(lost) => {
                            tracing::warn!(reason = %Chain(&lost), "worker lost, starting another");
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(reason = %Chain(&error), "worker does not come up, starting another");
                    self.note(Worker::Failed(Chain(&error).to_string()));
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
                Err(lost) => return Served::Lost(lost),
            };
            if let Err(lost) = self.identify(&mut process, task).await {
                return Served::Lost(lost);
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

    /// Has a recording identified and writes down what came out.
    async fn identify(&self, process: &mut Process, mut task: Task) -> Result<(), WorkerError> {
        let mut retry = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        loop {
            task.attempts += 1;
            match self.attempt(process, &task).await {
                Attempt::Done(outcome) => {
                    self.finish(&task, outcome).await;
                    return Ok(());
                }
                Attempt::Again(failure) if self.was_the_last(&task) => {
                    self.finish(&task, LidOutcome::Failed(failure)).await;
                    return Ok(());
                }
                Attempt::Again(failure) => {
                    let LidFailure { code, reason, attempts } = failure;
                    let recording = task.job.recording;
                    tracing::warn!(%recording, code, reason, attempts, "engine failed, trying again");
                    self.remember(&task).await;
                    if process.gave_up() {
                        self.feeder.give_back(task).await;
                        return Ok(());
                    }
                    sleep(retry.pause()).await;
                }
                Attempt::Lost(lost) => {
                    self.after_loss(task, &lost).await;
                    return Err(lost);
                }
            }
        }
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

    async fn attempt(&self, process: &mut Process, task: &Task) -> Attempt {
        let job = &task.job;
        let candidates = if job.candidates.is_empty() { &self.config.candidates } else { &job.candidates };
        let request = Request {
            id: format!("{}#{}", job.recording, job.round),
            path: self.layout.recording(job.recording.batch, &job.audio_name),
            candidates: candidates.clone(),
        };
        let begun = Instant::now();
        let said = process.ask(&request, self.config.timeout).await;
        let wall_seconds = begun.elapsed().as_secs_f64();
        match said.and_then(|line| verdict(&request, line, wall_seconds)) {
            Ok(Verdict::Identified(identified)) => Attempt::Done(LidOutcome::Identified(identified)),
            Ok(Verdict::Unfit { code, reason }) => {
                let attempts = task.attempts;
                Attempt::Done(LidOutcome::Failed(LidFailure { code, reason, attempts }))
            }
            Ok(Verdict::Failed { code, reason }) => {
                Attempt::Again(LidFailure { code, reason, attempts: task.attempts })
            }
            Err(lost) => Attempt::Lost(lost),
        }
    }

    /// A recording whose worker was lost is tried again, by any worker, until
    /// it has cost too many.
    async fn after_loss(&self, task: Task, lost: &WorkerError) {
        let recording = task.job.recording;
        tracing::warn!(%recording, attempts = task.attempts, reason = %Chain(lost), "worker lost on a recording");
        if !self.was_the_last(&task) {
            self.remember(&task).await;
            self.feeder.give_back(task).await;
            return;
        }
        let (code, reason) = (lost.code().to_owned(), cut_reason(Chain(lost).to_string()));
        let failure = LidFailure { code, reason, attempts: task.attempts };
        self.finish(&task, LidOutcome::Failed(failure)).await;
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
