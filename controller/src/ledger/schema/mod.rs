//! Bringing a MySQL or MariaDB database to what Cofi needs, without changing a
//! column or losing a row of the tables that others share.
//!
//! ```text
//! catalogue  what the database has, server: how it is set up
//! expected   what Cofi needs      --check, mend-->  findings: nothing is done
//! own, indexes, view              --plan-->         steps, run one by one
//! ```

mod catalogue;
mod check;
mod expected;
mod indexes;
mod mend;
mod own;
mod run;
mod server;
mod view;

use std::fmt;

use catalogue::Catalogue;
pub use mend::Mend;
use own::Progress;
pub use run::migrate;

use super::{
    LedgerError,
    database::{Database, DatabaseUrl, Transaction},
    sql::Statement,
};

/// Something that keeps Cofi from working on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub what: String,
    /// How it is put right.
    pub mend: Mend,
}

impl Finding {
    fn new(what: impl Into<String>, mend: Mend) -> Self {
        Self { what: what.into(), mend }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mend {
            Mend::Statement(statement) => write!(f, "{}\n    {statement};", self.what),
            Mend::Words(words) => write!(f, "{}\n    {words}", self.what),
        }
    }
}

/// One thing that `migrate` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it does, in words.
    pub what: String,
    /// The statements, without a semicolon at the end.
    pub sql: String,
}

impl Step {
    fn new(what: String, sql: String) -> Self {
        Self { what, sql }
    }
}

/// What `migrate` has to do on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationPlan {
    /// In this order; empty if nothing is left to do.
    pub steps: Vec<Step>,
    /// What whoever looks after the database should know.
    pub notes: Vec<String>,
    add_indexes: bool,
}

/// Looks what is to be done on a database; changes nothing.
pub async fn plan_migration(url: &DatabaseUrl, add_indexes: bool) -> Result<MigrationPlan, LedgerError> {
    let database = Database::connect(url).await?;
    let plan = async { plan(&mut database.begin_reading().await?, add_indexes).await }.await;
    database.close().await;
    plan
}

async fn plan(tx: &mut Transaction, add_indexes: bool) -> Result<MigrationPlan, LedgerError> {
    let catalogue = read_catalogue(tx).await?;
    let progress = Progress::read(tx, &catalogue).await?;
    let makes_shared = if progress.is_begun(&own::SHARED) {
        !progress.is_done(&own::SHARED)
    } else {
        expected::TABLES.iter().all(|name| catalogue.table(name).is_none())
    };
    let mut findings = catalogue.server.findings();
    findings.extend(own::strangers(&catalogue, &progress));
    findings.extend(view::stranger(&catalogue));
    if makes_shared {
        findings.extend(keys_demanded(&catalogue));
    } else {
        findings.extend(check::check(tx, &catalogue).await?);
    }
    if !findings.is_empty() {
        return Err(LedgerError::Unfit(findings));
    }
    let mut steps: Vec<Step> = own::notes_step(&catalogue).into_iter().collect();
    if makes_shared {
        steps.extend(own::SHARED.steps(&progress));
    }
    steps.extend(own::OWN.iter().flat_map(|migration| migration.steps(&progress)));
    steps.extend(view::step(&catalogue));
    let mut notes = catalogue.server.notes();
    notes.extend(triggers(tx).await?);
    if add_indexes {
        let missing = indexes::missing(&catalogue);
        steps.extend(missing.steps);
        notes.extend(missing.notes);
    }
    Ok(MigrationPlan { steps, notes, add_indexes })
}

/// A server that takes no table without a primary key, as one of the shared
/// tables is.
fn keys_demanded(catalogue: &Catalogue) -> Option<Finding> {
    let variable = catalogue.server.demands_keys()?;
    Some(Finding::new(
        format!(
            "the shared tables cannot be made: `fileDistribution` has no primary key, and {variable} is on"
        ),
        Mend::Statement(format!("SET GLOBAL {variable} = OFF")),
    ))
}

/// Looks whether a database can be served from.
pub(super) async fn assert_ready(tx: &mut Transaction) -> Result<(), LedgerError> {
    let catalogue = read_catalogue(tx).await?;
    let progress = Progress::read(tx, &catalogue).await?;
    if !progress.is_complete() {
        return Err(LedgerError::NotMigrated);
    }
    let mut findings = catalogue.server.findings();
    findings.extend(own::missing_columns(&catalogue));
    findings.extend(check::check(tx, &catalogue).await?);
    if findings.is_empty() { Ok(()) } else { Err(LedgerError::Unfit(findings)) }
}

async fn read_catalogue(tx: &mut Transaction) -> Result<Catalogue, LedgerError> {
    let own = own::TABLES.iter().map(|(name, _)| *name);
    // A list: the future could not move between threads with the closure in it.
    let names: Vec<&str> = expected::TABLES.into_iter().chain(own).chain([view::NAME]).collect();
    Catalogue::read(tx, names).await
}

/// What of others runs along with Cofi's writes, as far as this user sees it.
async fn triggers(tx: &mut Transaction) -> Result<Vec<String>, LedgerError> {
    let select = "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS \
                  WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN ";
    let select = Statement::named("triggers", select).list(expected::WRITTEN).push(" ORDER BY 1, 2");
    let note = |table: String, name: String| {
        format!("trigger `{name}` on `{table}` will run on Cofi's writes too, and an error in it stops them")
    };
    tx.rows(select).await?.iter().map(|row| Ok(note(row.text(0)?, row.text(1)?))).collect()
}
