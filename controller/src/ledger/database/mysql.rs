//! MySQL and MariaDB, whose shared tables were there before Cofi.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, MySql, MySqlConnection, MySqlPool, Row as _,
    TypeInfo, ValueRef,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlPoolOptions, MySqlRow, MySqlSslMode},
    query::Query,
};

use super::{DatabaseUrl, TextColumn, mysql_transaction::MySqlTransaction};
use crate::ledger::{
    LedgerError, Repertoire,
    sql::{Row, Statement, Value},
};

/// Transactions that write at a time: recording, applying, planning, and the
/// small things.
const WRITERS: u32 = 6;
const READERS: u32 = 4;
/// How long a call waits for a connection before the database counts as away.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long an idle connection may take to say that it lives.
const PING: Duration = Duration::from_secs(1);
/// Texts that are kept prepared on a connection: every statement in every
/// chunk size.
const STATEMENT_CACHE: usize = 256;

/// What every connection is set to. The server's time zone is left alone:
/// times in shared tables are in it.
const SESSION: &str = "SET SESSION sql_mode = \
     'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
     innodb_lock_wait_timeout = 5";
const WRITER: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
const READER: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// Two pools: who writes sees what others commit, who reads sees one state.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct MySqlServer {
    writers: MySqlPool,
    readers: MySqlPool,
    url: DatabaseUrl,
}

impl MySqlServer {
    /// Connects.
    pub(super) async fn connect(url: &DatabaseUrl) -> Result<Self, LedgerError> {
        let options = options(url)?;
        let writers = pool(WRITERS, WRITER).connect_with(options.clone()).await?;
        let readers = pool(READERS, READER).connect_with(options).await?;
        Ok(Self { writers, readers, url: url.clone() })
    }

    pub(super) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    pub(super) async fn begin_writing(&self) -> Result<MySqlTransaction, LedgerError> {
        Ok(MySqlTransaction::begin(&self.writers, "START TRANSACTION").await?)
    }

    pub(super) async fn begin_reading(&self) -> Result<MySqlTransaction, LedgerError> {
        Ok(MySqlTransaction::begin(&self.readers, "START TRANSACTION READ ONLY").await?)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

/// One connection, for `migrate`.
pub(in crate::ledger) async fn mysql_connection(url: &DatabaseUrl) -> Result<MySqlConnection, LedgerError> {
    let mut connection = options(url)?.connect().await?;
    connection.execute(SESSION).await?;
    Ok(connection)
}

fn pool(connections: u32, isolation: &'static str) -> MySqlPoolOptions {
    MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // By itself it would wait for a lost connection as long as for a new one.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(lives(connection)))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                connection.execute(isolation).await.map(|_| ())
            })
        })
}

/// Whether an idle connection can be used; one that was lost without a word
/// does not answer.
async fn lives(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let silence = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(PING, connection.ping()).await.map_err(silence)?.map(|()| true)
}

/// Off loopback the server's certificate is verified.
fn options(url: &DatabaseUrl) -> Result<MySqlConnectOptions, LedgerError> {
    let mut options: MySqlConnectOptions = url.url.replacen("mariadb:", "mysql:", 1).parse()?;
    options = options
        .charset("utf8mb4")
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(STATEMENT_CACHE);
    let near =
        options.get_socket().is_some() || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1");
    if !near {
        options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
    }
    if let Some(password) = &url.password {
        options = options.password(password);
    }
    Ok(options)
}

pub(super) fn query(statement: Statement) -> Query<'static, MySql, MySqlArguments> {
    let Statement { text, values, .. } = statement;
    values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(value),
        Value::Real(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
    })
}

pub(super) fn row(row: &MySqlRow) -> Result<Row, LedgerError> {
    (0..row.len()).map(|column| value(row, column)).collect::<Result<_, _>>().map(Row)
}

fn value(row: &MySqlRow, column: usize) -> Result<Value, LedgerError> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info();
    let kind = kind.name();
    match kind {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" => {
            Ok(Value::Int(row.try_get_unchecked(column)?))
        }
        unsigned if unsigned.ends_with("UNSIGNED") => {
            let wide: u64 = row.try_get_unchecked(column)?;
            i64::try_from(wide).map(Value::Int).map_err(|_| corrupt(row, column, wide.to_string()))
        }
        "FLOAT" => Ok(Value::Real(f64::from(row.try_get_unchecked::<f32, _>(column)?))),
        "DOUBLE" => Ok(Value::Real(row.try_get_unchecked(column)?)),
        "DECIMAL" => {
            let digits: String = row.try_get_unchecked(column)?;
            digits.parse().map(Value::Real).map_err(|_| corrupt(row, column, digits.clone()))
        }
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" | "JSON" => {
            Ok(Value::Text(row.try_get_unchecked(column)?))
        }
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            Ok(Value::Blob(row.try_get_unchecked(column)?))
        }
        other => Err(corrupt(row, column, other.to_owned())),
    }
}

fn corrupt(row: &MySqlRow, column: usize, value: String) -> LedgerError {
    LedgerError::Corrupt { column: row.column(column).name().to_owned(), value }
}

/// Reads a text column's width and character set.
pub(super) fn text_column(table: &str, column: &str) -> Statement {
    let select = "SELECT CAST(CHARACTER_MAXIMUM_LENGTH AS SIGNED), CHARACTER_SET_NAME \
                  FROM information_schema.COLUMNS \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?";
    Statement::named("text_column", select).bind(table).bind(column)
}

pub(super) fn declared(row: &Row) -> Result<TextColumn, LedgerError> {
    let chars = row.opt_int(0)?.and_then(|chars| usize::try_from(chars).ok());
    let repertoire = match row.opt_text(1)?.as_deref() {
        Some("latin1") => Repertoire::Latin1,
        Some("utf8" | "utf8mb3" | "ucs2") => Repertoire::BasicPlane,
        // Of other sets only ASCII is certain.
        Some("utf8mb4" | "utf16" | "utf32" | "binary") | None => Repertoire::Unicode,
        Some(_) => Repertoire::Ascii,
    };
    Ok(TextColumn { chars, repertoire })
}
