//! The same rows written as a service without groups would: a statement, a
//! commit and a flush for each row. Cofi's own rows are left out.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use cofi_controller::ledger::{DatabaseUrl, Ledger};
use sqlx::{
    ConnectOptions, Connection, MySqlConnection, SqliteConnection,
    mysql::MySqlConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::name;

const DISTRIBUTE: &str = "INSERT INTO fileDistribution (`file`, ip, batchId) VALUES (?, ?, 1)";
const CALL: &str = "INSERT INTO `call` (audioUrl, audioName, ip, processId, categoryMappingId, userId, \
                    audioDuration, lang, `type`, status, batchId) \
                    VALUES (?, ?, ?, 1, 1, 1, 0, 'unknown', 'Call', 'Pending', 1)";
const LID_STATUS: &str = "INSERT INTO lidStatus (audioName, ip, `language`, audioDuration, lidProcessingTime, \
                          batchId) VALUES (?, ?, 'hi', 30.5, '0.600', 1)";
const IDENTIFY: &str = "UPDATE `call` SET lang = 'hi', audioDuration = 30.5, \
                        languageId = (SELECT MIN(id) FROM `language` WHERE languageCode = 'hi') \
                        WHERE batchId = 1 AND audioName = ?";
const LID_DONE: &str = "UPDATE fileDistribution SET lidDone = 1 WHERE batchId = 1 AND `file` = ?";

/// A connection that commits each statement.
enum Autocommit {
    Sqlite(SqliteConnection),
    MariaDb(MySqlConnection),
}

impl Autocommit {
    async fn enter(database: &DatabaseUrl) -> anyhow::Result<Self> {
        if database.url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(&database.url)?
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true);
            return Ok(Self::Sqlite(options.connect().await?));
        }
        let options = MySqlConnectOptions::from_str(&database.url)?
            .charset("utf8mb4")
            .password(database.password.as_deref().unwrap_or_default());
        Ok(Self::MariaDb(options.connect().await?))
    }

    async fn run(&mut self, sql: &'static str, values: &[&str]) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(connection) => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| query.bind(*value));
                query.execute(connection).await.map(|_| ())
            }
            Self::MariaDb(connection) => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| query.bind(*value));
                query.execute(connection).await.map(|_| ())
            }
        }
    }

    async fn leave(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::MariaDb(connection) => connection.close().await,
        }
    }
}

/// Records and identifies file by file: how long that takes.
pub(crate) async fn alone(database: &DatabaseUrl, files: usize) -> anyhow::Result<Duration> {
    // The same schema.
    Ledger::open(database.clone()).await?.close().await;
    let mut connection = Autocommit::enter(database).await?;
    connection.run("INSERT INTO batchStatus (id, batchDate) VALUES (1, '01-02-2025')", &[]).await?;
    let begun = Instant::now();
    for file in 0..files {
        let (name, ip) = (&*name(file), &*format!("10.0.0.{}", file % 4));
        let url = &*format!("https://audio.example/calls/{name}");
        connection.run(DISTRIBUTE, &[name, ip]).await?;
        connection.run(CALL, &[url, name, ip]).await?;
        connection.run(LID_STATUS, &[name, ip]).await?;
        connection.run(IDENTIFY, &[name]).await?;
        connection.run(LID_DONE, &[name]).await?;
    }
    let time = begun.elapsed();
    connection.leave().await?;
    Ok(time)
}
