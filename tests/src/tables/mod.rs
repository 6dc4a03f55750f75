//! The controller's tables, seen from outside by a reader who knows only what
//! they are promised to hold.

mod lock;
mod rows;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use sqlx::{
    FromRow, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow},
};

pub use self::{
    lock::{WriteLock, change},
    rows::{BatchRow, CallRow, FileRow, LidRow, RecordingRow},
};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Rows in the tables that a batch writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
#[sqlx(rename_all = "camelCase")]
pub struct Totals {
    /// In `batchStatus`.
    pub batch_status: i64,
    /// In `cofiBatch`.
    pub cofi_batch: i64,
    /// In `cofiRecording`.
    pub cofi_recording: i64,
    /// In `call`.
    pub calls: i64,
    /// In `fileDistribution`.
    pub file_distribution: i64,
    /// In `lidStatus`.
    pub lid_status: i64,
}

/// How to open an SQLite file only to read it.
pub(crate) fn reading(database: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(database).read_only(true).busy_timeout(BUSY_TIMEOUT)
}

/// Read-only.
#[derive(Debug, Clone)]
pub struct Tables(SqlitePool);

impl Tables {
    /// Opens the database at `path`.
    pub async fn open(path: &Path) -> Result<Self> {
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(reading(path)).await;
        Ok(Self(pool.with_context(|| format!("open the database {}", path.display()))?))
    }

    /// Recordings that are distributed, as a person would count them.
    pub async fn distributed(&self, batch: i64) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM `call` WHERE batchId = ?", batch).await
    }

    /// Recordings that are identified, as a person would count them.
    pub async fn identified(&self, batch: i64) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM `call` WHERE batchId = ? AND lang != 'unknown'", batch).await
    }

    /// Rows in all tables that a batch writes.
    pub async fn totals(&self) -> Result<Totals> {
        let select = "SELECT (SELECT COUNT(*) FROM batchStatus) AS batchStatus, \
                      (SELECT COUNT(*) FROM cofiBatch) AS cofiBatch, \
                      (SELECT COUNT(*) FROM cofiRecording) AS cofiRecording, \
                      (SELECT COUNT(*) FROM `call`) AS calls, \
                      (SELECT COUNT(*) FROM fileDistribution) AS fileDistribution, \
                      (SELECT COUNT(*) FROM lidStatus) AS lidStatus";
        sqlx::query_as(select).fetch_one(&self.0).await.context("count the rows")
    }

    /// The row of a batch.
    pub async fn batch(&self, batch: i64) -> Result<BatchRow> {
        sqlx::query_as(rows::BATCH).bind(batch).fetch_one(&self.0).await.context("read the batch")
    }

    /// `id` of a code in the table `language`.
    pub async fn language_id(&self, code: &str) -> Result<Option<i64>> {
        let select = "SELECT id FROM `language` WHERE languageCode = ?";
        sqlx::query_scalar(select).bind(code).fetch_optional(&self.0).await.context("look a language up")
    }

    /// Everything that is written about a batch, in one snapshot.
    pub async fn snapshot(&self, batch: i64) -> Result<Snapshot> {
        let mut transaction = self.0.begin().await.context("begin to read")?;
        Snapshot::read(&mut transaction, batch).await
    }

    async fn count(&self, select: &'static str, batch: i64) -> Result<i64> {
        sqlx::query_scalar(select).bind(batch).fetch_one(&self.0).await.context("count the rows")
    }
}

/// What the tables hold of a batch at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Of `fileDistribution`.
    pub files: Vec<FileRow>,
    /// Of `call`, by id.
    pub calls: Vec<CallRow>,
    /// Of `lidStatus`, by id.
    pub lids: Vec<LidRow>,
    /// Of `cofiRecording`, by ordinal.
    pub recordings: Vec<RecordingRow>,
    /// `id` and code of the table `language`.
    pub languages: Vec<(i64, String)>,
}

impl Snapshot {
    async fn read(connection: &mut SqliteConnection, batch: i64) -> Result<Self> {
        let languages = "SELECT id, languageCode FROM `language` WHERE ? > 0";
        Ok(Self {
            files: all(connection, rows::FILES, batch).await?,
            calls: all(connection, rows::CALLS, batch).await?,
            lids: all(connection, rows::LIDS, batch).await?,
            recordings: all(connection, rows::RECORDINGS, batch).await?,
            languages: all(connection, languages, batch).await?,
        })
    }
}

async fn all<T>(connection: &mut SqliteConnection, select: &'static str, batch: i64) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    sqlx::query_as(select).bind(batch).fetch_all(connection).await.with_context(|| select.to_owned())
}
