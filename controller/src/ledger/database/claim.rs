//! One controller a database: two would give the same recording to two agents.

use std::{fs::File, time::Duration};

use sqlx::{Connection, MySqlConnection};

use super::mysql;
use crate::ledger::{DatabaseUrl, LedgerError};

/// How long a claim waits for a controller that has just ended: its connection
/// may outlive it for a moment.
const PATIENCE: u32 = 5;
/// How often a server is asked whether the claim still stands.
const INTERVAL: Duration = Duration::from_secs(5);

/// The right to be the controller of a database.
#[derive(Debug)]
pub struct Claim(Kind);

#[derive(Debug)]
enum Kind {
    /// A lock on a file beside the database; the system drops it with the process.
    File(#[allow(dead_code, reason = "held, not read")] File),
    /// A named lock of the server; it drops it with the connection.
    Server(Box<MySqlConnection>, DatabaseUrl),
}

impl Claim {
    pub(in crate::ledger) async fn on_file(database: &std::path::Path) -> Result<Self, LedgerError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(sqlx::Error::Io)?;
        for _ in 0..PATIENCE * 10 {
            match file.try_lock() {
                Ok(()) => return Ok(Self(Kind::File(file))),
                Err(std::fs::TryLockError::WouldBlock) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(sqlx::Error::Io(error).into()),
            }
        }
        Err(LedgerError::Claimed)
    }

    pub(in crate::ledger) async fn on_server(url: &DatabaseUrl) -> Result<Self, LedgerError> {
        let mut connection = mysql::mysql_connection(url).await?;
        let lock = "SELECT CAST(GET_LOCK(CONCAT('cofi.', SHA1(DATABASE())), ?) AS SIGNED)";
        let got: Option<i64> = sqlx::query_scalar(lock).bind(PATIENCE).fetch_one(&mut connection).await?;
        if got == Some(1) {
            Ok(Self(Kind::Server(Box::new(connection), url.clone())))
        } else {
            Err(LedgerError::Claimed)
        }
    }

    /// Keeps the claim for as long as it can be kept; returns when another
    /// controller has it.
    pub async fn keep(mut self) -> LedgerError {
        loop {
            let Kind::Server(connection, url) = &mut self.0 else { return std::future::pending().await };
            tokio::time::sleep(INTERVAL).await;
            if connection.ping().await.is_ok() {
                continue;
            }
            // The server was away; whoever comes first has it now.
            match Self::on_server(url).await {
                Ok(again) => self = again,
                Err(LedgerError::Claimed) => return LedgerError::Claimed,
                Err(error) => tracing::debug!(%error, "the claim on the database is not renewed yet"),
            }
        }
    }
}
