//! An agent's journal, seen from outside: what it holds, how often that came,
//! and what it has not got rid of.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use sqlx::{
    FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A recording that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Held {
    /// Place in the manifest.
    pub ordinal: i64,
    /// Its name.
    pub audio_name: String,
    /// Bytes in it.
    pub size_bytes: i64,
    /// Whether the file has its place: only then it was acknowledged.
    pub placed: bool,
    /// Whether the controller said that it has its rows.
    pub recorded: bool,
    /// How often it arrived whole.
    pub received_count: i64,
    /// Bytes that arrived for it.
    pub received_bytes: i64,
}

impl Held {
    /// Whether it came once, and not a byte more.
    #[must_use]
    pub fn came_once(&self) -> bool {
        self.received_count == 1 && self.received_bytes == self.size_bytes
    }
}

/// Read-only.
#[derive(Debug, Clone)]
pub struct Journal(SqlitePool);

impl Journal {
    /// Opens the journal at `path`.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        Ok(Self(pool.with_context(|| format!("open the journal {}", path.display()))?))
    }

    /// What it holds of a batch, by ordinal.
    pub async fn held(&self, batch: i64) -> Result<Vec<Held>> {
        let select = "SELECT ordinal, audio_name, size_bytes, incoming IS NULL AS placed, recorded, \
                      received_count, received_bytes FROM recording WHERE batch = ? ORDER BY ordinal";
        sqlx::query_as(select).bind(batch).fetch_all(&self.0).await.context("read what is held")
    }

    /// Names of the recordings of a batch that have a result.
    pub async fn finished(&self, batch: i64) -> Result<Vec<String>> {
        let select = "SELECT audio_name FROM recording r WHERE batch = ? AND EXISTS (SELECT 1 FROM result f \
                      WHERE f.batch = r.batch AND f.ordinal = r.ordinal)";
        sqlx::query_scalar(select).bind(batch).fetch_all(&self.0).await.context("read what is finished")
    }

    /// How many recordings it holds in their place.
    pub async fn held_count(&self) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM recording WHERE incoming IS NULL").await
    }

    /// Results that the controller has not receipted.
    pub async fn unreceipted(&self) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM result WHERE receipted_at IS NULL").await
    }

    /// Recordings that wait for the engine, or are with it.
    pub async fn waiting(&self) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM job").await
    }

    /// Recordings that the controller has not said it has the rows of.
    pub async fn unrecorded(&self) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM recording WHERE recorded = 0").await
    }

    async fn count(&self, select: &'static str) -> Result<i64> {
        sqlx::query_scalar(select).fetch_one(&self.0).await.context("count in the journal")
    }
}
