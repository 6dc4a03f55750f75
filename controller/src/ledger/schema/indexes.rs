//! The two indexes on shared tables that Cofi finds its rows by.

use super::{
    Step,
    catalogue::{Catalogue, Column, Table},
    server::Server,
};

/// Name, table, columns.
const INDEXES: [(&str, &str, [&str; 2]); 2] = [
    ("cofiFileDistributionFile", "fileDistribution", ["batchId", "file"]),
    ("cofiLidStatusName", "lidStatus", ["batchId", "audioName"]),
];

/// What is to be done about them.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    pub(super) steps: Vec<Step>,
    /// Why one of them is left out.
    pub(super) notes: Vec<String>,
}

/// The indexes that are missing. A table that is not there yet will need both
/// of its columns whole.
pub(super) fn missing(catalogue: &Catalogue) -> Indexes {
    let mut indexes = Indexes::default();
    for (name, table_name, columns) in INDEXES {
        let table = catalogue.table(table_name);
        if table.is_some_and(|table| table.has_index_on(&columns)) {
            continue;
        }
        let keyless = table.is_none_or(|table| !table.has_primary_key()) && table_name == "fileDistribution";
        if let Some(variable) = catalogue.server.demands_keys().filter(|_| keyless) {
            indexes.notes.push(format!(
                "`{table_name}` gets no index: it has no primary key, and with {variable} the server changes \
                 no such table; distribution is slower without it"
            ));
            continue;
        }
        let columns: Vec<String> =
            columns.iter().map(|column| column_of(column, table, &catalogue.server)).collect();
        // CREATE INDEX needs fewer rights than ALTER TABLE. The clauses have
        // the server refuse what it cannot do while others write.
        let sql = format!(
            "CREATE INDEX {name} ON `{table_name}` ({}) ALGORITHM=INPLACE LOCK=NONE",
            columns.join(", ")
        );
        indexes.steps.push(Step::new(format!("add an index to `{table_name}`, online"), sql));
    }
    indexes
}

/// A column as an index has it: only its beginning where it is too wide.
fn column_of(name: &str, table: Option<&Table>, server: &Server) -> String {
    let whole = format!("`{name}`");
    let Some((table, column)) = table.and_then(|table| Some((table, table.column(name)?))) else {
        return whole;
    };
    let (Some(chars), Some(bytes)) = (column.chars, column.bytes) else { return whole };
    let widest = widest(table, server);
    let has_no_bound = column.data_type.ends_with("text");
    if bytes <= widest && !has_no_bound {
        return whole;
    }
    format!("`{name}`({})", (widest / bytes_per_char(column)).min(chars))
}

/// Bytes of a column in an index of `InnoDB`
/// (<https://dev.mysql.com/doc/refman/8.0/en/innodb-limits.html>), less what
/// the number before it takes.
fn widest(table: &Table, server: &Server) -> i64 {
    const NUMBER: i64 = 16;
    let format = table.row_format.to_lowercase();
    if format == "compact" || format == "redundant" {
        return 767;
    }
    match server.page_size() {
        ..8_192 => 768 - NUMBER,
        8_192..16_384 => 1_536 - NUMBER,
        _ => 3_072 - NUMBER,
    }
}

/// What the widest character takes.
fn bytes_per_char(column: &Column) -> i64 {
    match column.charset.as_deref() {
        Some("latin1" | "ascii" | "binary") => 1,
        Some("utf8" | "utf8mb3") => 3,
        Some(_) | None => 4,
    }
}
