//! Compares the shared tables with what Cofi needs of them, and says what is
//! missing with the statement that mends it.

use std::collections::{HashMap, HashSet};

use super::{
    Finding,
    expected::{COLUMNS, Expected, Kind, TABLES, WRITTEN},
};
use crate::ledger::{
    LedgerError,
    database::Transaction,
    sql::{Row, Statement},
};

/// A column as the database declares it.
struct Declared {
    data_type: String,
    column_type: String,
    chars: Option<i64>,
    extra: String,
}

/// Which of the shared tables are there.
pub(super) async fn present_tables(tx: &mut Transaction) -> Result<HashMap<String, String>, LedgerError> {
    let select = "SELECT TABLE_NAME, COALESCE(ENGINE, '') FROM information_schema.TABLES \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME IN ";
    let rows = tx.rows(Statement::named("shared_tables", select).list(TABLES)).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// Everything that keeps Cofi from working on these tables.
pub(super) async fn check(tx: &mut Transaction) -> Result<Vec<Finding>, LedgerError> {
    let tables = present_tables(tx).await?;
    let mut findings = Vec::new();
    for table in TABLES.into_iter().filter(|table| !tables.contains_key(*table)) {
        findings.push(Finding::new(
            format!("table `{table}` is missing"),
            "create it as the other services have it",
        ));
    }
    for table in WRITTEN {
        if let Some(engine) = tables.get(table).filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")) {
            findings.push(Finding::new(
                format!("table `{table}` is kept by {engine}, which cannot roll back"),
                format!("ALTER TABLE `{table}` ENGINE=InnoDB"),
            ));
        }
    }
    let declared = declared_columns(tx).await?;
    for expected in COLUMNS.iter().filter(|expected| tables.contains_key(expected.table)) {
        let key = (expected.table.to_owned(), expected.column.to_lowercase());
        findings.extend(compare(expected, declared.get(&key)));
    }
    findings.extend(required_but_unknown(tx, &tables).await?);
    if findings.is_empty() {
        findings.extend(rows_needed(tx).await?);
    }
    Ok(findings)
}

async fn declared_columns(tx: &mut Transaction) -> Result<HashMap<(String, String), Declared>, LedgerError> {
    let select = "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, \
                  CAST(CHARACTER_MAXIMUM_LENGTH AS SIGNED), EXTRA FROM information_schema.COLUMNS \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ";
    let rows = tx.rows(Statement::named("shared_columns", select).list(TABLES)).await?;
    let column = |row: &Row| {
        let declared = Declared {
            data_type: row.text(2)?.to_lowercase(),
            column_type: row.text(3)?,
            chars: row.opt_int(4)?,
            extra: row.text(5)?.to_lowercase(),
        };
        Ok(((row.text(0)?, row.text(1)?.to_lowercase()), declared))
    };
    rows.iter().map(column).collect()
}

fn compare(expected: &Expected, declared: Option<&Declared>) -> Option<Finding> {
    let Expected { table, column, kind } = *expected;
    let mend = |verb: &str| format!("ALTER TABLE `{table}` {verb} `{column}` {}", kind.declaration());
    let Some(declared) = declared else {
        return Some(Finding::new(format!("column `{table}`.`{column}` is missing"), mend("ADD COLUMN")));
    };
    let wrong = objection(kind, declared)?;
    Some(Finding::new(
        format!("column `{table}`.`{column}` is {}: {wrong}", declared.column_type),
        mend("MODIFY"),
    ))
}

