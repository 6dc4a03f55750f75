//! The journal of an agent: one task writes, several changes share a commit,
//! and a crash before the commit loses them all.

use cofi_agent::News;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use super::{disk::Disk, rows::Change};
use crate::chance::Chance;

/// Changes that may wait, and that share a commit.
const QUEUE: usize = 256;

/// A change, and who waits for it.
type Envelope = (Change, oneshot::Sender<()>);

/// Where changes are handed in.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    changes: mpsc::Sender<Envelope>,
    news: News,
}

/// The task that writes.
pub(super) struct Writer {
    disk: Disk,
    chance: Chance,
    waiting: mpsc::Receiver<Envelope>,
    results: watch::Sender<u64>,
    jobs: watch::Sender<u64>,
    /// Held, since nothing fails here.
    _behind: watch::Sender<u64>,
}

impl Journal {
    pub(super) fn new(disk: Disk, chance: Chance) -> (Self, Writer) {
        let (changes, waiting) = mpsc::channel(QUEUE);
        let (results, results_seen) = watch::channel(0);
        let (jobs, jobs_seen) = watch::channel(0);
        let (behind, behind_seen) = watch::channel(0);
        let news = News { results: results_seen, jobs: jobs_seen, behind: behind_seen };
        (Self { changes, news }, Writer { disk, chance, waiting, results, jobs, _behind: behind })
    }

    pub(super) fn news(&self) -> News {
        self.news.clone()
    }

    /// Hands a change in; its commit need not be waited for.
    pub(super) async fn post(&self, change: Change) -> oneshot::Receiver<()> {
        let (reply, answer) = oneshot::channel();
        // The writer lives as long as the agent.
        self.changes.send((change, reply)).await.ok();
        answer
    }

    /// Makes a change and waits for its commit.
    pub(super) async fn commit(&self, change: Change) {
        self.post(change).await.await.ok();
    }
}

impl Writer {
    pub(super) async fn run(mut self) {
        let mut next = self.disk.content().journal.next_position();
        let mut group = Vec::with_capacity(QUEUE);
        while self.waiting.recv_many(&mut group, QUEUE).await > 0 {
            sleep(self.chance.latency()).await;
            for (change, reply) in group.drain(..) {
                self.tell(&change);
                self.disk.content().journal.make(change, &mut next);
                // Whoever asked need not wait.
                reply.send(()).ok();
            }
            self.results.send_modify(|count| *count += 1);
            self.jobs.send_modify(|count| *count += 1);
        }
    }

    fn tell(&self, change: &Change) {
        let Disk { agent, storage, witness, .. } = &self.disk;
        match change {
            Change::Recorded(recordings) => {
                for recording in recordings {
                    witness.hears_recorded(agent, *recording);
                }
            }
            Change::Receipted(receipts) => {
                for receipt in receipts {
                    witness.hears_settled(agent, receipt.recording, receipt.round);
                }
            }
            // What is removed meanwhile has no result either.
            Change::Finished { recording, round, .. } if self.disk.holds().contains_key(recording) => {
                witness.finished(agent, storage, *recording, *round);
            }
            Change::Stored(_)
            | Change::Placed(_)
            | Change::Again(_)
            | Change::Unrecorded
            | Change::Identify(_)
            | Change::Finished { .. }
            | Change::Forgotten(_) => {}
        }
    }
}
