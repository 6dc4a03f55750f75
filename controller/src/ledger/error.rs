//! What can go wrong with the ledger.

use std::time::Duration;

use cofi_identity::{
    IssueError,
    token::{JoinRefused, TokenId},
};
use cofi_proto::{AgentName, BatchId};

use super::Finding;

/// Longer than a small piece of work takes, waiting for locks of others
/// included, and short enough for work to go on within half a minute.
const SILENCE: Duration = Duration::from_secs(25);

/// Why the ledger did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is no such batch.
    #[error("there is no batch {0}")]
    NoSuchBatch(BatchId),
    /// The batch is in the shared tables alone.
    #[error("batch {0} was written by an earlier service, and Cofi has no manifest of it")]
    EarlierBatch(BatchId),
    /// The batch has no such recording.
    #[error("batch {0} has no recording {1}")]
    NoSuchRecording(BatchId, String),
    /// No agent of that name was ever seen.
    #[error("there is no agent {0}")]
    NoSuchAgent(AgentName),
    /// A row that another row points to is not there.
    #[error("there is no {table} {id}")]
    NoSuchRow {
        /// The table.
        table: &'static str,
        /// The id that was asked for.
        id: i64,
    },
    /// The idempotency key belongs to another request.
    #[error("idempotency key {0:?} was used for another request (batch {1})")]
    KeyTaken(String, BatchId),
    /// The batch was cancelled.
    #[error("batch {0} is cancelled")]
    BatchCancelled(BatchId),
    /// A row changed between reading and writing it, although it was locked.
    #[error("{statement} changed {changed} rows, expected {expected}")]
    Guard {
        /// Name of the statement.
        statement: &'static str,
        /// Rows it changed.
        changed: u64,
        /// Rows it should have changed.
        expected: u64,
    },
    /// A column holds what it may not hold.
    #[error("column {column} holds {value}")]
    Corrupt {
        /// The column, or its position in a result.
        column: String,
        /// What it holds.
        value: String,
    },
    /// Somebody else holds the database; the transaction was retried in vain.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// The database cannot be used at the moment.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The connection broke at COMMIT, and until now nobody could look.
    #[error("the database went away at COMMIT: whether the change was made is not known, ask again")]
    OutcomeUnknown(#[source] sqlx::Error),
    /// A statement failed.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// Another controller has claimed the database.
    #[error("another controller works on this database: stop it first, or give this one another database")]
    Claimed,
    /// Nothing of the batch is left to cancel.
    #[error("batch {0} has nothing left to cancel")]
    NothingToCancel(BatchId),
    /// Recordings that were to be identified again are on no host any more; the
    /// first ten of them.
    #[error(
        "recordings {} of batch {} are released: no host has their files any more, so they cannot be tried again",
        numbers(.1),
        .0
    )]
    Released(BatchId, Vec<i64>),
    /// No token of that id was ever recorded.
    #[error("there is no token {0}")]
    NoSuchToken(TokenId),
    /// The token does not let the machine in.
    #[error(transparent)]
    Join(#[from] JoinRefused),
    /// The agent was removed: it neither joins nor renews.
    #[error("agent {0} was removed: let it come back with cofi agent resume {0} first")]
    AgentRemoved(AgentName),
    /// The certificate that the agent shows, or would be given again, was
    /// revoked.
    #[error("certificate of agent {0} revoked: join anew with a token from cofi token create --join {0}")]
    CertificateRevoked(AgentName),
    /// The agent has asked for so many certificates that it gets no more.
    #[error(
        "agent {0} has {1} certificates that are good: it gets another one when the first of them expires, or when it joins anew with a token from cofi token create --join {0}"
    )]
    TooManyCertificates(AgentName, u64),
    /// A certificate could not be made.
    #[error("issue a certificate for agent {0}")]
    Issue(AgentName, #[source] IssueError),
    /// The database was never migrated, by an older version, or half.
    #[error("the database is not migrated to this version: run `cofi-controller migrate` on it first")]
    NotMigrated,
    /// A newer version has migrated the database.
    #[error("the database was migrated by a newer version of Cofi: install that version here")]
    NewerSchema,
    /// The shared tables are not what Cofi needs.
    #[error("the database cannot be used as it is:\n{}", list(.0))]
    Unfit(Vec<Finding>),
    /// Another process is migrating the database.
    #[error("another `cofi-controller migrate` works on this database: wait until it is done")]
    Migrating,
    /// A step of a migration failed; those before it are done.
    #[error("{what}")]
    Step {
        /// What it would have done.
        what: String,
        /// Why it did not.
        source: Box<LedgerError>,
    },
    /// The schema could not be brought up to date.
    #[error("migrate the database")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
    lines.join("\n")
}

