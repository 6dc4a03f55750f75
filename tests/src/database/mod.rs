//! The controller's database, as others reach it: by its file, or as any client
//! of a server.

mod connection;
mod lock;
mod server;

use std::path::{Path, PathBuf};

use anyhow::Result;

pub use self::{
    connection::{AnyRow, Connection, is_lost},
    lock::{WriteLock, change},
    server::{OnServer, Right},
};

/// What a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded database of every new controller.
    Sqlite,
    /// A database of its own on the server that the tests share.
    MariaDb,
}

/// A controller's database.
#[derive(Debug, Clone)]
pub enum Database {
    /// The embedded one, at this path.
    File(PathBuf),
    /// One on a server.
    Server(OnServer),
}

impl Database {
    /// An empty database; the embedded one is made by the controller.
    pub async fn new(kind: Kind, embedded: PathBuf) -> Result<Self> {
        Ok(match kind {
            Kind::Sqlite => Self::File(embedded),
            Kind::MariaDb => Self::Server(OnServer::new(cofi_mariadb::shared().address()).await?),
        })
    }

    /// An SQLite file that is there.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}
