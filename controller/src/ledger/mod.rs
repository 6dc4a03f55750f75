//! The record of every step: the shared tables as `data-contract` has them, and
//! Cofi's own beside them. All SQL of the controller is in this folder.
//!
//! Each public method is one transaction, and each group of acknowledgements
//! or results is one; a transaction that meets contention is run again whole.

mod agents;
mod batches;
mod calls;
mod database;
mod error;
mod manifest;
mod meta;
mod recordings;
mod records;
mod results;
mod settle;
mod sql;
mod stored;

use std::time::Duration;

use database::{Database, Transaction};
pub use error::LedgerError;
pub use records::*;

/// Times a transaction is run when others hold the database.
const ATTEMPTS: u32 = 8;
/// Longest pause between two of them; the first is an eighth of a tenth of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The database.
#[derive(Debug, Clone)]
pub struct Ledger {
    database: Database,
}

impl Ledger {
    /// Opens the database that `url` names and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, LedgerError> {
        Ok(Self { database: Database::open(url).await? })
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Runs `body` in a transaction that writes, again and whole if others
    /// hold the database. The body must not do anything but talk to the
    /// transaction.
    async fn write<T>(
        &self,
        body: impl AsyncFn(&mut Transaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.attempt(&body).await {
                Err(LedgerError::Busy(error)) => {
                    tracing::debug!(%error, "database busy, transaction will run again");
                }
                outcome => return outcome,
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.attempt(&body).await
    }

    async fn attempt<T>(
        &self,
        body: &impl AsyncFn(&mut Transaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut transaction = self.database.begin_writing().await?;
        let outcome = body(&mut transaction).await?;
        transaction.commit().await?;
        Ok(outcome)
    }

    /// Runs `body` on one state of the database.
    async fn read<T>(
        &self,
        body: impl AsyncFn(&mut Transaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut transaction = self.database.begin_reading().await?;
        let outcome = body(&mut transaction).await?;
        transaction.commit().await?;
        Ok(outcome)
    }
}
