//! A transaction on a server's connection.
//!
//! Whoever waits for a statement may stop waiting at any moment. The driver
//! (sqlx 0.9) does not survive that between preparing a statement and running
//! it: the connection then waits for an answer that never comes, in the pool,
//! with the locks that it holds. A connection that is left in the middle of a
//! transaction is therefore closed, and the server rolls back.
//!
//! A server whose machine is gone says nothing at all: what it does not answer
//! in time counts as lost, with the connection.

use std::{io, time::Duration};

use sqlx::{
    Executor, MySql, MySqlConnection, MySqlPool,
    mysql::{MySqlQueryResult, MySqlRow},
    pool::PoolConnection,
};

use super::mysql::query;
use crate::ledger::sql::Statement;

/// How long a statement may take: longer than it waits for locks.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one may take that is about a whole batch.
const LONG_PATIENCE: Duration = Duration::from_mins(15);

/// How long a connection may take to show that it lives, when it is given back.
const RETURN: Duration = Duration::from_secs(1);

/// A transaction; rolled back when dropped without a commit.
#[derive(Debug)]
pub(in crate::ledger) struct MySqlTransaction {
    /// Taken when the transaction has ended in good order, or is lost.
    connection: Option<PoolConnection<MySql>>,
}

impl MySqlTransaction {
    /// Begins one with these words.
    pub(super) async fn begin(pool: &MySqlPool, words: &'static str) -> Result<Self, sqlx::Error> {
        let mut transaction = Self { connection: Some(pool.acquire().await?) };
        let begun = transaction.connection()?.execute(words);
        within(PATIENCE, begun).await?;
        Ok(transaction)
    }

    /// Changes rows.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<MySqlQueryResult, sqlx::Error> {
        let patience = patience(&statement);
        within(patience, query(statement).execute(self.connection()?)).await
    }

    /// Reads rows.
    pub(super) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let patience = patience(&statement);
        within(patience, query(statement).fetch_all(self.connection()?)).await
    }

    /// Reads one row.
    pub(super) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> Result<Option<MySqlRow>, sqlx::Error> {
        let patience = patience(&statement);
        within(patience, query(statement).fetch_optional(self.connection()?)).await
    }

    fn connection(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        // Only `end` takes it, and that takes the transaction as well.
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("COMMIT", PATIENCE).await
    }

    /// Undoes it, and gives the connection back if it is in good order.
    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        // After a statement that was not answered in time this is not either.
        self.end("ROLLBACK", Duration::from_secs(1)).await
    }

    async fn end(mut self, words: &'static str, patience: Duration) -> Result<(), sqlx::Error> {
        within(patience, self.connection()?.execute(words)).await?;
        if let Some(mut connection) = self.connection.take() {
            // When it is dropped the pool would ask it whether it lives, and
            // wait for ever if it does not; and it would keep its place.
            drop(tokio::time::timeout(RETURN, connection.return_to_pool()).await);
        }
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

fn patience(statement: &Statement) -> Duration {
    if statement.is_long { LONG_PATIENCE } else { PATIENCE }
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let silent = |_| {
        let words = format!("the server did not answer in {} s", patience.as_secs());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, words)))
    };
    tokio::time::timeout(patience, answer).await.unwrap_or_else(silent)
}
