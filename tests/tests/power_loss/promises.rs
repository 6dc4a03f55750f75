//! What was promised at an instant, and whether a store keeps it.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::Digest;
use cofi_tests::database::Database;
use sqlx::{
    FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

/// A recording as the controller's rows have it.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Promise {
    pub(crate) ordinal: i64,
    pub(crate) name: String,
    pub(crate) size: i64,
    pub(crate) digest: Vec<u8>,
}

/// What was promised before an instant, by ordinal.
#[derive(Debug, Clone, Default)]
pub(crate) struct SoFar {
    /// Recordings of which the controller has rows: the agent had acknowledged them.
    pub(crate) stored: Vec<i64>,
    /// Those whose results have rows as well: the agent had written them down.
    pub(crate) identified: Vec<i64>,
}

/// Reads from the controller's rows what was promised.
#[derive(Debug, Clone)]
pub(crate) struct Promises {
    rows: SqlitePool,
    batch: i64,
}

impl Promises {
    pub(crate) async fn open(database: &Database, batch: i64) -> Result<Self> {
        let Database::File(path) = database else { anyhow::bail!("not an embedded database") };
        Ok(Self { rows: open(path).await?, batch })
    }

    /// What was promised by now. One row, since it is asked for all the time.
    pub(crate) async fn so_far(&self) -> Result<SoFar> {
        let select = "SELECT COALESCE(group_concat(ordinal), ''), \
                      COALESCE(group_concat(ordinal) FILTER (WHERE lid = 'done'), '') \
                      FROM cofiRecording WHERE batchId = ? AND placement = 'stored'";
        let (stored, identified): (String, String) = sqlx::query_as(select)
            .bind(self.batch)
            .fetch_one(&self.rows)
            .await
            .context("read what was promised")?;
        let numbers = |list: &str| list.split_terminator(',').map(str::parse).collect::<Result<_, _>>();
        Ok(SoFar { stored: numbers(&stored)?, identified: numbers(&identified)? })
    }

    /// All recordings that were stored in the end, by ordinal.
    pub(crate) async fn all(&self) -> Result<HashMap<i64, Promise>> {
        let select = "SELECT ordinal, audioName AS name, size, digest FROM cofiRecording \
                      WHERE batchId = ? AND placement = 'stored'";
        let rows: Vec<Promise> = sqlx::query_as(select)
            .bind(self.batch)
            .fetch_all(&self.rows)
            .await
            .context("read the recordings")?;
        Ok(rows.into_iter().map(|promise| (promise.ordinal, promise)).collect())
    }
}

/// A recording as a journal has it.
#[derive(Debug, FromRow)]
struct Row {
    ordinal: i64,
    audio_name: String,
    size_bytes: i64,
    digest: Vec<u8>,
    placed: bool,
    finished: bool,
}

/// The store of an agent that comes back from a power cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store<'a> {
    pub(crate) data: &'a Path,
    pub(crate) batch: i64,
    /// Every recording of the batch.
    pub(crate) all: &'a HashMap<i64, Promise>,
}

impl Store<'_> {
    /// What is wrong with it as it lies there, before any agent has mended it.
    pub(crate) async fn broken(self, promised: &SoFar) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        if promised.stored.is_empty() {
            return Ok(findings);
        }
        let rows = match rows(self.data, self.batch).await {
            Ok(rows) => rows,
            Err(error) => return Ok(vec![format!("the journal does not open: {error:#}")]),
        };
        for ordinal in &promised.stored {
            let Promise { name, size, digest, .. } = self.all.get(ordinal).context("an unknown recording")?;
            findings.extend(self.not_whole(name, *size, digest));
            if !rows.contains_key(ordinal) {
                findings.push(format!("{name:?} is not in the journal"));
            }
        }
        let unfinished = |ordinal: &&i64| rows.get(ordinal).is_none_or(|row| !row.finished);
        let lost = promised.identified.iter().filter(unfinished);
        findings
            .extend(lost.map(|ordinal| format!("the result of recording {ordinal} is not in the journal")));
        Ok(findings)
    }

    /// What is wrong with it after an agent has mended it: it holds what was
    /// promised, and for the rest what it would offer is what lies there.
    pub(crate) async fn not_mended(self, promised: &SoFar) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        let rows = rows(self.data, self.batch).await?;
        let mut files = names(&self.data.join("recordings").join(self.batch.to_string()))?;
        for Row { audio_name, size_bytes, digest, placed, .. } in rows.values() {
            if !placed {
                findings.push(format!("{audio_name:?} is still on its way"));
            }
            files.remove(audio_name);
            findings.extend(self.not_whole(audio_name, *size_bytes, digest));
        }
        findings.extend(files.into_iter().map(|name| format!("{name:?} lies there and is in no journal")));
        let incoming = names(&self.data.join("incoming"))?;
        findings.extend(incoming.into_iter().map(|name| format!("{name:?} was left in incoming/")));
        let gone = promised.stored.iter().filter(|ordinal| !rows.contains_key(ordinal));
        findings.extend(gone.map(|ordinal| format!("recording {ordinal} was held and is dropped")));
        Ok(findings)
    }

    /// Why a file is not the recording.
    fn not_whole(self, name: &str, size: i64, digest: &[u8]) -> Option<String> {
        let path = self.data.join("recordings").join(self.batch.to_string()).join(name);
        match fs::read(path) {
            Err(error) => Some(format!("{name:?} cannot be read: {error}")),
            Ok(content) if i64::try_from(content.len()) != Ok(size) => {
                Some(format!("{name:?} has {} bytes of {size}", content.len()))
            }
            Ok(content) if Digest::of(&content).as_bytes()[..] != *digest => {
                Some(format!("{name:?} has other content"))
            }
            Ok(_) => None,
        }
    }
}

/// Reads a copy of the journal: whoever opens the journal itself mends it.
async fn rows(data: &Path, batch: i64) -> Result<HashMap<i64, Row>> {
    let copy = tempfile::tempdir().context("make a folder")?;
    for name in ["journal.sqlite", "journal.sqlite-wal"] {
        match fs::copy(data.join(name), copy.path().join(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.with_context(|| format!("copy {name}"))?),
        }
    }
    let pool = open(&copy.path().join("journal.sqlite")).await?;
    let (sound,): (String,) =
        sqlx::query_as("PRAGMA integrity_check(1)").fetch_one(&pool).await.context("check the journal")?;
    ensure!(sound == "ok", "the journal is not sound: {sound}");
    let select = "SELECT ordinal, audio_name, size_bytes, digest, incoming IS NULL AS placed, EXISTS \
                  (SELECT 1 FROM result f WHERE f.batch = r.batch AND f.ordinal = r.ordinal) AS finished \
                  FROM recording r WHERE batch = ?";
    let rows: Vec<Row> =
        sqlx::query_as(select).bind(batch).fetch_all(&pool).await.context("read the journal")?;
    pool.close().await;
    Ok(rows.into_iter().map(|row| (row.ordinal, row)).collect())
}

async fn open(path: &Path) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new().filename(path);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    pool.with_context(|| format!("open {}", path.display()))
}

fn names(folder: &Path) -> Result<HashSet<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        entries => entries.with_context(|| format!("list {}", folder.display()))?,
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
