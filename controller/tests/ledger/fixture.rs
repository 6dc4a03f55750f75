//! A database of its own for each test, seen from both sides: as the ledger,
//! and as the other services and people who read and write the same tables.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use cofi_controller::ledger::Ledger;
use sqlx::{
    AssertSqlSafe, Column, Connection, Row, SqliteConnection, SqlitePool, TypeInfo, ValueRef,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow},
};
use tempfile::TempDir;

/// How long somebody outside waits for the database.
const OUTSIDE_PATIENCE: Duration = Duration::from_secs(30);

/// A row by its columns' names, each value as text; NULL is "NULL".
pub type Record = BTreeMap<String, String>;

/// An empty database with Cofi's schema.
pub struct Fixture {
    folder: TempDir,
    ledger: Ledger,
    outside: SqlitePool,
}

impl Fixture {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(url(&folder).as_str()).await.unwrap();
        let options = outside_options(&folder);
        let outside = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        Self { folder, ledger, outside }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The same database through connections of its own, as another process
    /// would have it.
    pub async fn another_ledger(&self) -> Ledger {
        Ledger::open(url(&self.folder).as_str()).await.unwrap()
    }

    /// Changes rows from outside: how many.
    pub async fn execute(&self, sql: &str) -> u64 {
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&self.outside).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// Rows by column, as somebody outside sees them.
    pub async fn records(&self, sql: &str) -> Vec<Record> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.outside).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}")).iter().map(record).collect()
    }

    /// The only row of a query.
    pub async fn record(&self, sql: &str) -> Record {
        let mut records = self.records(sql).await;
        assert_eq!(records.len(), 1, "{sql}");
        records.remove(0)
    }

    /// The first column of every row.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.outside).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter().map(|row| text(row, 0)).collect()
    }

    /// The only value of a query.
    pub async fn value(&self, sql: &str) -> String {
        let mut values = self.column(sql).await;
        assert_eq!(values.len(), 1, "{sql}");
        values.remove(0)
    }

    /// Gives `lidStatus.audioName` the width that it has in production.
    pub async fn narrow_lid_status(&self) {
        self.execute("ALTER TABLE lidStatus RENAME COLUMN audioName TO wide").await;
        self.execute("ALTER TABLE lidStatus ADD COLUMN audioName varchar(100)").await;
    }

    /// How the database would go about a statement, a line a table.
    pub async fn plan(&self, sql: &str) -> Vec<String> {
        // A new connection knows the newest statistics.
        let mut connection = self.foreign_connection().await;
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.unwrap();
        plan.iter().filter_map(|line| record(line).remove("detail")).collect()
    }

    /// Another process that begins a transaction and writes.
    pub async fn foreign_writer(&self) -> Foreign {
        let mut connection = self.foreign_connection().await;
        run(&mut connection, "BEGIN IMMEDIATE").await;
        run(&mut connection, "UPDATE cofiMeta SET controllerGeneration = controllerGeneration").await;
        Foreign(connection)
    }

    /// Another process that reads and stays in its transaction.
    pub async fn foreign_reader(&self) -> Foreign {
        let mut connection = self.foreign_connection().await;
        run(&mut connection, "BEGIN").await;
        let mut reader = Foreign(connection);
        reader.value("SELECT COUNT(*) FROM `call`").await;
        reader
    }

    async fn foreign_connection(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&outside_options(&self.folder)).await.unwrap()
    }
}

/// A transaction of another process.
pub struct Foreign(SqliteConnection);

impl Foreign {
    /// The only value of a query within the transaction.
    pub async fn value(&mut self, sql: &str) -> String {
        text(&sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut self.0).await.unwrap(), 0)
    }

    /// Ends the transaction.
    pub async fn leave(mut self) {
        run(&mut self.0, "COMMIT").await;
        self.0.close().await.unwrap();
    }
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::query(sql).execute(connection).await.unwrap();
}

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}/cofi.db", folder.path().display())
}

fn outside_options(folder: &TempDir) -> SqliteConnectOptions {
    SqliteConnectOptions::from_str(&url(folder)).unwrap().foreign_keys(true).busy_timeout(OUTSIDE_PATIENCE)
}

fn record(row: &SqliteRow) -> Record {
    row.columns()
        .iter()
        .enumerate()
        .map(|(index, column)| (column.name().to_owned(), text(row, index)))
        .collect()
}

fn text(row: &SqliteRow, index: usize) -> String {
    let raw = row.try_get_raw(index).unwrap();
    if raw.is_null() {
        return "NULL".to_owned();
    }
    match raw.type_info().name() {
        "REAL" => row.get_unchecked::<f64, _>(index).to_string(),
        "INTEGER" | "BOOLEAN" => row.get_unchecked::<i64, _>(index).to_string(),
        "BLOB" => hex(row.get_unchecked(index)),
        _ => row.get_unchecked(index),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
