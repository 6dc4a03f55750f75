//! Bringing a MySQL or MariaDB database to what Cofi needs, without changing a
//! column or losing a row of the tables that others share.

mod check;
mod expected;

use std::fmt;

use sqlx::{Executor, migrate::Migrator};

use super::{
    LedgerError,
    database::{Database, DatabaseUrl, MIGRATIONS_TABLE, Transaction, mysql_migrations},
    sql::Statement,
};

/// The shared tables and their first rows, for a database that has none.
const SHARED: [&str; 2] = [
    include_str!("../../../../migrations/mysql-shared/0001_tables.sql"),
    include_str!("../../../../migrations/mysql-shared/0002_rows.sql"),
];

/// For SQL readers: calls that wait and are identified.
const VIEW: &str = "CREATE OR REPLACE VIEW cofiReadyCall AS \
     SELECT * FROM `call` WHERE status = 'Pending' AND lang <> 'unknown'";

/// The indexes that Cofi finds its rows by: name, table, columns.
const INDEXES: [(&str, &str, [&str; 2]); 2] = [
    ("cofiFileDistributionFile", "fileDistribution", ["batchId", "file"]),
    ("cofiLidStatusName", "lidStatus", ["batchId", "audioName"]),
];

/// Something that keeps Cofi from working on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub what: String,
    /// The statement that mends it, or what to do.
    pub mend: String,
}

impl Finding {
    fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    {};", self.what, self.mend)
    }
}

/// One thing that `migrate` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it does, in words.
    pub what: String,
    /// The statements.
    pub sql: String,
    /// A migration of Cofi's own tables, run through its list.
    own: bool,
}

/// What `migrate` has to do on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationPlan {
    /// In this order; empty if nothing is left to do.
    pub steps: Vec<Step>,
}

/// Looks what is to be done on a database; changes nothing.
pub async fn plan_migration(url: &DatabaseUrl, add_indexes: bool) -> Result<MigrationPlan, LedgerError> {
    let database = Database::connect(url).await?;
    let mut tx = database.begin_writing().await?;
    let plan = plan(&mut tx, add_indexes).await;
    drop(tx);
    database.close().await;
    plan
}

async fn plan(tx: &mut Transaction, add_indexes: bool) -> Result<MigrationPlan, LedgerError> {
    let mut steps = Vec::new();
    let present = check::present_tables(tx).await?;
    if present.is_empty() {
        for (what, sql) in
            ["create the shared tables", "fill them with what rows point to"].into_iter().zip(SHARED)
        {
            steps.push(Step { what: what.to_owned(), sql: sql.to_owned(), own: false });
        }
    } else {
        let findings = check::check(tx).await?;
        if !findings.is_empty() {
            return Err(LedgerError::Unfit(findings));
        }
    }
    let known = mysql_migrations();
    let applied = applied_migrations(tx, &known).await?;
    for migration in known.iter().filter(|migration| !applied.contains(&migration.version)) {
        let what = format!("create Cofi's own tables ({})", migration.description);
        steps.push(Step { what, sql: migration.sql.as_str().to_owned(), own: true });
    }
    if !exists(
        tx,
        "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
        "cofiReadyCall",
    )
    .await?
    {
        steps.push(Step {
            what: "create the view cofiReadyCall".to_owned(),
            sql: VIEW.to_owned(),
            own: false,
        });
    }
    if add_indexes {
        for (name, table, columns) in INDEXES {
            if !has_index(tx, table, columns).await? {
                let sql = format!(
                    "ALTER TABLE `{table}` ADD INDEX {name} (`{}`, `{}`), ALGORITHM=INPLACE, LOCK=NONE",
                    columns[0], columns[1]
                );
                steps.push(Step { what: format!("add an index to `{table}`, online"), sql, own: false });
            }
        }
    }
    Ok(MigrationPlan { steps })
}

/// Does what [`plan_migration`] says, step by step. After it was cut off, a new
/// plan has what is left.
pub async fn migrate(
    url: &DatabaseUrl,
    plan: &MigrationPlan,
    mut done: impl FnMut(&Step),
) -> Result<(), LedgerError> {
    let mut connection = super::database::mysql_connection(url).await?;
    let mut own_done = false;
    for step in &plan.steps {
        if !step.own {
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(step.sql.clone()))).await?;
        } else if !std::mem::replace(&mut own_done, true) {
            mysql_migrations().run(&mut connection).await.map_err(LedgerError::Migrate)?;
        }
        done(step);
    }
    Ok(())
}

/// Looks whether a database can be served from.
pub(super) async fn assert_ready(tx: &mut Transaction) -> Result<(), LedgerError> {
    let known = mysql_migrations();
    let applied = applied_migrations(tx, &known).await?;
    if applied.len() < known.iter().count() {
        return Err(LedgerError::NotMigrated);
    }
    let findings = check::check(tx).await?;
    if findings.is_empty() { Ok(()) } else { Err(LedgerError::Unfit(findings)) }
}

/// The migrations that were applied; one that is not `known` is of a newer
/// version.
async fn applied_migrations(tx: &mut Transaction, known: &Migrator) -> Result<Vec<i64>, LedgerError> {
    let select =
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
    if !exists(tx, select, MIGRATIONS_TABLE).await? {
        return Ok(Vec::new());
    }
    let select = format!("SELECT version FROM {MIGRATIONS_TABLE} WHERE success = 1 ORDER BY version");
    let rows = tx.rows(Statement::named("applied_migrations", &select)).await?;
    let applied: Vec<i64> = rows.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    if applied.iter().any(|version| known.iter().all(|migration| migration.version != *version)) {
        return Err(LedgerError::NewerSchema);
    }
    Ok(applied)
}

async fn exists(tx: &mut Transaction, select: &str, name: &str) -> Result<bool, LedgerError> {
    Ok(tx.row(Statement::named("exists", select).bind(name)).await?.is_some())
}

/// Whether some index begins with these columns, in either order.
async fn has_index(tx: &mut Transaction, table: &str, columns: [&str; 2]) -> Result<bool, LedgerError> {
    let select = "SELECT INDEX_NAME FROM information_schema.STATISTICS \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND SEQ_IN_INDEX <= 2 AND COLUMN_NAME IN (?, ?) \
                  GROUP BY INDEX_NAME HAVING COUNT(*) = 2";
    let select = Statement::named("has_index", select).bind(table).bind(columns[0]).bind(columns[1]);
    Ok(tx.row(select).await?.is_some())
}
