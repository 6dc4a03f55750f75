//! Whether the controller can do its work: whether its database answers.

use std::sync::Arc;

use tokio::sync::watch;

use crate::ledger::LedgerError;

/// Shared by those who use the database and those who are asked about it.
#[derive(Debug, Clone)]
pub struct Health {
    serving: Arc<watch::Sender<bool>>,
}

impl Default for Health {
    fn default() -> Self {
        Self { serving: Arc::new(watch::Sender::new(true)) }
    }
}

impl Health {
    /// The database did what it was asked, or refused it with words.
    pub fn database_answered(&self) {
        if self.serving.send_if_modified(|serving| !std::mem::replace(serving, true)) {
            tracing::info!("the database answers again");
        }
    }

    /// The database is away.
    pub fn database_failed(&self, error: &LedgerError) {
        if self.serving.send_if_modified(|serving| std::mem::replace(serving, false)) {
            let error = crate::chain::error_chain(error);
            tracing::error!(error, "the database is away; work goes on when it is back");
        }
    }

    /// The database does not answer in time.
    pub fn database_silent(&self) {
        if self.serving.send_if_modified(|serving| std::mem::replace(serving, false)) {
            tracing::error!("the database does not answer; work goes on when it does");
        }
    }

    /// Follows the state: true while the database answers.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.serving.subscribe()
    }
}
