//! One connection, with the same few questions on either database.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, FromRow, MySqlConnection, SqliteConnection,
    mysql::{MySqlDatabaseError, MySqlRow},
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::{Database, OnServer, Right};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A row that either database can give.
pub trait AnyRow:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, MySqlRow> + Send + Unpin + 'static
{
}

impl<T> AnyRow for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, MySqlRow> + Send + Unpin + 'static
{
}

/// A connection of somebody who is not the controller.
#[derive(Debug)]
pub enum Connection {
    /// To an SQLite file.
    File(SqliteConnection),
    /// To a server.
    Server(MySqlConnection),
}

impl Connection {
    /// Opens one that only reads.
    pub async fn reading(database: &Database) -> Result<Self, sqlx::Error> {
        match database {
            Database::File(path) => file(path).read_only(true).connect().await.map(Self::File),
            Database::Server(server) => Self::on_server(server, Right::Reader).await,
        }
    }

    /// Opens one that does as it likes: nothing checks that rows which it
    /// changes still fit together.
    pub async fn writing(database: &Database) -> Result<Self, sqlx::Error> {
        match database {
            Database::File(path) => file(path).foreign_keys(false).connect().await.map(Self::File),
            Database::Server(server) => {
                let mut connection = Self::on_server(server, Right::Everything).await?;
                connection.run("SET SESSION foreign_key_checks = 0").await?;
                Ok(connection)
            }
        }
    }

    async fn on_server(server: &OnServer, right: Right) -> Result<Self, sqlx::Error> {
        server.options(right).connect().await.map(Self::Server)
    }

    /// Whether it can be used: a server may have ended meanwhile.
    pub async fn lives(&mut self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Server(connection) => connection.ping().await.is_ok(),
        }
    }

    /// Runs statements: the number of rows that they changed.
    pub async fn run(&mut self, statements: &'static str) -> Result<u64, sqlx::Error> {
        let statements = sqlx::raw_sql(statements);
        Ok(match self {
            Self::File(connection) => statements.execute(connection).await?.rows_affected(),
            Self::Server(connection) => statements.execute(connection).await?.rows_affected(),
        })
    }

    /// Sees one state of the database from now on, until the next [`Self::end`].
    pub async fn begin(&mut self) -> Result<(), sqlx::Error> {
        let begin = match self {
            Self::File(_) => "BEGIN",
            Self::Server(_) => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT"
            }
        };
        self.run(begin).await.map(drop)
    }

    /// Ends what [`Self::begin`] began.
    pub async fn end(&mut self) -> Result<(), sqlx::Error> {
        self.run("ROLLBACK").await.map(drop)
    }

    /// The rows of a query in which every `?` stands for the batch.
    pub async fn all<T: AnyRow>(&mut self, select: &'static str, batch: i64) -> Result<Vec<T>, sqlx::Error> {
        let marks = select.matches('?').count();
        match self {
            Self::File(connection) => {
                let query = (0..marks).fold(sqlx::query_as(select), |query, _| query.bind(batch));
                query.fetch_all(connection).await
            }
            Self::Server(connection) => {
                let query = (0..marks).fold(sqlx::query_as(select), |query, _| query.bind(batch));
                query.fetch_all(connection).await
            }
        }
    }

    /// The only row of such a query.
    pub async fn one<T: AnyRow>(&mut self, select: &'static str, batch: i64) -> Result<T, sqlx::Error> {
        self.all(select, batch).await?.pop().ok_or(sqlx::Error::RowNotFound)
    }

    /// The number that such a query counts.
    pub async fn count(&mut self, select: &'static str, batch: i64) -> Result<i64, sqlx::Error> {
        self.one::<(i64,)>(select, batch).await.map(|(count,)| count)
    }
}

fn file(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT)
}

/// Whether a connection is lost, or cannot be made at the moment: a server is
/// away, is ending, or has just come back.
#[must_use]
pub fn is_lost(error: &sqlx::Error) -> bool {
    const SHUTDOWN: u16 = 1053;
    const KILLED: u16 = 1927;
    const INTERRUPTED: u16 = 1317;
    let number = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>())
        .map(MySqlDatabaseError::number);
    matches!(error, sqlx::Error::Io(_)) || matches!(number, Some(SHUTDOWN | KILLED | INTERRUPTED))
}
