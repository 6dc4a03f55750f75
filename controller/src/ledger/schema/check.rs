//! Compares the shared tables with what Cofi needs of them, and says what is
//! missing and how it is mended.

use super::{
    Finding,
    catalogue::{Catalogue, Column, Table},
    expected::{COLUMNS, EMPTIED, Expected, GIVEN, Kind, READ, TABLES, WRITTEN},
    mend::{self, Mend},
};
use crate::ledger::{LedgerError, database::Transaction, sql::Statement};

/// Everything that keeps Cofi from working on these tables.
pub(super) async fn check(tx: &mut Transaction, catalogue: &Catalogue) -> Result<Vec<Finding>, LedgerError> {
    let mut findings: Vec<Finding> =
        TABLES.into_iter().filter_map(|name| unusable(name, catalogue.table(name))).collect();
    for expected in &COLUMNS {
        findings.extend(
            catalogue
                .table(expected.table)
                .and_then(|table| if table.is_view() { None } else { compare(expected, table, catalogue) }),
        );
    }
    for name in WRITTEN {
        findings.extend(catalogue.table(name).into_iter().flat_map(|table| unknown(name, table, catalogue)));
    }
    if findings.is_empty() {
        findings.extend(rows_needed(tx, catalogue).await?);
    }
    Ok(findings)
}

impl Table {
    fn is_view(&self) -> bool {
        self.kind.contains("VIEW")
    }
}

/// What keeps a table from being used at all.
fn unusable(name: &'static str, table: Option<&Table>) -> Option<Finding> {
    let Some(table) = table else {
        let mend = Mend::Words("create it as the other services have it, or let this user see it".to_owned());
        return Some(Finding::new(format!("table `{name}` is missing"), mend));
    };
    let written = WRITTEN.contains(&name);
    if table.is_view() {
        let mend = Mend::Words(format!(
            "give Cofi the database that has the table, or rename the view and make `{name}` a table"
        ));
        return Some(Finding::new(format!("`{name}` is a view, and Cofi needs the table itself"), mend));
    }
    (written && !table.engine.eq_ignore_ascii_case("InnoDB")).then(|| {
        Finding::new(
            format!("table `{name}` is kept by {}, which cannot roll back", table.engine),
            Mend::Statement(format!("ALTER TABLE `{name}` ENGINE=InnoDB")),
        )
    })
}

fn compare(expected: &Expected, table: &Table, catalogue: &Catalogue) -> Option<Finding> {
    let Expected { table: name, column: column_name, kind, .. } = *expected;
    let Some(column) = table.column(column_name) else {
        let what = format!("column `{name}`.`{column_name}` is missing");
        return Some(Finding::new(what, mend::add(expected, table)));
    };
    let in_words = format!("column `{name}`.`{column_name}` is {}", column.declared_type);
    if let Some(wrong) = objection(kind, column) {
        let mend = mend::retype(expected, table, column, &catalogue.server);
        return Some(Finding::new(format!("{in_words}: {wrong}"), mend));
    }
    let key = (name, column_name);
    if column.is_computed() && WRITTEN.contains(&name) && !READ.contains(&key) {
        let mend = Mend::Words("let it be a column that can be written".to_owned());
        return Some(Finding::new(format!("{in_words}, which the database computes"), mend));
    }
    (EMPTIED.contains(&key) && !column.nullable).then(|| {
        let mend = mend::allow_null(name, column, &catalogue.server);
        Finding::new(format!("{in_words} and never NULL, and Cofi leaves it empty at times"), mend)
    })
}

fn objection(kind: Kind, column: &Column) -> Option<String> {
    let has_fraction = matches!(column.data_type.as_str(), "float" | "double" | "decimal");
    match kind {
        Kind::Int if column.is_int() => None,
        Kind::Int => Some("a whole number is needed".to_owned()),
        Kind::Id if column.is_int() && column.counts_up() => None,
        Kind::Id => Some("the database must count it up".to_owned()),
        Kind::Real => (!has_fraction).then(|| "a number with a fraction is needed".to_owned()),
        Kind::DateTime if matches!(column.data_type.as_str(), "datetime" | "timestamp") => None,
        Kind::DateTime => Some("a date with a time is needed".to_owned()),
        Kind::Text(_) if !column.is_text() => Some("text is needed".to_owned()),
        Kind::Text(least) => {
            let narrow = column.chars.is_some_and(|chars| chars < least);
            narrow.then(|| format!("{least} characters are needed"))
        }
        Kind::Words(words) if column.data_type == "enum" => {
            let lacking = mend::lacking(&column.declared_type, words);
            (!lacking.is_empty()).then(|| format!("it lacks {}", lacking.join(", ")))
        }
        Kind::Words(words) => {
            let widest = words.iter().map(|word| word.len()).max().and_then(|it| i64::try_from(it).ok());
            let holds = column.is_text() && column.chars.is_none_or(|chars| Some(chars) >= widest);
            (!holds).then(|| format!("it must hold {}", words.join(", ")))
        }
    }
}

/// Columns that must be given a value and that Cofi does not know.
fn unknown(name: &'static str, table: &Table, catalogue: &Catalogue) -> Vec<Finding> {
    let among = |keys: &[(&str, &str)], column: &Column| {
        keys.iter().any(|(table, known)| *table == name && column.name.eq_ignore_ascii_case(known))
    };
    // What is emptied or counted up has been looked at for that.
    let counted: Vec<(&str, &str)> =
        COLUMNS.iter().filter(|it| it.kind == Kind::Id).map(|it| (it.table, it.column)).collect();
    let is_known =
        |column: &Column| among(&GIVEN, column) || among(&EMPTIED, column) || among(&counted, column);
    let unknown = table.columns.iter().filter(|column| column.must_be_given() && !is_known(column));
    unknown
        .map(|column| {
            let what =
                format!("column `{name}`.`{}` must be given a value, and Cofi has none for it", column.name);
            Finding::new(what, mend::do_without(name, table, column, &catalogue.server))
        })
        .collect()
}

/// Rows that every call points to.
async fn rows_needed(tx: &mut Transaction, catalogue: &Catalogue) -> Result<Vec<Finding>, LedgerError> {
    let mut findings = Vec::new();
    for (name, condition, what) in [
        ("user", "WHERE id = 1", "there is no `user` with id 1, whom every call is given to"),
        ("process", "LIMIT 1", "table `process` is empty, and every batch belongs to one of its rows"),
        (
            "categoryMapping",
            "LIMIT 1",
            "table `categoryMapping` is empty, and every batch belongs to one of its rows",
        ),
    ] {
        let select = format!("SELECT id FROM `{name}` {condition}");
        let Some(table) = catalogue.table(name) else { continue };
        if tx.row(Statement::named("row_needed", &select)).await?.is_none() {
            findings.push(Finding::new(what.to_owned(), mend::first_row(name, table)));
        }
    }
    Ok(findings)
}
