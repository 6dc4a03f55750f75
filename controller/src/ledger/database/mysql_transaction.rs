//! A transaction on a server's connection.
//!
//! Whoever waits for a statement may stop waiting at any moment. The driver
//! (sqlx 0.9) does not survive that between preparing a statement and running
//! it: the connection then waits for an answer that never comes, in the pool,
//! with the locks that it holds. A connection that is left in the middle of a
//! transaction is therefore closed, and the server rolls back.

use sqlx::{Executor, MySql, MySqlConnection, MySqlPool, pool::PoolConnection};

/// A transaction; rolled back when dropped without a commit.
#[derive(Debug)]
pub(in crate::ledger) struct MySqlTransaction {
    /// Taken when the transaction has ended in good order.
    connection: Option<PoolConnection<MySql>>,
}

impl MySqlTransaction {
    /// Begins one with these words.
    pub(super) async fn begin(pool: &MySqlPool, words: &'static str) -> Result<Self, sqlx::Error> {
        let mut transaction = Self { connection: Some(pool.acquire().await?) };
        transaction.connection()?.execute(words).await?;
        Ok(transaction)
    }

    /// What its statements run on.
    pub(super) fn connection(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        // Only `end` takes it, and that takes the transaction as well.
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("COMMIT").await
    }

    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, words: &'static str) -> Result<(), sqlx::Error> {
        self.connection()?.execute(words).await?;
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for MySqlTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
