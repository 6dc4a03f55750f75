//! The one row that the database as a whole has.

use super::{Ledger, LedgerError, read_transaction, sql::Statement, write_transaction};

impl Ledger {
    /// Raises the controller's generation durably and gives the new one.
    pub async fn begin_generation(&self) -> Result<u64, LedgerError> {
        write_transaction!(self, |tx| {
            let raise = "UPDATE cofiMeta SET controllerGeneration = controllerGeneration + 1 WHERE one = 1";
            tx.guarded("raise_generation", Statement::named("raise_generation", raise), 1).await?;
            let read = "SELECT controllerGeneration FROM cofiMeta WHERE one = 1";
            let row = tx.row(Statement::named("read_generation", read)).await?;
            row.map_or_else(|| Err(LedgerError::NoSuchRow { table: "cofiMeta", id: 1 }), |row| row.count(0))
        })
    }

    /// What names this database for ever, also in its backups.
    pub async fn database_id(&self) -> Result<String, LedgerError> {
        read_transaction!(self, |tx| {
            let read = "SELECT databaseId FROM cofiMeta WHERE one = 1";
            let row = tx.row(Statement::named("read_database_id", read)).await?;
            row.map_or_else(|| Err(LedgerError::NoSuchRow { table: "cofiMeta", id: 1 }), |row| row.text(0))
        })
    }

    /// Whether the database takes writes: a transaction that writes nothing.
    pub async fn probe(&self) -> Result<(), LedgerError> {
        let touch = "UPDATE cofiMeta SET controllerGeneration = controllerGeneration WHERE one = 1";
        write_transaction!(self, |tx| { tx.guarded("probe", Statement::named("probe", touch), 1).await })
    }
}
