//! MySQL and MariaDB, whose shared tables were there before Cofi.

use std::{path::PathBuf, time::Duration};

use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Executor, MySql, MySqlConnection, MySqlPool, Row as _,
    Transaction, TypeInfo, ValueRef,
    migrate::Migrator,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlPoolOptions, MySqlRow, MySqlSslMode},
    query::Query,
};

use super::TextColumn;
use crate::ledger::{
    LedgerError, Repertoire,
    sql::{Row, Statement, Value},
};

/// Cofi's own tables; the shared ones are there, or made by `migrate`.
pub(in crate::ledger) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/mysql");

/// Transactions that write at a time: recording, applying, planning, and the
/// small things.
const WRITERS: u32 = 6;
const READERS: u32 = 4;
/// How long a call waits for a connection before the database counts as away.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Texts that are kept prepared on a connection: every statement in every
/// chunk size.
const STATEMENT_CACHE: usize = 256;

/// What every connection is set to. The server's time zone is left alone:
/// times in shared tables are in it.
const SESSION: &str = "SET SESSION sql_mode = \
     'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
     innodb_lock_wait_timeout = 10";
const WRITER: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
const READER: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// Two pools: who writes sees what others commit, who reads sees one state.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct MySqlServer {
    writers: MySqlPool,
    readers: MySqlPool,
}

impl MySqlServer {
    /// Connects and looks whether the database is ready to be served from.
    pub(super) async fn open(url: &str) -> Result<Self, LedgerError> {
        let options = options(url)?;
        let writers = pool(WRITERS, WRITER).connect_with(options.clone()).await?;
        let readers = pool(READERS, READER).connect_with(options).await?;
        let server = Self { writers, readers };
        server.assert_migrated().await?;
        Ok(server)
    }

    /// A database that was not migrated, or by a newer version, is refused.
    async fn assert_migrated(&self) -> Result<(), LedgerError> {
        let select = "SELECT version FROM _sqlx_migrations WHERE success = TRUE ORDER BY version";
        let applied: Vec<i64> = match sqlx::query_scalar(select).fetch_all(&self.writers).await {
            Ok(applied) => applied,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42S02") => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        if applied.iter().any(|version| !known.contains(version)) {
            return Err(LedgerError::NewerSchema);
        }
        if applied.len() < known.len() {
            return Err(LedgerError::NotMigrated);
        }
        Ok(())
    }

    pub(super) async fn begin_writing(&self) -> Result<Transaction<'static, MySql>, LedgerError> {
        Ok(self.writers.begin().await?)
    }

    pub(super) async fn begin_reading(&self) -> Result<Transaction<'static, MySql>, LedgerError> {
        Ok(self.readers.begin_with("START TRANSACTION READ ONLY").await?)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

/// One connection, for `migrate`.
pub(in crate::ledger) async fn connect(url: &str) -> Result<MySqlConnection, LedgerError> {
    let mut connection = options(url)?.connect().await?;
    connection.execute(SESSION).await?;
    Ok(connection)
}

fn pool(connections: u32, isolation: &'static str) -> MySqlPoolOptions {
    MySqlPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).after_connect(
        move |connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                connection.execute(isolation).await.map(|_| ())
            })
        },
    )
}

/// Reads a URL. Off loopback the server's certificate is verified. The
/// password is not in the URL: it comes from a file or from the environment.
fn options(url: &str) -> Result<MySqlConnectOptions, LedgerError> {
    let url = url.replacen("mariadb:", "mysql:", 1);
    let mut options: MySqlConnectOptions = url.parse()?;
    options = options
        .charset("utf8mb4")
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(STATEMENT_CACHE);
    let near =
        options.get_socket().is_some() || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1");
    if !near && !matches!(options.get_ssl_mode(), MySqlSslMode::VerifyIdentity) {
        options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
    }
    if let Some(password) = password()? {
        options = options.password(&password);
    }
    Ok(options)
}

/// Environment variable with the password.
const PASSWORD: &str = "COFI_DATABASE_PASSWORD";
/// Environment variable with the path of a file with the password.
const PASSWORD_FILE: &str = "COFI_DATABASE_PASSWORD_FILE";

fn password() -> Result<Option<String>, LedgerError> {
    if let Some(file) = std::env::var_os(PASSWORD_FILE).map(PathBuf::from) {
        let password = std::fs::read_to_string(&file)
            .map_err(|source| LedgerError::PasswordFile { file: file.display().to_string(), source })?;
        return Ok(Some(password.trim_end_matches(['\r', '\n']).to_owned()));
    }
    Ok(std::env::var(PASSWORD).ok())
}

pub(super) fn query(statement: Statement) -> Query<'static, MySql, MySqlArguments> {
    let Statement { text, values } = statement;
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
