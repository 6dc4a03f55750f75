//! What Cofi adds to a database, version by version, and how far that is.
//!
//! A server commits each statement that changes a table by itself, so a
//! migration can be cut off between any two. It is therefore noted before its
//! first statement and after its last, and each of them can run again:
//!
//! ```text
//! nothing --note--> begun --tables--> begun --rows and note, one transaction--> done
//! ```
//!
//! A table of ours in a database where nobody noted that we began is somebody
//! else's.

use std::collections::HashMap;

use super::{Finding, Step, catalogue::Catalogue, mend::Mend};
use crate::ledger::{LedgerError, database::Transaction, sql::Statement};

/// Where it is noted how far a database is.
pub(super) const NOTES: &str = "cofiMigration";
const NOTES_TABLE: &str = "CREATE TABLE IF NOT EXISTS cofiMigration (version BIGINT NOT NULL PRIMARY KEY, \
     description VARCHAR(100) NOT NULL, done TINYINT NOT NULL, begunAt BIGINT NOT NULL, doneAt BIGINT NULL) \
     ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
/// Microseconds since 1970-01-01 UTC, by the server's clock.
const NOW: &str = "UNIX_TIMESTAMP() * 1000000";

/// The shared tables, for a database that has none of them.
pub(super) const SHARED: Migration = Migration {
    version: 0,
    description: "shared tables",
    tables: include_str!("../../../../migrations/mysql/0000_shared_tables.sql"),
    rows: concat!(
        include_str!("../../../../migrations/mysql/0000_shared_rows.sql"),
        include_str!("../../../../migrations/sqlite/0003_languages.sql"),
    ),
};

/// Cofi's own tables, in order.
pub(super) const OWN: [Migration; 5] = [
    Migration {
        version: 1,
        description: "Cofi's own tables",
        tables: include_str!("../../../../migrations/mysql/0001_cofi_tables.sql"),
        rows: include_str!("../../../../migrations/mysql/0001_cofi_rows.sql"),
    },
    Migration {
        version: 2,
        description: "the standing of agents",
        tables: include_str!("../../../../migrations/mysql/0002_agent_standing_tables.sql"),
        rows: "",
    },
    Migration {
        version: 3,
        description: "releases of recordings",
        tables: include_str!("../../../../migrations/mysql/0003_release_tables.sql"),
        rows: "",
    },
    Migration {
        version: 4,
        description: "the quarantine of agents",
        tables: include_str!("../../../../migrations/mysql/0004_agent_quarantine_tables.sql"),
        rows: "",
    },
    Migration {
        version: 5,
        description: "tokens, certificates and the audit",
        tables: include_str!("../../../../migrations/mysql/0005_access_tables.sql"),
        rows: "",
    },
];

/// The tables that those make, with all of their columns.
pub(super) const TABLES: [(&str, &[&str]); 12] = [
    (NOTES, &["version", "description", "done", "begunAt", "doneAt"]),
    (
        "cofiBatch",
        &[
            "batchId",
            "source",
            "processId",
            "categoryMappingId",
            "audioEndpoint",
            "candidates",
            "idempotencyKey",
            "requestHash",
            "planned",
            "cancelled",
            "resting",
            "recordings",
            "bytes",
            "createdAt",
        ],
    ),
    (
        "cofiRecording",
        &[
            "batchId",
            "ordinal",
            "nameKey",
            "audioName",
            "sourcePath",
            "size",
            "mtime",
            "digest",
            "placement",
            "lid",
            "lidRound",
            "agent",
            "callId",
            "attempts",
            "code",
            "reason",
            "storedAt",
            "settledAt",
        ],
    ),
    ("cofiAgent", &["name", "storageId", "advertiseAddress", "version", "connected", "lastSeen"]),
    ("cofiAgentStanding", &["name", "standing", "reason", "since", "deadline"]),
    ("cofiRelease", &["batchId", "ordinal", "agent", "cause", "reason", "at", "doneAt"]),
    ("cofiAgentQuarantine", &["name", "fault", "reason", "since"]),
    (
        "cofiToken",
        &[
            "id",
            "tokenId",
            "kind",
            "agent",
            "hash",
            "note",
            "createdAt",
            "expiresAt",
            "revokedAt",
            "usedAt",
            "usedBy",
            "certificate",
        ],
    ),
    (
        "cofiAgentCertificate",
        &["serial", "agent", "keyHash", "issuedAt", "expiresAt", "revokedAt", "certificate"],
    ),
    ("cofiAudit", &["id", "deed", "at", "actor", "peer", "action", "target", "denied", "detail", "count"]),
    ("cofiEvent", &["id", "at", "kind", "batchId", "ordinal", "agent", "code", "reason"]),
    ("cofiMeta", &["one", "databaseId", "controllerGeneration"]),
];

/// One step from version to version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    pub(super) version: i64,
    description: &'static str,
    /// Each statement can run again.
    tables: &'static str,
    /// Run with the note that all is done, in one transaction.
    rows: &'static str,
}

