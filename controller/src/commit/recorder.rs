//! Records what agents acknowledged.

use std::sync::Arc;

use cofi_proto::clock::Clock;
use tokio::sync::mpsc;

use super::{gather, persist};
use crate::{delivery::StoredRecording, dispatch::Dispatch, health::Health, ledger::Ledger};

/// A verified acknowledgement.
#[derive(Debug, Clone)]
pub struct ToRecord(
    /// What is stored, and where.
    pub StoredRecording,
);

/// Runs until all senders have gone.
pub async fn run_recorder(
    mut queue: mpsc::Receiver<ToRecord>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    dispatch: Dispatch,
    health: Health,
) {
    while let Some(group) = gather(&mut queue).await {
        let stored: Vec<StoredRecording> = group.into_iter().map(|ToRecord(stored)| stored).collect();
        let now = clock.now_micros();
        let write = |group: Vec<StoredRecording>| {
            let ledger = ledger.clone();
            async move { ledger.record_stored(&group, now).await }
        };
        let answers = persist(&stored, &health, write).await;
        dispatch.recorded(stored.into_iter().zip(answers).collect()).await;
    }
}
