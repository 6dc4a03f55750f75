//! The embedded database: connections, transactions, and the translation of
//! values. The only file of the ledger that knows which database it is.

use std::{path::Path, str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, Column, Row as _, Sqlite, SqlitePool, TypeInfo, ValueRef,
    migrate::Migrator,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};

use super::{
    LedgerError,
    sql::{Row, Statement, Value},
};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// How long a connection waits for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers beside the one writer.
const READERS: u32 = 4;

/// Texts that are kept prepared on a connection: every statement in every
/// chunk size.
const STATEMENT_CACHE: usize = 256;

/// One writing connection, so that writers queue here instead of failing
/// there, and a few reading ones, which the writer does not hold up (WAL).
#[derive(Debug, Clone)]
pub(super) struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens `sqlite:PATH`, makes the file if it is not there, and brings the
    /// schema up to date.
    pub(super) async fn open(url: &str) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENT_CACHE);
        if let Some(folder) = options.get_filename().parent().filter(|folder| *folder != Path::new("")) {
            std::fs::create_dir_all(folder).map_err(sqlx::Error::Io)?;
        }
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await.map_err(LedgerError::Migrate)?;
        let readers =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers })
    }

    /// Begins a transaction that holds the right to write from the start.
    pub(super) async fn begin_writing(&self) -> Result<Transaction, LedgerError> {
        Ok(Transaction(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Begins a transaction that sees one state of the database throughout.
    pub(super) async fn begin_reading(&self) -> Result<Transaction, LedgerError> {
        Ok(Transaction(self.readers.begin().await?))
    }

    /// Waits for what is under way and closes the connections.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A transaction; rolled back when dropped without a commit.
#[derive(Debug)]
pub(super) struct Transaction(sqlx::Transaction<'static, Sqlite>);

impl Transaction {
    /// Runs a statement and says how many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, LedgerError> {
        Ok(query(statement).execute(&mut *self.0).await?.rows_affected())
    }

    /// Runs an insert and says which id the row got.
    pub(super) async fn insert(&mut self, statement: Statement) -> Result<i64, LedgerError> {
        Ok(query(statement).execute(&mut *self.0).await?.last_insert_rowid())
    }

    /// Runs a statement that must change `expected` rows.
    pub(super) async fn guarded(
        &mut self,
        name: &'static str,
        statement: Statement,
        expected: usize,
    ) -> Result<(), LedgerError> {
        let changed = self.execute(statement).await?;
        let expected = u64::try_from(expected).unwrap_or(u64::MAX);
        if changed == expected {
            Ok(())
        } else {
            Err(LedgerError::Guard { statement: name, changed, expected })
        }
    }

    /// All rows of a query.
    pub(super) async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, LedgerError> {
        query(statement).fetch_all(&mut *self.0).await?.iter().map(row).collect()
    }

    /// The row of a query that has at most one.
    pub(super) async fn row(&mut self, statement: Statement) -> Result<Option<Row>, LedgerError> {
        query(statement).fetch_optional(&mut *self.0).await?.as_ref().map(row).transpose()
    }

    pub(super) async fn commit(self) -> Result<(), LedgerError> {
        Ok(self.0.commit().await?)
    }

    /// Declared width in characters of a text column; none if it has no bound.
    pub(super) async fn width(&mut self, table: &str, column: &str) -> Result<Option<usize>, LedgerError> {
        let statement = Statement::named("width", "SELECT type FROM pragma_table_info(?) WHERE name = ?")
            .bind(table)
            .bind(column);
        let declared = self.row(statement).await?.map(|row| row.text(0)).transpose()?;
        Ok(declared.and_then(|declared| {
            let (_, width) = declared.strip_suffix(')')?.split_once('(')?;
            width.trim().parse().ok()
        }))
    }
}

fn query(statement: Statement) -> Query<'static, Sqlite, SqliteArguments> {
    let Statement { text, values } = statement;
    values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(value),
        Value::Real(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
    })
}

fn row(row: &SqliteRow) -> Result<Row, LedgerError> {
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
