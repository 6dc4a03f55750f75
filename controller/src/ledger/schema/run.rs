//! Running the steps of a migration.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, MySqlConnection};

use super::{MigrationPlan, Step, plan_migration};
use crate::ledger::{
    LedgerError,
    database::{DatabaseUrl, mysql_connection},
};

/// Seconds that a second `migrate` waits for the first one.
const PATIENCE: i32 = 5;
/// A step that must have a table for itself for a moment waits no longer for
/// it, in seconds: whoever comes after it waits too.
const TABLE_PATIENCE: &str = "SET SESSION lock_wait_timeout = 1";
/// How often it tries, and what it lets pass in between.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// Does what [`plan_migration`] says, step by step. Looks again first, since
/// somebody else may have done some of it. After it was cut off, a new plan
/// has what is left.
pub async fn migrate(
    url: &DatabaseUrl,
    plan: &MigrationPlan,
    mut done: impl FnMut(&Step),
) -> Result<(), LedgerError> {
    let mut connection = mysql_connection(url).await?;
    claim(&mut connection).await?;
    connection.execute(TABLE_PATIENCE).await?;
    let left = plan_migration(url, plan.add_indexes).await?;
    for step in &left.steps {
        run(&mut connection, step)
            .await
            .map_err(|error| LedgerError::Step { what: step.what.clone(), source: Box::new(error) })?;
        done(step);
    }
    Ok(())
}

/// One migration at a time; the server ends the claim with the connection.
async fn claim(connection: &mut MySqlConnection) -> Result<(), LedgerError> {
    let lock = "SELECT CAST(GET_LOCK(CONCAT('cofi.migrate.', SHA1(DATABASE())), ?) AS SIGNED)";
    let got: Option<i64> = sqlx::query_scalar(lock).bind(PATIENCE).fetch_one(connection).await?;
    if got == Some(1) { Ok(()) } else { Err(LedgerError::Migrating) }
}

async fn run(connection: &mut MySqlConnection, step: &Step) -> Result<(), LedgerError> {
    let mut left = ATTEMPTS;
    loop {
        let outcome = connection.execute(sqlx::raw_sql(AssertSqlSafe(step.sql.clone()))).await;
        left -= 1;
        match outcome.map_err(LedgerError::from) {
            Err(LedgerError::Busy(_)) if left > 0 => {
                // A step with a transaction of its own begins it anew.
                connection.execute("ROLLBACK").await?;
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome.map(|_| ()),
        }
    }
}
