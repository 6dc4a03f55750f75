//! The right to write, held by somebody else: the database does not take the
//! controller's commits for as long.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::reading;

const SQLITE_BUSY: &str = "5";

/// Held until it is released, or the connection is gone.
#[derive(Debug)]
pub struct WriteLock(SqliteConnection);

impl WriteLock {
    /// Takes it, unless somebody else has it at this moment. Waiting for it
    /// would be in vain: SQLite does not queue, and the controller is busy.
    pub async fn take(database: &Path) -> Result<Option<Self>> {
        let options = reading(database).read_only(false).busy_timeout(Duration::ZERO);
        let mut connection = options.connect().await.context("open the database")?;
        match sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await {
            Ok(_) => Ok(Some(Self(connection))),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(SQLITE_BUSY) => Ok(None),
            Err(error) => Err(error).context("take the right to write"),
        }
    }

    /// Lets the controller write again.
    pub async fn release(mut self) -> Result<()> {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.context("give the right to write back")?;
        self.0.close().await.context("close the database")
    }
}