fn objection(kind: Kind, declared: &Declared) -> Option<String> {
    let data_type = declared.data_type.as_str();
    let is_int =
        matches!(data_type, "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" | "boolean");
    let is_text = matches!(data_type, "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext");
    match kind {
        Kind::Int if is_int => None,
        Kind::Int => Some("a whole number is needed".to_owned()),
        Kind::Id if is_int && declared.extra.contains("auto_increment") => None,
        Kind::Id => Some("the database must count it up".to_owned()),
        Kind::Real if is_int || matches!(data_type, "float" | "double" | "decimal") => None,
        Kind::Real => Some("a number is needed".to_owned()),
        Kind::DateTime if matches!(data_type, "datetime" | "timestamp") => None,
        Kind::DateTime => Some("a date with a time is needed".to_owned()),
        Kind::Text(_) if !is_text => Some("text is needed".to_owned()),
        Kind::Text(least) if declared.chars.is_some_and(|chars| chars < least) => {
            Some(format!("{least} characters are needed"))
        }
        Kind::Text(_) => None,
        Kind::Words(_) if is_text => None,
        Kind::Words(words) if data_type == "enum" => {
            let missing: Vec<&str> = words
                .iter()
                .copied()
                .filter(|word| !declared.column_type.contains(&format!("'{word}'")))
                .collect();
            (!missing.is_empty()).then(|| format!("it lacks {}", missing.join(", ")))
        }
        Kind::Words(words) => Some(format!("it must hold {}", words.join(", "))),
    }
}

/// Columns that must be given a value and that Cofi does not know.
async fn required_but_unknown(
    tx: &mut Transaction,
    tables: &HashMap<String, String>,
) -> Result<Vec<Finding>, LedgerError> {
    let select = "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS \
                  WHERE TABLE_SCHEMA = DATABASE() AND IS_NULLABLE = 'NO' AND COLUMN_DEFAULT IS NULL \
                  AND EXTRA NOT LIKE '%auto_increment%' AND EXTRA NOT LIKE '%GENERATED%' AND TABLE_NAME IN ";
    let rows = tx.rows(Statement::named("required_columns", select).list(WRITTEN)).await?;
    // The columns that Cofi gives a value in every row it inserts.
    let given: HashSet<(&str, &str)> = HashSet::from([
        ("batchStatus", "batchDate"),
        ("batchStatus", "currentBatch"),
        ("fileDistribution", "file"),
        ("fileDistribution", "ip"),
        ("fileDistribution", "batchId"),
        ("lidStatus", "audioName"),
        ("lidStatus", "language"),
        ("lidStatus", "audioDuration"),
        ("lidStatus", "lidProcessingTime"),
        ("lidStatus", "batchId"),
        ("lidStatus", "ip"),
        ("call", "processId"),
        ("call", "categoryMappingId"),
        ("call", "userId"),
        ("call", "audioUrl"),
        ("call", "audioName"),
        ("call", "audioDuration"),
        ("call", "lang"),
        ("call", "type"),
        ("call", "status"),
        ("call", "batchId"),
        ("call", "ip"),
    ]);
    let mut findings = Vec::new();
    for row in rows {
        let (table, column, kind) = (row.text(0)?, row.text(1)?, row.text(2)?);
        if tables.contains_key(&table) && !given.contains(&(table.as_str(), column.as_str())) {
            findings.push(Finding::new(
                format!("column `{table}`.`{column}` must be given a value, and Cofi has none for it"),
                format!("ALTER TABLE `{table}` MODIFY `{column}` {kind} NULL"),
            ));
        }
    }
    Ok(findings)
}

/// Rows that every call points to.
async fn rows_needed(tx: &mut Transaction) -> Result<Vec<Finding>, LedgerError> {
    let mut findings = Vec::new();
    let user = tx.row(Statement::named("first_user", "SELECT id FROM `user` WHERE id = 1")).await?;
    if user.is_none() {
        findings.push(Finding::new(
            "there is no `user` with id 1, whom every call is given to",
            "INSERT INTO `user` (id) VALUES (1)",
        ));
    }
    for table in ["process", "categoryMapping"] {
        let select = Statement::named("any_row", &format!("SELECT id FROM `{table}` LIMIT 1"));
        if tx.row(select).await?.is_none() {
            findings.push(Finding::new(
                format!("table `{table}` is empty, and every batch belongs to one of its rows"),
                format!("INSERT INTO `{table}` (id) VALUES (1)"),
            ));
        }
    }
    Ok(findings)
}