/// How far a database is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Whether a migration that was begun is done.
    done: HashMap<i64, bool>,
}

impl Progress {
    /// Reads the notes; a table that is not ours says nothing. A note that this
    /// version does not know is of a newer one.
    pub(super) async fn read(tx: &mut Transaction, catalogue: &Catalogue) -> Result<Self, LedgerError> {
        if !are_notes_ours(catalogue) {
            return Ok(Self::default());
        }
        let select = Statement::named("migrations", "SELECT version, done FROM cofiMigration");
        let rows = tx.rows(select).await?;
        let done: HashMap<i64, bool> =
            rows.iter().map(|row| Ok((row.int(0)?, row.flag(1)?))).collect::<Result<_, LedgerError>>()?;
        let is_known = |version: &i64| {
            *version == SHARED.version || OWN.iter().any(|migration| migration.version == *version)
        };
        if done.keys().all(is_known) { Ok(Self { done }) } else { Err(LedgerError::NewerSchema) }
    }

    pub(super) fn is_begun(&self, migration: &Migration) -> bool {
        self.done.contains_key(&migration.version)
    }

    pub(super) fn is_done(&self, migration: &Migration) -> bool {
        self.done.get(&migration.version) == Some(&true)
    }

    /// Whether a controller can work: nothing is left to do, nothing half done.
    pub(super) fn is_complete(&self) -> bool {
        OWN.iter().all(|migration| self.is_done(migration)) && self.done.values().all(|done| *done)
    }
}

impl Migration {
    fn makes(&self, table: &str) -> bool {
        self.tables.contains(&format!("CREATE TABLE IF NOT EXISTS {table} ("))
    }

    /// What is left to do of it.
    pub(super) fn steps(&self, progress: &Progress) -> Vec<Step> {
        let Self { version, description, .. } = *self;
        if progress.is_done(self) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        if !progress.is_begun(self) {
            let quoted = description.replace('\'', "''");
            let note = format!(
                "INSERT INTO cofiMigration (version, description, done, begunAt) VALUES ({version}, '{quoted}', 0, {NOW})"
            );
            steps.push(Step::new(format!("note that {description} are begun"), note));
        }
        for statement in statements(self.tables) {
            let table = statement.split_whitespace().nth(5).unwrap_or_default();
            steps.push(Step::new(format!("create table {table}"), statement));
        }
        let mut rows = vec!["START TRANSACTION".to_owned()];
        rows.extend(statements(self.rows));
        rows.push(format!("UPDATE cofiMigration SET done = 1, doneAt = {NOW} WHERE version = {version}"));
        rows.push("COMMIT".to_owned());
        steps.push(Step::new(
            format!("fill in first rows, note that {description} are done"),
            rows.join(";\n"),
        ));
        steps
    }
}

/// The table of notes, if it is missing.
pub(super) fn notes_step(catalogue: &Catalogue) -> Option<Step> {
    let missing = catalogue.table(NOTES).is_none();
    missing.then(|| Step::new("create table cofiMigration".to_owned(), NOTES_TABLE.to_owned()))
}

/// Whether the table of notes is there, and the one that we make.
fn are_notes_ours(catalogue: &Catalogue) -> bool {
    let columns = TABLES.iter().filter(|(name, _)| *name == NOTES).flat_map(|(_, columns)| *columns);
    catalogue
        .table(NOTES)
        .is_some_and(|table| columns.into_iter().all(|column| table.column(column).is_some()))
}

/// Tables with our names that we have not made.
pub(super) fn strangers(catalogue: &Catalogue, progress: &Progress) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _) in TABLES.iter().filter(|(name, _)| catalogue.table(name).is_some()) {
        let ours = if *name == NOTES {
            are_notes_ours(catalogue)
        } else {
            OWN.iter().any(|migration| migration.makes(name) && progress.is_begun(migration))
        };
        if !ours {
            findings.push(Finding::new(
                format!("`{name}` is there, and Cofi has not made it"),
                Mend::Statement(format!("RENAME TABLE `{name}` TO `{name}_of_others`")),
            ));
        }
    }
    findings
}

/// What somebody has taken out of our tables.
pub(super) fn missing_columns(catalogue: &Catalogue) -> Vec<Finding> {
    let mend = || Mend::Words("restore it from a backup".to_owned());
    let mut findings = Vec::new();
    for (name, columns) in TABLES {
        let Some(table) = catalogue.table(name) else {
            findings.push(Finding::new(format!("Cofi's own table `{name}` is missing"), mend()));
            continue;
        };
        for column in columns.iter().filter(|column| table.column(column).is_none()) {
            findings.push(Finding::new(format!("Cofi's own column `{name}`.`{column}` is missing"), mend()));
        }
    }
    findings
}

/// The statements of a file, without its comments.
fn statements(file: &str) -> Vec<String> {
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with("--")).collect();
    let text = lines.join("\n");
    let whole = text.split(";\n").map(|it| it.trim().trim_end_matches(';').to_owned());
    whole.filter(|statement| !statement.is_empty()).collect()
}
