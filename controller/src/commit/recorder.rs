//! Records what agents acknowledged.

use std::{sync::Arc, time::Instant};

use cofi_proto::clock::Clock;
use tokio::sync::{Notify, mpsc};

use super::{gather, persist};
use crate::{delivery::StoredRecording, dispatch::Dispatch, health::Health, ledger::AgentLedger};

/// A verified acknowledgement.
#[derive(Debug, Clone)]
pub struct ToRecord(
    /// What is stored, and where.
    pub StoredRecording,
);

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
            let stored: Vec<StoredRecording> = group.into_iter().map(|ToRecord(stored)| stored).collect();
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
}
