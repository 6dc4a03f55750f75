//! A database on a server, and those who have rights on it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, mysql::MySqlConnectOptions};

/// Of the database's own users; the tests' user has another one.
const PASSWORD: &str = "p@ss:w/ord é";

/// What the controller needs to serve.
const SERVICE: &str = "SELECT, INSERT, UPDATE, DELETE";
/// What `cofi-controller migrate` needs.
const MIGRATOR: &str =
    "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW";
/// What somebody needs who looks.
const READER: &str = "SELECT";

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// The controller.
    Service,
    /// Whoever runs `cofi-controller migrate`.
    Migrator,
    /// Whoever looks.
    Reader,
    /// The tests' own user.
    Everything,
}

/// A database on a server.
#[derive(Debug, Clone)]
pub struct OnServer {
    address: SocketAddr,
    name: String,
}

impl OnServer {
    /// Makes an empty database, and its users, on the server at `address`.
    pub async fn new(address: SocketAddr) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let database = Self { address, name: format!("cofi{}", NEXT.fetch_add(1, Ordering::Relaxed)) };
        let name = &database.name;
        let mut statements = vec![format!("CREATE DATABASE `{name}`")];
        for (right, grants) in
            [(Right::Service, SERVICE), (Right::Migrator, MIGRATOR), (Right::Reader, READER)]
        {
            let user = format!("'{}'@'127.0.0.1'", database.user(right));
            statements.push(format!("CREATE USER {user} IDENTIFIED BY '{PASSWORD}'"));
            statements.push(format!("GRANT {grants} ON `{name}`.* TO {user}"));
        }
        let statements = AssertSqlSafe(statements.join("; "));
        let everywhere = Self { address, name: "mysql".to_owned() };
        let mut connection = everywhere.options(Right::Everything).connect().await.context("connect")?;
        sqlx::raw_sql(statements).execute(&mut connection).await.context("make a database")?;
        connection.close().await.context("close the connection")?;
        Ok(database)
    }

    /// The name of a user.
    #[must_use]
    pub fn user(&self, right: Right) -> String {
        match right {
            Right::Service => format!("{}_service", self.name),
            Right::Migrator => format!("{}_migrator", self.name),
            Right::Reader => format!("{}_reader", self.name),
            Right::Everything => cofi_mariadb::USER.to_owned(),
        }
    }

    /// That user's password.
    #[must_use]
    pub fn password(&self, right: Right) -> &'static str {
        match right {
            Right::Service | Right::Migrator | Right::Reader => PASSWORD,
            Right::Everything => cofi_mariadb::PASSWORD,
        }
    }

    /// What Cofi is told, without the password. The server is reached through
    /// `via`, if that is given.
    #[must_use]
    pub fn url(&self, right: Right, via: Option<SocketAddr>) -> String {
        format!("mysql://{}@{}/{}", self.user(right), via.unwrap_or(self.address), self.name)
    }

    /// What it is called on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How somebody else's program connects: in the server's time zone.
    #[must_use]
    pub fn options(&self, right: Right) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .host(&self.address.ip().to_string())
            .port(self.address.port())
            .username(&self.user(right))
            .password(self.password(right))
            .database(&self.name)
            .charset("utf8mb4")
            .timezone(None)
    }
}
