//! The record of every step: the shared tables as `data-contract` has them, and
//! Cofi's own beside them. All SQL of the controller is in this folder.
//!
//! Each public method is one transaction, and each group of acknowledgements
//! or results is one; what brings a whole batch in line is one for each page of
//! it. A transaction that meets contention is run again whole,
//! and so is one whose COMMIT was not answered: what it finds the second time
//! decides.

mod agents;
mod apply_lid;
mod audit;
mod batches;
mod call_languages;
mod calls;
mod certificates;
mod check;
mod database;
mod earlier;
mod error;
mod explained;
mod for_agents;
mod history;
mod lid_status;
mod manifest;
mod meta;
mod placed;
mod quarantine;
mod recordings;
mod records;
mod release;
mod repertoire;
mod restored;
mod results;
mod schema;
mod settle;
mod sql;
mod standing;
mod stored;
mod tokens;

use std::{sync::Arc, time::Duration};

pub use check::{CheckScope, CheckedPage, Flaw, FlawKey, FlawKind, HeldRecording, SharedTable};
use database::Database;
pub use database::{Claim, DatabaseUrl};
pub use error::LedgerError;
pub use for_agents::AgentLedger;
pub use records::*;
pub use release::Releasable;
pub use schema::{Finding, Mend, MigrationPlan, Step, migrate, plan_migration};

use crate::chain::error_chain;

/// Times a transaction is run when others hold the database.
const ATTEMPTS: u32 = 8;
/// Longest pause between two of them; the first is an eighth of a tenth of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The database.
#[derive(Debug, Clone)]
pub struct Ledger {
    database: Database,
    /// On whose behalf it changes something; none: the controller's own.
    deed: Option<Arc<Deed>>,
}

impl Ledger {
    /// Opens a database. The embedded one is brought up to date; one on a
    /// server must have been migrated.
    pub async fn open(url: impl Into<DatabaseUrl>) -> Result<Self, LedgerError> {
        let database = Database::connect(&url.into()).await?;
        if database.is_server() {
            schema::assert_ready(&mut database.begin_writing().await?).await?;
        }
        Ok(Self { database, deed: None })
    }

    /// The same ledger, which acts for a deed: the first change that an operator
    /// can ask for writes the deed into the audit, in the same transaction. One
    /// deed is one row, however many changes it makes. What is refused, or finds
    /// nothing to change, writes none.
    #[must_use]
    pub fn acting(&self, deed: Deed) -> Self {
        Self { database: self.database.clone(), deed: Some(Arc::new(deed)) }
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
    /// A COMMIT was sent whose answer did not come.
    unknown: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { left: ATTEMPTS - 1, pause: FIRST_PAUSE, unknown: false }
    }
}

impl Retry {
    /// The outcome, if it is final; otherwise waits a while.
    async fn settle<T>(&mut self, outcome: Result<T, LedgerError>) -> Option<Result<T, LedgerError>> {
        let error = match outcome {
            Err(error @ (LedgerError::Busy(_) | LedgerError::OutcomeUnknown(_))) => error,
            // Whether the COMMIT before was done is still to be read.
            Err(LedgerError::Unavailable(error)) if self.unknown => LedgerError::OutcomeUnknown(error),
            outcome => return Some(outcome),
        };
        self.unknown |= matches!(error, LedgerError::OutcomeUnknown(_));
        if self.left == 0 {
            return Some(Err(error));
        }
        tracing::debug!(error = error_chain(&error), "transaction will run again");
        tokio::time::sleep(self.pause.mul_f64(rand::random_range(0.5..1.0))).await;
        self.left -= 1;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        None
    }
}

/// Runs a body in a transaction that writes, again and whole if others hold
/// the database, or if it broke off at COMMIT: then the body reads whether its
/// own change is there. It must not do anything but talk to the transaction,
/// and must give the same answer when it finds that it was done already.
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
                match outcome {
                    Ok(outcome) => transaction.commit().await.map(|()| outcome),
                    Err(error) => {
                        transaction.roll_back().await;
                        Err(error)
                    }
                }
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
        transaction.roll_back().await;
        outcome
    }};
}

use {read_transaction, write_transaction};
