//! The agent's memory: which recordings it holds, what waits for the engine,
//! and which results the controller has not receipted.
//!
//! One task writes. It takes the changes that wait, commits them together and
//! then answers each, so that the price of a flush is shared. Reads go over
//! connections of their own and never wait for the writer.
//!
//! ```text
//!   store, engine, link --- Change ---> writer --- one transaction ---> answers
//!                                          '----- News -----> outbox, feeder
//! ```

mod ballast;
mod change;
mod error;
mod inventory;
mod making;
mod outcome;
mod reads;
mod statements;
#[cfg(test)]
mod tests;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use cofi_proto::{clock::Clock, session::ResultReceipt};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use ballast::Ballast;
pub(crate) use change::{Again, Attempted, Change, Finished, NewRecording};
pub(crate) use error::JournalError;
pub use outcome::journalled;
pub(crate) use reads::{Job, Unplaced};
pub use reads::{OutboxRow, Standing};
use writer::{Envelope, Tells, Writer};

/// Changes that may wait for the writer. Far more than it takes into one
/// transaction only make memory grow while the disk is slow.
const QUEUE: usize = 256;

/// The write-ahead log is cut to this after a checkpoint: 64 MiB.
const MAX_LOG_BYTES: &str = "67108864";

/// Connections for reading: the outbox, the feeder and the store may read at
/// the same time.
const READERS: u32 = 3;

/// What a commit may have brought for those who wait for it. The numbers only
/// count up; what is new is read from the journal.
#[derive(Debug, Clone)]
pub struct News {
    /// There may be results to send.
    pub results: watch::Receiver<u64>,
    /// There may be recordings to identify.
    pub jobs: watch::Receiver<u64>,
    /// A change failed that nobody waited for, or came later than what builds
    /// on it.
    pub behind: watch::Receiver<u64>,
}

/// The journal, for any number of users.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    changes: mpsc::Sender<Envelope>,
    readers: SqlitePool,
    news: News,
    behind: watch::Sender<u64>,
    ballast: Arc<Ballast>,
}

/// The answer to a change, once it is committed.
#[derive(Debug)]
pub(crate) struct Answer(oneshot::Receiver<Result<(), JournalError>>);

impl Answer {
    /// Waits for the commit.
    pub(crate) async fn wait(self) -> Result<(), JournalError> {
        self.0.await.unwrap_or(Err(JournalError::Closed))
    }
}

impl Journal {
    /// Opens the journal, making it if there is none, and returns with it the
    /// task that writes, to be run by the caller until all users are gone.
    pub(crate) async fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), JournalError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("journal_size_limit", MAX_LOG_BYTES)
            .busy_timeout(Duration::from_secs(10));
        let opening = |source| JournalError::Open { path: path.to_owned(), source: Arc::new(source) };
        let folder = path.parent().unwrap_or(Path::new("."));
        let ballast = Arc::new(Ballast::open(folder).map_err(JournalError::ballast)?);
        ballast.give_way_to_opening().map_err(JournalError::ballast)?;
        let writers = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(opening)?;
        sqlx::migrate!("./migrations")
            .run(&writers)
            .await
            .map_err(|source| JournalError::Migrate { path: path.to_owned(), source: Arc::new(source) })?;
        // The last connection carries the log over into the database when it is
        // closed, and flushes that: what an earlier run could not flush is not
        // believed because the system still has it in memory.
        writers.close().await;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.clone().read_only(true).create_if_missing(false))
            .await
            .map_err(opening)?;

        let (changes, waiting) = mpsc::channel(QUEUE);
        let (results, results_seen) = watch::channel(0);
        let (jobs, jobs_seen) = watch::channel(0);
        let (behind, behind_seen) = watch::channel(0);
        let tells = Tells { results, jobs, behind: behind.clone() };
        let writer = Writer::new(options, clock, ballast.clone(), tells).await?;
        let news = News { results: results_seen, jobs: jobs_seen, behind: behind_seen };
        Ok((Self { changes, readers, news, behind, ballast }, writer.run(waiting)))
    }

    /// Hands a change to the writer. Changes are committed in the order in
    /// which this returns; the answer need not be waited for.
    pub(crate) async fn post(&self, change: Change) -> Result<Answer, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.changes.send(Envelope { change, reply }).await.map_err(|_| JournalError::Closed)?;
        Ok(Answer(answer))
    }

    /// Makes a change and waits for its commit.
    pub(crate) async fn commit(&self, change: Change) -> Result<(), JournalError> {
        self.post(change).await?.wait().await
    }

    /// Waits until all changes posted before are committed or have failed.
    pub(crate) async fn settle(&self) -> Result<(), JournalError> {
        match self.commit(Change::Receipted(Vec::<ResultReceipt>::new())).await {
            Err(JournalError::Closed) => Err(JournalError::Closed),
            // That it was this one's turn is all that matters.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Says that a change is there later than others had to expect it.
    pub(crate) fn fall_behind(&self) {
        self.behind.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The room that is kept for the journal.
    pub(crate) fn ballast(&self) -> &Ballast {
        &self.ballast
    }

    /// What commits bring, for those who wait for it.
    pub(crate) fn news(&self) -> News {
        self.news.clone()
    }
}
