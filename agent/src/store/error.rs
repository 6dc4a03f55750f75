//! What can go wrong with the store as a whole, and with one recording.

use std::{io, path::PathBuf};

use cofi_proto::receive::RefusalCode;

use crate::{chain::Chain, journal::JournalError};

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The controller works on another database than before.
    #[error(
        "this data_dir belongs to database {own}, and the controller works on {other}: give the agent another data_dir"
    )]
    OtherDatabase {
        /// Whose recordings are stored here.
        own: String,
        /// Whose are offered.
        other: String,
    },
    /// A folder or file of the store cannot be made or opened.
    #[error("open {}", path.display())]
    Open {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the agent can put something in the place of what it keeps.
    #[error(
        "{} has mode {mode:04o}: others than its owner can change what the agent keeps there; take that away \
         with `chmod go-w`, or name a folder below it as data_dir", path.display()
    )]
    Shared {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The folder is another user's.
    #[error("{} belongs to user {owner}, who can change what the agent keeps there: give it to the agent's user", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Number of the user.
        owner: u32,
    },
    /// Another agent uses the data folder.
    #[error("another agent uses {}: give this one a data_dir of its own", .0.display())]
    InUse(PathBuf),
    /// The file that names the store holds something else.
    #[error("{} holds no uuid", .0.display())]
    StorageId(PathBuf),
    /// `publish_dir` cannot hold hard links to recordings.
    #[error("publish_dir {} lies on another file system than data_dir {}", publish.display(), data.display())]
    OtherFileSystem {
        /// The folder for later stages.
        publish: PathBuf,
        /// The agent's own folder.
        data: PathBuf,
    },
    /// Something in the store cannot be read or moved.
    #[error("{doing} {what}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// With what.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The journal does not answer.
    #[error("keep the journal of the store")]
    Journal(#[from] JournalError),
    /// A thread of the store has ended.
    #[error("the store is closed")]
    Closed,
}

/// Why one recording is not stored; the words travel to the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: RefusalCode,
    pub(super) reason: String,
}

impl Refused {
    pub(super) fn integrity(reason: impl Into<String>) -> Self {
        Self { code: RefusalCode::Integrity, reason: reason.into() }
    }

    pub(super) fn name_taken(reason: impl Into<String>) -> Self {
        Self { code: RefusalCode::NameTaken, reason: reason.into() }
    }

    pub(super) fn disk_full(reason: impl Into<String>) -> Self {
        Self { code: RefusalCode::DiskFull, reason: reason.into() }
    }

    /// The file system answered with an error while `doing` something.
    pub(super) fn io(doing: &str, error: &io::Error) -> Self {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let code = if full { RefusalCode::DiskFull } else { RefusalCode::Io };
        Self { code, reason: format!("{doing}: {error}") }
    }

    pub(super) fn journal(error: &JournalError) -> Self {
        let code = if error.is_full() { RefusalCode::DiskFull } else { RefusalCode::Io };
        Self { code, reason: Chain(error).to_string() }
    }
}
