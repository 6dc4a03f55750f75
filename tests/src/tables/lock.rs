//! Writing to a database that is somebody else's: holding the right to write,
//! so that its owner cannot commit for as long, and changing what is there.

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

/// Changes a database behind its owner's back, who should not run: with foreign
/// keys off, since what is done here is often damage. Gives the number of rows
/// that the last statement changed.
pub async fn change(database: &Path, statements: &'static str) -> Result<u64> {
    let options = reading(database).read_only(false).foreign_keys(false);
    let mut connection = options.connect().await.context("open the database")?;
    let changed = sqlx::raw_sql(statements).execute(&mut connection).await;
    let changed = changed.with_context(|| format!("run {statements}"))?.rows_affected();
    connection.close().await.context("close the database")?;
    Ok(changed)
}
