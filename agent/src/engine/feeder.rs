//! Hands recordings to the workers in order of arrival. It holds a window of
//! what waits in the journal, so that memory does not grow with the queue.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::{
    Stop,
    chain::Chain,
    journal::{Job, Journal},
};

/// Recordings in the window.
const WINDOW: usize = 128;

/// Requests that may wait: each worker has one at a time, and may give one
/// recording back.
const REQUESTS: usize = 64;

/// Pause after the journal could not be read.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// A recording for a worker.
#[derive(Debug)]
pub(crate) struct Task {
    pub(super) job: Job,
    /// How often it was tried in this round.
    pub(super) attempts: i32,
}

#[derive(Debug)]
enum Request {
    Next(oneshot::Sender<Task>),
    Back(Task),
}

/// Where workers ask for recordings.
#[derive(Debug, Clone)]
pub(crate) struct Feeder(mpsc::Sender<Request>);

impl Feeder {
    /// Asks for the next recording. The answer never comes once the agent
    /// drains; it must not be dropped unseen.
    pub(super) async fn ask(&self) -> Option<oneshot::Receiver<Task>> {
        let (asker, answer) = oneshot::channel();
        self.0.send(Request::Next(asker)).await.ok()?;
        Some(answer)
    }

    /// Gives a recording back, to be handed out next.
    pub(super) async fn give_back(&self, task: Task) {
        // Without a feeder the agent ends; the recording is in the journal.
        drop(self.0.send(Request::Back(task)).await);
    }
}

/// A feeder and the task that feeds, to be run until the agent drains.
pub(crate) fn feed(
    journal: Journal,
    stop: Stop,
) -> (Feeder, impl Future<Output = anyhow::Result<()>> + Send) {
    let (requests, asked) = mpsc::channel(REQUESTS);
    let window = Window { journal, waiting: VecDeque::new(), askers: VecDeque::new(), cursor: 0 };
    (Feeder(requests), window.run(asked, stop))
}

struct Window {
    journal: Journal,
    waiting: VecDeque<Task>,
    askers: VecDeque<oneshot::Sender<Task>>,
    /// Position of the last recording taken from the journal.
    cursor: i64,
}

impl Window {
    async fn run(mut self, mut asked: mpsc::Receiver<Request>, stop: Stop) -> anyhow::Result<()> {
        let mut news = self.journal.news().jobs;
        let mut more = true;
        loop {
            if more && !self.askers.is_empty() && self.waiting.len() < self.askers.len() {
                news.mark_unchanged();
                more = self.refill().await;
            }
            self.hand_out();
            tokio::select! {
                () = stop.draining() => return Ok(()),
                request = asked.recv() => match request {
                    Some(Request::Next(worker)) => self.askers.push_back(worker),
                    Some(Request::Back(task)) => self.waiting.push_front(task),
                    None => return Ok(()),
                },
                changed = news.changed(), if !more => {
                    changed?;
                    more = true;
                }
            }
        }
    }

    /// Takes more from the journal. Tells whether there may be still more.
    async fn refill(&mut self) -> bool {
        match self.journal.jobs(self.cursor, WINDOW).await {
            Ok(jobs) => {
                let more = jobs.len() == WINDOW;
                self.cursor = jobs.last().map_or(self.cursor, |job| job.position);
                self.waiting.extend(jobs.into_iter().map(|job| Task { attempts: job.attempts, job }));
                more
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "could not read the queue");
                sleep(READ_PAUSE).await;
                true
            }
        }
    }

    fn hand_out(&mut self) {
        while let Some(task) = self.waiting.pop_front() {
            let Some(asker) = self.askers.pop_front() else {
                self.waiting.push_front(task);
                return;
            };
            if let Err(task) = asker.send(task) {
                // Who asked has gone meanwhile.
                self.waiting.push_front(task);
            }
        }
    }
}
