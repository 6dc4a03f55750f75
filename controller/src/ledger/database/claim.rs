//! One controller a database: two would give the same recording to two agents.

use std::{fs::File, time::Duration};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

use super::mysql;
use crate::ledger::{DatabaseUrl, LedgerError};

/// How long a claim waits for a controller that has just ended: its connection
/// may outlive it for a moment.
const PATIENCE: u32 = 5;
/// How often a server is asked whether the claim still stands.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long its answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The right to be the controller of a database.
#[derive(Debug)]
pub struct Claim(Kind);

#[derive(Debug)]
enum Kind {
    /// A lock on a file beside the database; the system drops it with the process.
    File(#[allow(dead_code, reason = "held, not read")] File),
    /// A named lock of the server; it drops it with the connection.
    Server(ServerClaim),
}

#[derive(Debug)]
struct ServerClaim {
    connection: Box<MySqlConnection>,
    /// The server's number of the connection.
    id: i64,
    url: DatabaseUrl,
}

/// Names the lock, of the database that a connection uses.
const LOCK: &str = "CONCAT('cofi.', SHA1(DATABASE()))";

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
        ServerClaim::take(url, None).await.map(|claim| Self(Kind::Server(claim)))
    }

    /// Keeps the claim for as long as it can be kept; returns when another
    /// controller has it.
    pub async fn keep(self) -> LedgerError {
        let Kind::Server(mut claim) = self.0 else { return std::future::pending().await };
        loop {
            tokio::time::sleep(INTERVAL).await;
            if claim.stands().await {
                continue;
            }
            // The server was away, or out of reach; whoever comes first has it now.
            let again = ServerClaim::take(&claim.url, Some(claim.id));
            match tokio::time::timeout(ANSWER, again).await {
                Ok(Ok(again)) => claim = again,
                Ok(Err(LedgerError::Claimed)) => return LedgerError::Claimed,
                Ok(Err(error)) => tracing::debug!(%error, "the claim on the database is not renewed yet"),
                Err(_) => tracing::debug!("the claim on the database is not renewed yet"),
            }
        }
    }
}

impl ServerClaim {
    /// Takes the lock, also from a connection of this controller's own that was
    /// lost without the server's knowing: it would be held for hours.
    async fn take(url: &DatabaseUrl, lost: Option<i64>) -> Result<Self, LedgerError> {
        let mut connection = Box::new(mysql::mysql_connection(url).await?);
        if let Some(lost) = lost {
            let holder = format!("SELECT CAST(IS_USED_LOCK({LOCK}) AS SIGNED)");
            let holder: Option<i64> =
                sqlx::query_scalar(AssertSqlSafe(holder)).fetch_one(&mut *connection).await?;
            if holder == Some(lost) {
                let kill = sqlx::query(AssertSqlSafe(format!("KILL {lost}"))).execute(&mut *connection).await;
                // It may have ended meanwhile; whether it has, the lock will say.
                kill.inspect_err(|error| tracing::debug!(%error, "a lost connection was not ended")).ok();
            }
        }
        let lock = format!("SELECT CAST(GET_LOCK({LOCK}, ?) AS SIGNED), CAST(CONNECTION_ID() AS SIGNED)");
        let (got, id): (Option<i64>, i64) =
            sqlx::query_as(AssertSqlSafe(lock)).bind(PATIENCE).fetch_one(&mut *connection).await?;
        if got == Some(1) { Ok(Self { connection, id, url: url.clone() }) } else { Err(LedgerError::Claimed) }
    }

    /// Whether the connection that holds the lock lives.
    async fn stands(&mut self) -> bool {
        let answer = tokio::time::timeout(ANSWER, self.connection.ping()).await;
        answer.is_ok_and(|answer| answer.is_ok())
    }
}
