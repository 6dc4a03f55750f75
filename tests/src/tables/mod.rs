//! The controller's tables, seen from outside by a reader who knows only what
//! they are promised to hold.

mod rows;

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use sqlx::FromRow;

pub use self::rows::{BatchRow, CallRow, FileRow, LidRow, RecordingRow};
use crate::database::{AnyRow, Connection, Database};

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

/// Read-only.
#[derive(Debug)]
pub struct Tables {
    database: Database,
    /// Between two questions; a lock, since a `Tables` is asked by reference.
    idle: Mutex<Option<Connection>>,
}

impl Tables {
    /// Opens a database.
    pub async fn open(database: &Database) -> Result<Self> {
        let tables = Self { database: database.clone(), idle: Mutex::default() };
        let connection = tables.connection().await?;
        tables.put_back(connection);
        Ok(tables)
    }

    async fn connection(&self) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut connection) = idle
            && connection.lives().await
        {
            return Ok(connection);
        }
        Connection::reading(&self.database).await.context("open the database")
    }

    fn put_back(&self, connection: Connection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }

    /// Recordings that are distributed, as a person would count them.
    pub async fn distributed(&self, batch: i64) -> Result<i64> {
        let (count,) = self.one("SELECT COUNT(*) FROM `call` WHERE batchId = ?", batch).await?;
        Ok(count)
    }

    /// Recordings that are identified, as a person would count them.
    pub async fn identified(&self, batch: i64) -> Result<i64> {
        let select = "SELECT COUNT(*) FROM `call` WHERE batchId = ? AND lang != 'unknown'";
        let (count,) = self.one(select, batch).await?;
        Ok(count)
    }

    /// Rows in all tables that a batch writes.
    pub async fn totals(&self) -> Result<Totals> {
        let select = "SELECT (SELECT COUNT(*) FROM batchStatus) AS batchStatus, \
                      (SELECT COUNT(*) FROM cofiBatch) AS cofiBatch, \
                      (SELECT COUNT(*) FROM cofiRecording) AS cofiRecording, \
                      (SELECT COUNT(*) FROM `call`) AS calls, \
                      (SELECT COUNT(*) FROM fileDistribution) AS fileDistribution, \
                      (SELECT COUNT(*) FROM lidStatus) AS lidStatus";
        self.one(select, 0).await
    }

    /// The row of a batch.
    pub async fn batch(&self, batch: i64) -> Result<BatchRow> {
        self.one(rows::BATCH, batch).await
    }

    /// `id` of a code in the table `language`.
    pub async fn language_id(&self, code: &str) -> Result<Option<i64>> {
        let mut connection = self.connection().await?;
        let languages: Vec<(i64, String)> =
            connection.all(rows::LANGUAGES, 0).await.context("read the languages")?;
        self.put_back(connection);
        Ok(languages.into_iter().find_map(|(id, known)| (known == code).then_some(id)))
    }

    /// Everything that is written about a batch, in one snapshot.
    pub async fn snapshot(&self, batch: i64) -> Result<Snapshot> {
        let mut connection = self.connection().await?;
        let snapshot = Snapshot::read(&mut connection, batch).await.context("read the tables")?;
        self.put_back(connection);
        Ok(snapshot)
    }

    async fn one<T: AnyRow>(&self, select: &'static str, batch: i64) -> Result<T> {
        let mut connection = self.connection().await?;
        let row = connection.one(select, batch).await.context(select)?;
        self.put_back(connection);
        Ok(row)
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
    async fn read(connection: &mut Connection, batch: i64) -> Result<Self, sqlx::Error> {
        connection.begin().await?;
        let snapshot = Self {
            files: connection.all(rows::FILES, batch).await?,
            calls: connection.all(rows::CALLS, batch).await?,
            lids: connection.all(rows::LIDS, batch).await?,
            recordings: connection.all(rows::RECORDINGS, batch).await?,
            languages: connection.all(rows::LANGUAGES, batch).await?,
        };
        connection.end().await?;
        Ok(snapshot)
    }
}
