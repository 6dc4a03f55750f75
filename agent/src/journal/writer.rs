//! The task that writes the journal.

use std::sync::Arc;

use cofi_proto::clock::Clock;
use sqlx::{Connection, SqliteConnection, query_scalar};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Ballast, Change, JournalError,
    making::{Brought, Making},
};
use crate::chain::Chain;

/// Changes in one transaction at most. More would only make those wait that
/// came first.
const GROUP: usize = 256;

/// A change and who waits for it.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) change: Change,
    pub(super) reply: oneshot::Sender<Result<(), JournalError>>,
}

pub(super) struct Writer {
    connection: SqliteConnection,
    clock: Arc<dyn Clock>,
    ballast: Arc<Ballast>,
    next_position: i64,
    results: watch::Sender<u64>,
    jobs: watch::Sender<u64>,
}

impl Writer {
    pub(super) async fn new(
        mut connection: SqliteConnection,
        clock: Arc<dyn Clock>,
        ballast: Arc<Ballast>,
        results: watch::Sender<u64>,
        jobs: watch::Sender<u64>,
    ) -> Result<Self, JournalError> {
        const LAST: &str = "-- last_position
SELECT max((SELECT coalesce(max(position), 0) FROM job), (SELECT coalesce(max(position), 0) FROM result))";
        let last: i64 = query_scalar(LAST).fetch_one(&mut connection).await.map_err(JournalError::read)?;
        Ok(Self { connection, clock, ballast, next_position: last.saturating_add(1), results, jobs })
    }

    /// Writes until all users of the journal are gone.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Envelope>) {
        let mut group = Vec::with_capacity(GROUP);
        while waiting.recv_many(&mut group, GROUP).await > 0 {
            let changes: Vec<&Change> = group.iter().map(|envelope| &envelope.change).collect();
            match self.commit(&changes).await {
                Ok(()) => group.drain(..).for_each(|envelope| answer(envelope.reply, Ok(()))),
                // One bad change must not fail those that happen to stand beside it.
                Err(_) if group.len() > 1 => {
                    for Envelope { change, reply } in group.drain(..) {
                        let outcome = self.commit(&[&change]).await;
                        answer(reply, outcome);
                    }
                }
                Err(error) => group.drain(..).for_each(|envelope| answer(envelope.reply, Err(error.clone()))),
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(error = %error, "journal did not close cleanly");
        }
    }

    /// Commits changes, if need be in room that was kept for that.
    async fn commit(&mut self, changes: &[&Change]) -> Result<(), JournalError> {
        loop {
            match self.transact(changes).await {
                Err(error) if error.is_full() => {
                    if !self.ballast.give_way().map_err(JournalError::ballast)? {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    async fn transact(&mut self, changes: &[&Change]) -> Result<(), JournalError> {
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(JournalError::write)?;
        let mut making = Making {
            connection: &mut transaction,
            next_position: &mut self.next_position,
            now_micros: self.clock.now_micros(),
        };
        let mut brought = Brought::default();
        for change in changes {
            let one = making.make(change).await?;
            brought = Brought { results: brought.results | one.results, jobs: brought.jobs | one.jobs };
        }
        transaction.commit().await.map_err(JournalError::write)?;
        if brought.results {
            self.results.send_modify(|count| *count = count.wrapping_add(1));
        }
        if brought.jobs {
            self.jobs.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }
}

fn answer(reply: oneshot::Sender<Result<(), JournalError>>, outcome: Result<(), JournalError>) {
    if let Err(Err(error)) = reply.send(outcome) {
        // Nobody waits for it, so that this is the place where it is handled.
        tracing::error!(error = %Chain(&error), "change of the journal failed");
    }
}
