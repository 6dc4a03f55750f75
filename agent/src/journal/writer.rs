//! The task that writes the journal.

use std::sync::Arc;

use cofi_proto::clock::Clock;
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, query, query_scalar, sqlite::SqliteConnectOptions,
};
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
    options: SqliteConnectOptions,
    /// None after a transaction that failed: whether the disk has what was
    /// flushed over a descriptor whose flush failed is not known, so that none
    /// is used again; and what SQLite has rolled back by itself, as it does when
    /// the disk is full, the library would wait for for ever.
    connection: Option<SqliteConnection>,
    clock: Arc<dyn Clock>,
    ballast: Arc<Ballast>,
    next_position: i64,
    tells: Tells,
}

/// Where the writer tells what its commits bring.
pub(super) struct Tells {
    pub(super) results: watch::Sender<u64>,
    pub(super) jobs: watch::Sender<u64>,
    pub(super) behind: watch::Sender<u64>,
}

impl Writer {
    pub(super) async fn new(
        options: SqliteConnectOptions,
        clock: Arc<dyn Clock>,
        ballast: Arc<Ballast>,
        tells: Tells,
    ) -> Result<Self, JournalError> {
        const LAST: &str = "-- last_position
SELECT max((SELECT coalesce(max(position), 0) FROM job), (SELECT coalesce(max(position), 0) FROM result))";
        let mut connection = options.connect().await.map_err(JournalError::write)?;
        let last: i64 = query_scalar(LAST).fetch_one(&mut connection).await.map_err(JournalError::read)?;
        let next_position = last.saturating_add(1);
        Ok(Self { options, connection: Some(connection), clock, ballast, next_position, tells })
    }

    /// Writes until all users of the journal are gone.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Envelope>) {
        let mut group = Vec::with_capacity(GROUP);
        while waiting.recv_many(&mut group, GROUP).await > 0 {
            let changes: Vec<&Change> = group.iter().map(|envelope| &envelope.change).collect();
            match self.commit(&changes).await {
                Ok(()) => group.drain(..).for_each(|envelope| self.answer(envelope.reply, Ok(()))),
                // One bad change must not fail those that happen to stand beside it.
                Err(_) if group.len() > 1 => {
                    for Envelope { change, reply } in group.drain(..) {
                        let outcome = self.commit(&[&change]).await;
                        self.answer(reply, outcome);
                    }
                }
                Err(error) => {
                    group.drain(..).for_each(|envelope| self.answer(envelope.reply, Err(error.clone())));
                }
            }
        }
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
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
                    self.begin_log_anew().await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Empties the write-ahead log, so that it needs no more room than it has.
    /// An attempt: without it the next step of the ballast is given up.
    async fn begin_log_anew(&mut self) {
        const RESTART: &str = "-- restart_log\nPRAGMA wal_checkpoint(RESTART)";
        let restarting = async {
            let mut connection = self.connect().await?;
            query(RESTART).execute(&mut connection).await.map_err(JournalError::write)?;
            Ok::<_, JournalError>(connection)
        };
        match restarting.await {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => tracing::debug!(error = %Chain(&error), "the journal's log stays as it is"),
        }
    }

    async fn connect(&mut self) -> Result<SqliteConnection, JournalError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.options.connect().await.map_err(JournalError::write),
        }
    }

    async fn transact(&mut self, changes: &[&Change]) -> Result<(), JournalError> {
        let mut connection = self.connect().await?;
        let brought = match self.make(&mut connection, changes).await {
            Ok(brought) => brought,
            Err(error) => {
                if let Err(unclosed) = connection.close_hard().await {
                    tracing::debug!(error = %unclosed, "connection did not close cleanly");
                }
                return Err(error);
            }
        };
        self.connection = Some(connection);
        failpoint!(async CHANGES_COMMITTED => self.connection = None);
        if brought.results {
            self.tells.results.send_modify(|count| *count = count.wrapping_add(1));
        }
        if brought.jobs {
            self.tells.jobs.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    async fn make(
        &mut self,
        connection: &mut SqliteConnection,
        changes: &[&Change],
    ) -> Result<Brought, JournalError> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(JournalError::write)?;
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
        failpoint!(async CHANGES_WRITTEN => return Err(JournalError::write(sqlx::Error::Io(cofi_failpoint::io_error()))));
        transaction.commit().await.map_err(JournalError::write)?;
        Ok(brought)
    }

    fn answer(&self, reply: oneshot::Sender<Result<(), JournalError>>, outcome: Result<(), JournalError>) {
        if let Err(Err(error)) = reply.send(outcome) {
            // Nobody waits for it, so that this is the place where it is handled.
            tracing::error!(error = %Chain(&error), "change of the journal failed");
            self.tells.behind.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}
