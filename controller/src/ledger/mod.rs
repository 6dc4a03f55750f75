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
mod placed;
mod recordings;
mod records;
mod results;
mod schema;
mod settle;
mod sql;
mod stored;

use std::time::Duration;

use database::Database;
pub use database::{Claim, DatabaseUrl};
pub use error::LedgerError;
pub use records::*;
pub use schema::{Finding, Mend, MigrationPlan, Step, migrate, plan_migration};

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
    /// Opens a database. The embedded one is brought up to date; one on a
    /// server must have been migrated.
    pub async fn open(url: impl Into<DatabaseUrl>) -> Result<Self, LedgerError> {
        let database = Database::connect(&url.into()).await?;
        if database.is_server() {
            schema::assert_ready(&mut database.begin_writing().await?).await?;
        }
        Ok(Self { database })
    }

    /// Claims the database: there is one controller a database.
    pub async fn claim(&self) -> Result<Claim, LedgerError> {
        self.database.claim().await
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// Whether a transaction that failed is run again.
#[derive(Debug)]
struct Retry {
    left: u32,
    pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { left: ATTEMPTS - 1, pause: FIRST_PAUSE }
    }
}

impl Retry {
    /// The outcome, if it is final; otherwise waits a while.
    async fn settle<T>(&mut self, outcome: Result<T, LedgerError>) -> Option<Result<T, LedgerError>> {
        match outcome {
            Err(LedgerError::Busy(error)) if self.left > 0 => {
                tracing::debug!(%error, "database busy, transaction will run again");
                tokio::time::sleep(self.pause.mul_f64(rand::random_range(0.5..1.0))).await;
                self.left -= 1;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                None
            }
            outcome => Some(outcome),
        }
    }
}

/// Runs a body in a transaction that writes, again and whole if others hold
/// the database. The body must not do anything but talk to the transaction.
///
/// A macro, since a generic function over async closures cannot promise that
/// its future may move between threads.
macro_rules! write_transaction {
    ($ledger:expr, |$tx:ident| $body:block) => {{
        let mut retry = $crate::ledger::Retry::default();
        loop {
            let attempt = async {
                let mut transaction = $ledger.database.begin_writing().await?;
                let $tx = &mut transaction;
                let outcome: Result<_, $crate::ledger::LedgerError> = async { $body }.await;
                let outcome = outcome?;
                transaction.commit().await?;
                Ok(outcome)
            };
            if let Some(outcome) = retry.settle(attempt.await).await {
                break outcome;
            }
        }
    }};
}

/// Runs a body on one state of the database.
macro_rules! read_transaction {
    ($ledger:expr, |$tx:ident| $body:block) => {{
        let mut transaction = $ledger.database.begin_reading().await?;
        let $tx = &mut transaction;
        let outcome: Result<_, $crate::ledger::LedgerError> = async { $body }.await;
        let outcome = outcome?;
        transaction.commit().await?;
        Ok(outcome)
    }};
}

use {read_transaction, write_transaction};
