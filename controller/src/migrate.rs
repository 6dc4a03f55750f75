//! `cofi-controller migrate`: prepares a database, or says what is in the way.

use crate::{
    config::Config,
    ledger::{LedgerError, Step, migrate, plan_migration},
};

/// Prepares the database of the configuration, and tells on standard error what
/// it does. With `dry_run` it only tells.
pub async fn run_migration(config: &Config, dry_run: bool, add_indexes: bool) -> Result<(), LedgerError> {
    let url = &config.database;
    if url.url.starts_with("sqlite:") {
        eprintln!("the embedded database needs no preparation: it is brought up to date when it is opened");
        return Ok(());
    }
    let plan = plan_migration(url, add_indexes).await?;
    for note in &plan.notes {
        eprintln!("-- note: {note}");
    }
    if plan.steps.is_empty() {
        eprintln!("the database is up to date, nothing to do");
        return Ok(());
    }
    if dry_run {
        for Step { what, sql } in &plan.steps {
            eprintln!("-- {what}\n{sql};\n");
        }
        return Ok(());
    }
    migrate(url, &plan, |step| eprintln!("done: {}", step.what)).await?;
    eprintln!("the database is ready");
    Ok(())
}
