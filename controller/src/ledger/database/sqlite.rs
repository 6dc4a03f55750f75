//! The embedded database: SQLite in a file of its own.

use std::{
    fs::{DirBuilder, File},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Column, Row as _, Sqlite, SqlitePool, TypeInfo, ValueRef,
    migrate::{MigrateError, Migrator},
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};

use tokio::time::sleep;

use super::sqlite_transaction::SqliteTransaction;
use crate::ledger::{
    LedgerError,
    sql::{Row, Statement, Value},
};

fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("../migrations/sqlite");
    migrations.dangerous_set_table_name("cofiMigration");
    migrations
}

/// How long a connection waits for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Before a connection that found the database busy is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Readers beside the one writer.
const READERS: u32 = 2;

/// Page caches, in negative KiB as SQLite has it. The system caches the file as
/// well: larger ones cost memory and gain little.
const WRITER_CACHE: &str = "-1024";
const READER_CACHE: &str = "-256";

/// Texts that are kept prepared on a connection: every statement in every
/// chunk size.
const STATEMENT_CACHE: usize = 256;

/// Rows that a connection's thread hands over at a time: those of the largest
/// chunk, so that the two threads do not wait for one another in between.
const ROW_BUFFER: usize = 512;

/// One writing connection, so that writers queue here instead of failing
/// there, and a few reading ones, which the writer does not hold up (WAL).
#[derive(Debug, Clone)]
pub(in crate::ledger) struct Sqlite3 {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite3 {
    /// Opens `sqlite:PATH`, makes the file if it is not there, and brings the
    /// schema up to date.
    pub(super) async fn open(url: &str) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENT_CACHE)
            .row_buffer_size(ROW_BUFFER);
        prepare(options.get_filename()).map_err(sqlx::Error::Io)?;
        let writing = options.clone().pragma("cache_size", WRITER_CACHE);
        let writer = connect(SqlitePoolOptions::new().max_connections(1), writing).await?;
        migrate(&writer).await.map_err(LedgerError::Migrate)?;
        let reading = options.read_only(true).pragma("cache_size", READER_CACHE);
        let readers = connect(SqlitePoolOptions::new().max_connections(READERS), reading).await?;
        Ok(Self { writer, readers })
    }

    /// Begins a transaction that holds the right to write from the start.
    pub(super) async fn begin_writing(&self) -> Result<SqliteTransaction, LedgerError> {
        Ok(SqliteTransaction::begin(&self.writer, "BEGIN IMMEDIATE").await?)
    }

    /// Begins a transaction that sees one state of the database throughout.
    pub(super) async fn begin_reading(&self) -> Result<SqliteTransaction, LedgerError> {
        Ok(SqliteTransaction::begin(&self.readers, "BEGIN").await?)
    }

    /// The database's file.
    pub(super) fn file(&self) -> std::path::PathBuf {
        self.writer.connect_options().get_filename().to_owned()
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Connects. Those that begin or end a file's write-ahead log at the same moment
/// do not wait for each other, whatever time they were given: SQLite tells some
/// of them at once that it is busy.
async fn connect(pool: SqlitePoolOptions, to: SqliteConnectOptions) -> Result<SqlitePool, LedgerError> {
    let begun = Instant::now();
    loop {
        let connected = pool.clone().connect_with(to.clone()).await;
        match connected.map_err(LedgerError::from) {
            Err(LedgerError::Busy(_)) if begun.elapsed() < BUSY_TIMEOUT => sleep(BUSY_PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Makes the folder and the file, for their owner alone; SQLite gives the files
/// beside it the same rights.
fn prepare(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| *folder != Path::new("")) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    File::options().create(true).truncate(false).write(true).mode(0o600).open(file).map(|_| ())
}

/// Brings the schema up to date. The migrator holds no lock on this database:
/// another process may apply a migration between its looking and its writing.
/// Each time that happens one migration less is left.
async fn migrate(writer: &SqlitePool) -> Result<(), MigrateError> {
    let migrations = migrations();
    for _ in migrations.iter() {
        if migrations.run(writer).await.is_ok() {
            return Ok(());
        }
    }
    migrations.run(writer).await
}

/// Declared width in characters of a text column; none if it has no bound.
pub(super) fn width_of(declared: &str) -> Option<usize> {
    let (_, width) = declared.strip_suffix(')')?.split_once('(')?;
    width.trim().parse().ok()
}

pub(super) fn query(statement: Statement) -> Query<'static, Sqlite, SqliteArguments> {
    let Statement { text, values, .. } = statement;
    values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(value),
        Value::Real(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
    })
}

pub(super) fn row(row: &SqliteRow) -> Result<Row, LedgerError> {
    (0..row.len()).map(|column| value(row, column)).collect::<Result<_, _>>().map(Row)
}

fn value(row: &SqliteRow, column: usize) -> Result<Value, LedgerError> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info();
    match kind.name() {
        "INTEGER" | "INT4" | "INT8" | "BOOLEAN" => Ok(Value::Int(row.try_get_unchecked(column)?)),
        "REAL" => Ok(Value::Real(row.try_get_unchecked(column)?)),
        "BLOB" => Ok(Value::Blob(row.try_get_unchecked(column)?)),
        "TEXT" | "DATETIME" | "DATE" | "TIME" => Ok(Value::Text(row.try_get_unchecked(column)?)),
        other => Err(LedgerError::Corrupt {
            column: row.column(column).name().to_owned(),
            value: other.to_owned(),
        }),
    }
}
