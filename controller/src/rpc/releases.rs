//! Telling an agent what it need not hold any more, for as long as its session
//! lasts: at its beginning what is still open, and then whatever is added.

use std::{sync::Arc, time::Duration};

use cofi_proto::{AgentName, limits::MAX_GROUP, session::Release};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{sleep, timeout},
};

use super::status::RpcError;
use crate::{dispatch::Down, ledger::AgentLedger};

/// How long an agent may take to remove a group before the next one follows.
const REMOVAL: Duration = Duration::from_mins(1);
/// Between two questions to a database that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells one agent.
#[derive(Debug)]
pub(super) struct Releasing<'a> {
    pub(super) ledger: &'a dyn AgentLedger,
    pub(super) agent: AgentName,
    pub(super) down: mpsc::Sender<Down>,
    /// Rung when something was released.
    pub(super) due: watch::Receiver<()>,
    /// Rung when the agent has removed a group.
    pub(super) removed: Arc<Notify>,
}

impl Releasing<'_> {
    /// Tells until the session ends.
    pub(super) async fn run(mut self) -> Result<(), RpcError> {
        loop {
            self.due.mark_unchanged();
            self.tell_all().await?;
            if self.due.changed().await.is_err() {
                return Err(RpcError::Stopping);
            }
        }
    }

    /// Group after group, each at the pace at which the one before was removed.
    async fn tell_all(&self) -> Result<(), RpcError> {
        let limit = i64::try_from(MAX_GROUP).unwrap_or(i64::MAX);
        let mut after = None;
        loop {
            let due = match self.ledger.releases_due(&self.agent, after, limit).await {
                Err(error) if error.is_transient() => {
                    sleep(AGAIN).await;
                    continue;
                }
                due => due.map_err(RpcError::from)?,
            };
            let Some((last, _)) = due.last() else { return Ok(()) };
            after = Some(*last);
            let releases = due.into_iter().map(|(recording, reason)| Release { recording, reason });
            self.down.send(Down::Release(releases.collect())).await.map_err(|_| RpcError::Stopping)?;
            // An agent that does not say so, or is slow, is told the rest anyway.
            timeout(REMOVAL, self.removed.notified()).await.ok();
        }
    }
}
