//! What the agent's journal holds, read as a person would.

use std::path::Path;

use sqlx::{Connection as _, FromRow, SqliteConnection, sqlite::SqliteConnectOptions};

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Row {
    pub ordinal: i64,
    pub audio_name: String,
    pub recorded: bool,
    pub placed: bool,
    pub received_count: i64,
    pub received_bytes: i64,
}

/// All recordings in the journal, in order.
pub async fn journal_rows(data_dir: &Path) -> Vec<Row> {
    let options = SqliteConnectOptions::new().filename(data_dir.join("journal.sqlite")).read_only(true);
    let mut journal = SqliteConnection::connect_with(&options).await.unwrap();
    let rows = sqlx::query_as(
        "SELECT ordinal, audio_name, recorded, incoming IS NULL AS placed, received_count, received_bytes
         FROM recording ORDER BY batch, ordinal",
    )
    .fetch_all(&mut journal)
    .await
    .unwrap();
    journal.close().await.unwrap();
    rows
}