fn numbers(ordinals: &[i64]) -> String {
    let words: Vec<String> = ordinals.iter().map(i64::to_string).collect();
    words.join(", ")
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        let away = matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        );
        match error.as_database_error().map_or(Trouble::Other, trouble) {
            Trouble::Contention => Self::Busy(error),
            Trouble::Away => Self::Unavailable(error),
            Trouble::Other if away => Self::Unavailable(error),
            Trouble::Other => Self::Database(error),
        }
    }
}

/// What kind of trouble a database is in.
enum Trouble {
    Contention,
    Away,
    Other,
}

fn trouble(error: &dyn sqlx::error::DatabaseError) -> Trouble {
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return server_trouble(error.number());
    }
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.map_or(Trouble::Other, |code| embedded_trouble(code & 0xff))
}

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>).
fn embedded_trouble(code: u32) -> Trouble {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READONLY: u32 = 8;
    const IOERR: u32 = 10;
    const FULL: u32 = 13;
    const CANTOPEN: u32 = 14;
    match code {
        BUSY | LOCKED => Trouble::Contention,
        READONLY | IOERR | FULL | CANTOPEN => Trouble::Away,
        _ => Trouble::Other,
    }
}

/// Error numbers of MySQL (<https://dev.mysql.com/doc/mysql-errors/8.0/en/>)
/// and MariaDB (<https://mariadb.com/kb/en/mariadb-error-code-reference/>).
fn server_trouble(number: u16) -> Trouble {
    match number {
        // Record changed (MariaDB 11.6), lock wait timeout (rolls back only
        // the statement: the transaction is run again whole), deadlock.
        1020 | 1205 | 1213 => Trouble::Contention,
        // Disk full, too many connections, out of resources, shutdown, table
        // full, aborted connection, temporary error, read-only, killed.
        1021 | 1040 | 1041 | 1053 | 1114 | 1152 | 1203 | 1290 | 1297 | 1792 | 1836 | 1927 | 3100 | 3572 => {
            Trouble::Away
        }
        _ => Trouble::Other,
    }
}

impl LedgerError {
    /// Takes a key that is there already for contention: whoever wrote it first
    /// will be seen when the transaction runs again.
    pub(super) fn contended_key(self) -> Self {
        if let Self::Database(error) = self {
            let taken =
                error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
            return if taken { Self::Busy(error) } else { Self::Database(error) };
        }
        self
    }

    /// The same, of a COMMIT: where the answer did not come, the change may have
    /// been made.
    pub(super) fn at_commit(self) -> Self {
        if let Self::Unavailable(error) = self { Self::OutcomeUnknown(error) } else { self }
    }

    /// Does a small piece of work, and gives it up if the database is silent for
    /// too long: a connection may be lost without a word.
    pub async fn or_silence<T>(work: impl Future<Output = Result<T, Self>>) -> Result<T, Self> {
        let silence = |_| Self::Unavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
        tokio::time::timeout(SILENCE, work).await.map_err(silence).flatten()
    }

    /// What a database says at a point that fails.
    #[cfg(feature = "failpoints")]
    pub(crate) fn failpoint() -> Self {
        sqlx::Error::Io(cofi_failpoint::io_error()).into()
    }

    /// The same, of a COMMIT that was done.
    #[cfg(feature = "failpoints")]
    pub(crate) fn failpoint_at_commit() -> Self {
        Self::failpoint().at_commit()
    }

    /// Whether the same call may succeed later without anybody changing it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_) | Self::OutcomeUnknown(_))
    }
}
