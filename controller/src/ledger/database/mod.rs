//! The databases: connections, transactions, and the translation of values.
//! The only folder of the ledger that knows which database it is; what differs
//! between them is here, and everything above is written once.

mod claim;
mod mysql;
mod mysql_transaction;
mod sqlite;
mod sqlite_transaction;

use std::fmt;

pub use claim::Claim;
use mysql::MySqlServer;
pub(super) use mysql::mysql_connection;
use mysql_transaction::MySqlTransaction;
use sqlite::Sqlite3;
use sqlite_transaction::SqliteTransaction;

use super::{
    LedgerError, Repertoire,
    sql::{Row, Statement},
};

/// One of the databases.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Sqlite(Sqlite3),
    MySql(MySqlServer),
}

/// Where a database is, and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// `sqlite:PATH`, or `mysql://USER@HOST:PORT/DATABASE`, without a password.
    pub url: String,
    /// The password, if one is needed.
    pub password: Option<String>,
}

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned(), password: None }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.url).finish()
    }
}

impl Database {
    /// Connects to the database that `url` names. The embedded one is made and
    /// brought up to date if need be.
    pub(super) async fn connect(url: &DatabaseUrl) -> Result<Self, LedgerError> {
        if url.url.starts_with("sqlite:") {
            Ok(Self::Sqlite(Sqlite3::open(&url.url).await?))
        } else {
            Ok(Self::MySql(MySqlServer::connect(url).await?))
        }
    }

    /// Claims the database for this controller.
    pub(super) async fn claim(&self) -> Result<Claim, LedgerError> {
        match self {
            Self::Sqlite(database) => Claim::on_file(&database.file()).await,
            Self::MySql(database) => Claim::on_server(database.url()).await,
        }
    }

    /// Whether somebody else looks after the schema.
    pub(super) fn is_server(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::MySql(_) => true,
        }
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin_writing(&self) -> Result<Transaction, LedgerError> {
        Ok(match self {
            Self::Sqlite(database) => Transaction::Sqlite(database.begin_writing().await?),
            Self::MySql(database) => Transaction::MySql(database.begin_writing().await?),
        })
    }

    /// Begins a transaction that sees one state of the database throughout.
    pub(super) async fn begin_reading(&self) -> Result<Transaction, LedgerError> {
        Ok(match self {
            Self::Sqlite(database) => Transaction::Sqlite(database.begin_reading().await?),
            Self::MySql(database) => Transaction::MySql(database.begin_reading().await?),
        })
    }

    /// Waits for what is under way and closes the connections.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::MySql(database) => database.close().await,
        }
    }
}

/// A transaction; rolled back when dropped without a commit.
#[derive(Debug)]
pub(super) enum Transaction {
    Sqlite(SqliteTransaction),
    MySql(MySqlTransaction),
}

/// What a text column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextColumn {
    /// Characters; none if it has no bound.
    pub(super) chars: Option<usize>,
    /// Which characters.
    pub(super) repertoire: Repertoire,
}

impl TextColumn {
    /// Whether a text can be in it.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.repertoire.has(text) && self.chars.is_none_or(|chars| text.chars().count() <= chars)
    }
}

impl Transaction {
    /// Runs a statement and says how many rows it found to change.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, LedgerError> {
        Ok(match self {
            Self::Sqlite(tx) => tx.execute(statement).await?.rows_affected(),
            Self::MySql(tx) => tx.execute(statement).await?.rows_affected(),
        })
    }

    /// Runs an insert and says which id the row got.
    pub(super) async fn insert(&mut self, statement: Statement) -> Result<i64, LedgerError> {
        match self {
            Self::Sqlite(tx) => Ok(tx.execute(statement).await?.last_insert_rowid()),
            Self::MySql(tx) => {
                let id = tx.execute(statement).await?.last_insert_id();
                i64::try_from(id)
                    .map_err(|_| LedgerError::Corrupt { column: "id".to_owned(), value: id.to_string() })
            }
        }
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
        match self {
            Self::Sqlite(tx) => tx.fetch_all(statement).await?.iter().map(sqlite::row).collect(),
            Self::MySql(tx) => tx.fetch_all(statement).await?.iter().map(mysql::row).collect(),
        }
    }

    /// The row of a query that has at most one.
    pub(super) async fn row(&mut self, statement: Statement) -> Result<Option<Row>, LedgerError> {
        match self {
            Self::Sqlite(tx) => {
                let row = tx.fetch_optional(statement).await?;
                row.as_ref().map(sqlite::row).transpose()
            }
            Self::MySql(tx) => {
                let row = tx.fetch_optional(statement).await?;
                row.as_ref().map(mysql::row).transpose()
            }
        }
    }

    pub(super) async fn commit(self) -> Result<(), LedgerError> {
        failpoint!(async TRANSACTION_WRITTEN => return Err(LedgerError::failpoint()));
        let committed = match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::MySql(tx) => tx.commit().await,
        };
        committed.map_err(|error| LedgerError::from(error).at_commit())?;
        failpoint!(async TRANSACTION_COMMITTED => return Err(LedgerError::failpoint_at_commit()));
        Ok(())
    }

    /// Ends it without a change. It is rolled back in any case: this only says
    /// that the connection is in good order.
    pub(super) async fn roll_back(self) {
        let rolled_back = match self {
            Self::Sqlite(tx) => tx.rollback().await,
            Self::MySql(tx) => tx.rollback().await,
        };
        if let Err(error) = rolled_back {
            tracing::debug!(%error, "a connection was given up");
        }
    }

    /// What ends a SELECT of rows that are about to be changed. SQLite needs
    /// nothing: its writing transactions run one after another.
    pub(super) fn for_update(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::MySql(_) => " FOR UPDATE",
        }
    }

    /// The condition that a time has not been younger than so many seconds, which
    /// are to be bound, by the database's own clock.
    pub(super) fn unchanged_for_seconds(&self, time: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("datetime({time}) <= datetime('now', '-' || ? || ' seconds')"),
            Self::MySql(_) => format!("{time} <= CURRENT_TIMESTAMP - INTERVAL ? SECOND"),
        }
    }

    /// What a text column is declared to hold.
    pub(super) async fn text_column(
        &mut self,
        table: &str,
        column: &str,
    ) -> Result<Option<TextColumn>, LedgerError> {
        match self {
            Self::Sqlite(_) => {
                let select =
                    Statement::named("width", "SELECT type FROM pragma_table_info(?) WHERE name = ?");
                let row = self.row(select.bind(table).bind(column)).await?;
                let declared = row.map(|row| row.text(0)).transpose()?;
                Ok(declared.map(|declared| TextColumn {
                    chars: sqlite::width_of(&declared),
                    repertoire: Repertoire::Unicode,
                }))
            }
            Self::MySql(_) => {
                let row = self.row(mysql::text_column(table, column)).await?;
                row.as_ref().map(mysql::declared).transpose()
            }
        }
    }
}
