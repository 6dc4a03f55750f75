//! A transaction on a connection to the embedded database.
//!
//! SQLite may end a transaction by itself: when its disk is full or fails, for
//! example, there is nothing left to roll back, and whoever counts transactions
//! (as the driver does) counts wrongly from then on. A connection that is left
//! in the middle of a transaction, or whose end went wrong, is therefore closed
//! and not used again.

use sqlx::{
    Executor, Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteQueryResult, SqliteRow},
};

use super::sqlite::query;
use crate::ledger::sql::Statement;

/// A transaction; rolled back when dropped without a commit.
#[derive(Debug)]
pub(in crate::ledger) struct SqliteTransaction {
    /// Taken when the transaction has ended in good order, or is lost.
    connection: Option<PoolConnection<Sqlite>>,
}

impl SqliteTransaction {
    /// Begins one with these words.
    pub(super) async fn begin(pool: &SqlitePool, words: &'static str) -> Result<Self, sqlx::Error> {
        let mut transaction = Self { connection: Some(pool.acquire().await?) };
        transaction.connection()?.execute(words).await?;
        Ok(transaction)
    }

    /// Changes rows.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<SqliteQueryResult, sqlx::Error> {
        query(statement).execute(self.connection()?).await
    }

    /// Reads rows.
    pub(super) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<SqliteRow>, sqlx::Error> {
        query(statement).fetch_all(self.connection()?).await
    }

    /// Reads one row.
    pub(super) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> Result<Option<SqliteRow>, sqlx::Error> {
        query(statement).fetch_optional(self.connection()?).await
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        // Only `end` takes it, and that takes the transaction as well.
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("COMMIT").await
    }

    /// Undoes it, and gives the connection back if it is in good order.
    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, words: &'static str) -> Result<(), sqlx::Error> {
        self.connection()?.execute(words).await?;
        // Goes back to the pool.
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
