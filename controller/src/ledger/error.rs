//! What can go wrong with the ledger.

use cofi_proto::{AgentName, BatchId};

/// Why the ledger did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is no such batch.
    #[error("there is no batch {0}")]
    NoSuchBatch(BatchId),
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
    /// A statement failed.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migrate the database")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// SQLite's result codes (<https://www.sqlite.org/rescode.html>) in their
/// primary form.
mod sqlite_code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const READONLY: u32 = 8;
    pub(super) const IOERR: u32 = 10;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        let primary = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .and_then(|code| code.parse::<u32>().ok())
            .map(|code| code & 0xff);
        match primary {
            Some(sqlite_code::BUSY | sqlite_code::LOCKED) => Self::Busy(error),
            Some(sqlite_code::READONLY | sqlite_code::IOERR | sqlite_code::FULL | sqlite_code::CANTOPEN) => {
                Self::Unavailable(error)
            }
            _ if matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
            ) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Database(error),
        }
    }
}

impl LedgerError {
    /// Whether the same call may succeed later without anybody changing it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_))
    }
}
