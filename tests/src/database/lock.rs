//! Writing to a database that is somebody else's: holding the right to write,
//! so that its owner cannot commit for as long, and changing what is there.

use anyhow::{Context as _, Result};

use super::{Connection, Database};

const SQLITE_BUSY: &str = "5";
/// Lock wait timeout, deadlock.
const SERVER_BUSY: [u16; 2] = [1205, 1213];

/// Held until it is released, or the connection is gone.
#[derive(Debug)]
pub struct WriteLock(Connection);

impl WriteLock {
    /// Takes it, unless somebody else has it at this moment.
    ///
    /// Waiting for SQLite's would be in vain: it does not queue, and the
    /// controller is busy. On a server it is the rows that decide what is
    /// recorded, and one waits in a queue for each.
    pub async fn take(database: &Database) -> Result<Option<Self>> {
        let mut connection = Connection::writing(database).await.context("open the database")?;
        let lock = match &connection {
            Connection::File(_) => "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE",
            Connection::Server(_) => "BEGIN; SELECT COUNT(*) FROM cofiRecording FOR UPDATE",
        };
        match connection.run(lock).await {
            Ok(_) => Ok(Some(Self(connection))),
            Err(sqlx::Error::Database(error)) if is_busy(&*error) => Ok(None),
            Err(error) => Err(error).context("take the right to write"),
        }
    }

    /// Whether its owner has to stand still for it to be taken; otherwise one
    /// waits for what the owner is doing.
    pub(crate) fn needs_a_pause(database: &Database) -> bool {
        match database {
            Database::File(_) => true,
            Database::Server(_) => false,
        }
    }

    /// Lets the controller write again.
    pub async fn release(mut self) -> Result<()> {
        self.0.end().await.context("give the right to write back")
    }
}

fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    match error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        Some(error) => SERVER_BUSY.contains(&error.number()),
        None => error.code().as_deref() == Some(SQLITE_BUSY),
    }
}

/// Changes a database behind its owner's back, who should not run: with foreign
/// keys off, since what is done here is often damage. Gives the number of rows
/// that the statements changed.
pub async fn change(database: &Database, statements: &'static str) -> Result<u64> {
    let mut connection = Connection::writing(database).await.context("open the database")?;
    connection.run(statements).await.with_context(|| format!("run {statements}"))
}
