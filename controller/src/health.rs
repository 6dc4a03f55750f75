//! Whether the controller can do its work: whether its database answers, and
//! takes what is to be written.
//!
//! ```text
//!             a failure            another one, or silence
//!   serving ------------> in doubt -----------------------> away
//!      ^                     |                                |
//!      +------ an answer ----+------ an answer, and nothing --+
//!                                    waits to be written
//! ```
//!
//! One connection that is lost is no outage: whoever lost it tries again at
//! once. Nobody has to look at an outage that is over soon, either.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{chain::error_chain, ledger::LedgerError};

/// A person must look at a database that is away for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shared by those who use the database and those who are asked about it.
#[derive(Debug, Clone)]
pub struct Health {
    serving: Arc<watch::Sender<bool>>,
    /// A lock and no task: it is held for an instant, and never across a wait.
    database: Arc<Mutex<Database>>,
}

/// What is known of the database.
#[derive(Debug, Default)]
struct Database {
    /// None while it answers.
    trouble: Option<Trouble>,
    /// Writers whose work it does not take, whatever it answers to others: its
    /// disk may be full.
    refused: usize,
}

/// What is wrong with it since it answered last.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    /// Whether it was logged that a person must look.
    told: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self { serving: Arc::new(watch::Sender::new(true)), database: Arc::default() }
    }
}

impl Health {
    /// The database did what it was asked, or refused it with words.
    pub fn database_answered(&self) {
        let mut database = self.database();
        if database.refused > 0 {
            return;
        }
        let trouble = database.trouble.take();
        if self.serving.send_if_modified(|serving| !std::mem::replace(serving, true)) {
            let seconds = trouble.map(|trouble| trouble.since.elapsed().as_secs());
            tracing::info!(seconds, "the database answers again");
        }
    }

    /// The database is away, or a connection to it was lost.
    pub fn database_failed(&self, error: &LedgerError) {
        let mut database = self.database();
        if database.fails_again() {
            self.is_away(&mut database, &error_chain(error));
        } else {
            tracing::info!(error = error_chain(error), "the database failed once, it is asked again");
        }
    }

    /// The database does not answer in time.
    pub fn database_silent(&self) {
        let mut database = self.database();
        database.fails_again();
        self.is_away(&mut database, "it does not answer");
    }

    /// Something waits to be written until the database takes it.
    #[must_use]
    pub fn write_waits(&self) -> WaitingWrite {
        self.database().refused += 1;
        WaitingWrite(self.clone())
    }

    fn is_away(&self, database: &mut Database, error: &str) {
        if self.serving.send_if_modified(|serving| std::mem::replace(serving, false)) {
            tracing::warn!(error, "the database is away, work goes on when it is back");
        }
        let lasts = |trouble: &&mut Trouble| !trouble.told && trouble.since.elapsed() >= PATIENCE;
        if let Some(trouble) = database.trouble.as_mut().filter(lasts) {
            trouble.told = true;
            let seconds = trouble.since.elapsed().as_secs();
            tracing::error!(error, seconds, "the database stays away, somebody must look");
        }
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the state: true while the database answers.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.serving.subscribe()
    }
}

impl Database {
    /// Notes a failure. False if it answered just before.
    fn fails_again(&mut self) -> bool {
        let again = self.trouble.is_some();
        self.trouble.get_or_insert_with(|| Trouble { since: Instant::now(), told: false });
        again
    }
}

/// Held while something waits to be written.
#[derive(Debug)]
pub struct WaitingWrite(Health);

impl Drop for WaitingWrite {
    fn drop(&mut self) {
        let mut database = self.0.database();
        database.refused = database.refused.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(health: &Health) {
        health.database_failed(&LedgerError::Claimed);
    }

    #[test]
    fn a_connection_that_is_lost_once_is_no_outage() {
        let health = Health::default();
        let serving = health.watch();
        for _ in 0..3 {
            fail(&health);
            assert!(*serving.borrow());
            health.database_answered();
        }
        fail(&health);
        fail(&health);
        assert!(!*serving.borrow());
        health.database_answered();
        assert!(*serving.borrow());
    }

    #[test]
    fn silence_is_one_at_once() {
        let health = Health::default();
        health.database_silent();
        assert!(!*health.watch().borrow());
    }

    #[test]
    fn an_answer_to_somebody_else_does_not_end_an_outage_for_who_cannot_write() {
        let health = Health::default();
        fail(&health);
        let waiting = health.write_waits();
        fail(&health);
        health.database_answered();
        assert!(!*health.watch().borrow());
        drop(waiting);
        health.database_answered();
        assert!(*health.watch().borrow());
    }
}
