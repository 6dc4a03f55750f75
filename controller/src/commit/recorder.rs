//! Records what agents acknowledged.

use std::{sync::Arc, time::Instant};

use cofi_proto::clock::Clock;
use tokio::sync::{Notify, mpsc, oneshot};

use super::{gather, persist};
use crate::{delivery::StoredRecording, dispatch::Dispatch, health::Health, ledger::AgentLedger};

/// What the recorder is told.
#[derive(Debug)]
pub enum ToRecord {
    /// A verified acknowledgement: what is stored, and where.
    Stored(StoredRecording),
    /// Answered when everything before is on record, or was refused.
    Settle(oneshot::Sender<()>),
}

/// Waits until everything that was handed in before is on record, or was
/// refused: only then do the rows say all that a host has acknowledged.
pub async fn settle(recorder: &mpsc::Sender<ToRecord>) {
    let (done, settled) = oneshot::channel();
    // A recorder that has gone has nothing left.
    if recorder.send(ToRecord::Settle(done)).await.is_ok() {
        settled.await.ok();
    }
}

/// What the recorder works with.
#[derive(Debug)]
pub struct Recorder {
    /// Holds the rows.
    pub ledger: Arc<dyn AgentLedger>,
    /// Gives the time of day.
    pub clock: Arc<dyn Clock>,
    /// Passes the receipts on.
    pub dispatch: Dispatch,
    /// Told how the database is.
    pub health: Health,
    /// Rung when recordings got their rows.
    pub rows_written: Arc<Notify>,
}

impl Recorder {
    /// Runs until all senders have gone.
    pub async fn run(self, mut queue: mpsc::Receiver<ToRecord>) {
        while let Some(group) = gather(&mut queue).await {
            let (mut stored, mut waiting) = (Vec::with_capacity(group.len()), Vec::new());
            for told in group {
                match told {
                    ToRecord::Stored(recording) => stored.push(recording),
                    ToRecord::Settle(done) => waiting.push(done),
                }
            }
            if !stored.is_empty() {
                self.record(stored).await;
            }
            for done in waiting {
                // Whoever asked may have gone.
                done.send(()).ok();
            }
        }
    }

    async fn record(&self, stored: Vec<StoredRecording>) {
        let now = self.clock.now_micros();
        let write = |group: Vec<StoredRecording>| {
            let ledger = self.ledger.clone();
            async move {
                let recorded = ledger.record_stored(&group, now).await?;
                failpoint!(async PLACEMENTS_COMMITTED => return Err(crate::ledger::LedgerError::failpoint_at_commit()));
                Ok(recorded)
            }
        };
        let since = Instant::now();
        let answers = persist(&stored, &self.health, write).await;
        let seconds = since.elapsed().as_secs_f64();
        tracing::debug!(count = stored.len(), seconds, "recorded a group");
        self.rows_written.notify_one();
        self.dispatch.recorded(stored.into_iter().zip(answers).collect()).await;
    }
}
