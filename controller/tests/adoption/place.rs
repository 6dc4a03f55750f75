//! A database of its own for each test, with whatever tables the test wants.

use std::sync::atomic::{AtomicU32, Ordering};

use cofi_controller::ledger::{DatabaseUrl, Ledger, LedgerError, MigrationPlan, migrate, plan_migration};
use cofi_mariadb::{PASSWORD, Server, USER};
use sqlx::{
    AssertSqlSafe, ConnectOptions, MySqlConnection, MySqlPool, Row, ValueRef,
    mysql::{MySqlPoolOptions, MySqlRow},
};

/// The shared tables as production has them.
pub const PRODUCTION: &str = include_str!("production.sql");

/// What a production database is made with.
pub const UNICODE: &str = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci";

/// A server may be set up to leave every session in a transaction.
const SETTLED: &str = "SET SESSION autocommit = 1";

pub struct Place<'a> {
    server: &'a Server,
    database: String,
    /// Who Cofi connects as.
    user: (String, String),
    outside: MySqlPool,
}

impl Place<'static> {
    /// A database with production's tables, and a few odd rows in each.
    pub async fn production() -> Self {
        Self::with(UNICODE, PRODUCTION).await
    }

    /// The same with other tables, in a database made with these options.
    pub async fn with(options: &str, tables: &str) -> Self {
        let place = Self::empty(options).await;
        place.execute(tables).await;
        crate::filling::fill(&place, 3, 8).await;
        place
    }

    /// A database with nothing in it.
    pub async fn empty(options: &str) -> Self {
        Self::named(cofi_mariadb::shared(), &fresh_name(), options).await
    }
}

fn fresh_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("adoption_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

impl<'a> Place<'a> {
    /// A database of this name on this server.
    pub async fn named(server: &'a Server, database: &str, options: &str) -> Self {
        let mut connection = server.options().connect().await.unwrap();
        execute(&mut connection, &format!("CREATE DATABASE `{database}` {options}")).await.unwrap();
        let outside = MySqlPoolOptions::new()
            .max_connections(2)
            .after_connect(move |connection, _| {
                Box::pin(async move { execute(connection, SETTLED).await.map(|_| ()) })
            })
            .connect_with(server.options().database(database));
        let user = (USER.to_owned(), PASSWORD.to_owned());
        Self { server, database: database.to_owned(), user, outside: outside.await.unwrap() }
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn url(&self) -> DatabaseUrl {
        let (user, password) = &self.user;
        let url = self.server.url(&in_a_url(&self.database)).replace(USER, user);
        DatabaseUrl { url, password: Some(password.clone()) }
    }

    /// The same place, where Cofi is another user.
    pub fn as_user(&self, name: &str, password: &str) -> Self {
        let user = (name.to_owned(), password.to_owned());
        Self { server: self.server, database: self.database.clone(), user, outside: self.outside.clone() }
    }

    /// A connection of that user.
    pub async fn own_connection(&self) -> MySqlConnection {
        let (user, password) = &self.user;
        let options = self.server.options().username(user).password(password);
        options.database(&self.database).connect().await.unwrap()
    }

    /// A connection of somebody else's, with the settings of old services.
    pub async fn connection(&self) -> MySqlConnection {
        let mut connection = self.server.options().database(&self.database).connect().await.unwrap();
        execute(&mut connection, SETTLED).await.unwrap();
        execute(&mut connection, "SET SESSION sql_mode = ''").await.unwrap();
        connection
    }

    /// Runs statements as somebody else.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connection().await;
        execute(&mut connection, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Rows as somebody else sees them, each value in the words of the server.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&self.outside).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}")).iter().map(texts).collect()
    }

    /// The only value of a query.
    pub async fn value(&self, sql: &str) -> String {
        let mut rows = self.rows(sql).await;
        assert!(rows.len() == 1 && rows[0].len() == 1, "{sql}: {rows:?}");
        rows.remove(0).remove(0)
    }

    pub async fn plan(&self) -> Result<MigrationPlan, LedgerError> {
        plan_migration(&self.url(), true).await
    }

    /// `migrate`, which leaves nothing to do.
    pub async fn migrate(&self) -> MigrationPlan {
        let plan = self.plan().await.unwrap_or_else(|error| panic!("{error}"));
        let mut done = Vec::new();
        migrate(&self.url(), &plan, |step| done.push(step.clone())).await.unwrap();
        assert_eq!(done, plan.steps);
        assert_eq!(self.plan().await.unwrap().steps, []);
        plan
    }

    pub async fn open(&self) -> Result<Ledger, LedgerError> {
        Ledger::open(self.url()).await
    }
}

/// As a part of a URL: every byte that could mean something else by its number.
fn in_a_url(name: &str) -> String {
    let digits = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.bytes().map(digits).collect()
}

/// Runs statements.
pub async fn execute(connection: &mut MySqlConnection, sql: &str) -> Result<u64, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|done| done.rows_affected())
}

fn texts(row: &MySqlRow) -> Vec<String> {
    (0..row.len()).map(|index| text(row, index)).collect()
}

fn text(row: &MySqlRow, index: usize) -> String {
    if row.try_get_raw(index).unwrap().is_null() {
        return "NULL".to_owned();
    }
    let bytes: Vec<u8> = row.get_unchecked(index);
    String::from_utf8_lossy(&bytes).into_owned()
}
