//! What can go wrong with the journal.

use std::{fmt, io, path::PathBuf, sync::Arc};

use sqlx::error::DatabaseError;

/// Something went wrong with the journal. It can be cloned, since one failed
/// transaction answers several changes.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum JournalError {
    /// It cannot be opened.
    #[error("open the journal {}", path.display())]
    Open {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: Arc<sqlx::Error>,
    },
    /// Its tables cannot be brought to this version.
    #[error("bring the tables of the journal {} to this version", path.display())]
    Migrate {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: Arc<sqlx::migrate::MigrateError>,
    },
    /// Room for it cannot be kept or given up.
    #[error("keep room for the journal")]
    Ballast(#[source] Arc<io::Error>),
    /// A change could not be committed.
    #[error("write the journal")]
    Write(#[source] Arc<sqlx::Error>),
    /// It could not be read.
    #[error("read the journal")]
    Read(#[source] Arc<sqlx::Error>),
    /// A value cannot be written as JSON.
    #[error("write {what} as json")]
    Encode {
        /// The value.
        what: &'static str,
        /// Why.
        source: Arc<serde_json::Error>,
    },
    /// A row holds what this program did not write.
    #[error("{column} in the journal is {value}")]
    Damaged {
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// The writer has ended.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    pub(super) fn write(source: sqlx::Error) -> Self {
        Self::Write(Arc::new(source))
    }

    pub(super) fn read(source: sqlx::Error) -> Self {
        Self::Read(Arc::new(source))
    }

    pub(super) fn ballast(source: io::Error) -> Self {
        Self::Ballast(Arc::new(source))
    }

    pub(super) fn damaged(column: &'static str, value: impl fmt::Display) -> Self {
        Self::Damaged { column, value: value.to_string() }
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        // SQLITE_FULL and SQLITE_IOERR_SHMSIZE, https://sqlite.org/rescode.html
        const FULL: [&str; 2] = ["13", "4874"];
        match self {
            Self::Write(error) => {
                let code = error.as_database_error().and_then(DatabaseError::code);
                code.is_some_and(|code| FULL.contains(&&*code))
            }
            Self::Open { .. }
            | Self::Migrate { .. }
            | Self::Ballast(_)
            | Self::Read(_)
            | Self::Encode { .. }
            | Self::Damaged { .. }
            | Self::Closed => false,
        }
    }
}
