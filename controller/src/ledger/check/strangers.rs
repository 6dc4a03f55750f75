//! Rows of a batch in the shared tables that none of its recordings has.

use std::collections::HashMap;

use cofi_proto::BatchId;

use super::{Flaw, FlawKind};
use crate::{
    ledger::{
        LedgerError,
        batches::count_rows,
        database::Transaction,
        sql::{Row, Statement, chunks},
    },
    name::name_key,
};

/// A shared table with a row a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedTable {
    /// `fileDistribution`.
    Files,
    /// `call`.
    Calls,
    /// `lidStatus`.
    Lids,
}

impl SharedTable {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Files, Self::Calls, Self::Lids];

    fn kind(self) -> FlawKind {
        match self {
            Self::Files => FlawKind::FileStranger,
            Self::Calls => FlawKind::CallStranger,
            Self::Lids => FlawKind::LidStranger,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Files => "fileDistribution",
            Self::Calls => "call",
            Self::Lids => "lidStatus",
        }
    }

    /// The column of names.
    fn column(self) -> &'static str {
        match self {
            Self::Files => "file",
            Self::Calls | Self::Lids => "audioName",
        }
    }

    /// Where each row of a page stands, and its name. Calls come in the order of
    /// their ids; the others in that of their names, equal ones together: their
    /// only index is by name.
    fn page(self, batch: BatchId, after: Option<&str>, limit: i64) -> Result<Statement, LedgerError> {
        let select = match self {
            Self::Calls => {
                let not_a_number = |_| {
                    let value = after.unwrap_or_default().to_owned();
                    LedgerError::Corrupt { column: "id".to_owned(), value }
                };
                let after: i64 = after.map_or(Ok(0), str::parse).map_err(not_a_number)?;
                let select =
                    "SELECT id, audioName FROM `call` WHERE batchId = ? AND id > ? ORDER BY id LIMIT ?";
                Statement::named("calls_of_batch", select).bind(batch.0).bind(after)
            }
            Self::Files | Self::Lids => {
                let (table, column) = (self.name(), self.column());
                let select =
                    format!("SELECT MIN(`{column}`), MIN(`{column}`) FROM {table} WHERE batchId = ? AND ");
                let select =
                    Statement::named("names_of_batch", &select).bind(batch.0).push(&format!("`{column}`"));
                let select = match after {
                    Some(after) => select.push(" > ?").bind(after),
                    None => select.push(" IS NOT NULL"),
                };
                select.push(&format!(" GROUP BY `{column}` ORDER BY `{column}` LIMIT ?"))
            }
        };
        Ok(select.bind(limit))
    }

    fn place(self, row: &Row) -> Result<String, LedgerError> {
        match self {
            Self::Calls => row.int(0).map(|id| id.to_string()),
            Self::Files | Self::Lids => row.text(0),
        }
    }
}

pub(super) async fn check(
    tx: &mut Transaction,
    batch: BatchId,
    table: SharedTable,
    after: Option<&str>,
    limit: i64,
) -> Result<(Option<String>, Vec<Flaw>), LedgerError> {
    let rows = tx.rows(table.page(batch, after, limit)?).await?;
    let last = rows.last().map(|row| table.place(row)).transpose()?;
    let mut flaws = Vec::new();
    let mut names = Vec::with_capacity(rows.len());
    for row in &rows {
        match row.opt_text(1)? {
            Some(name) => names.push((name_key(&name), name)),
            None => flaws.push(nameless(batch, table, &format!("row {}", table.place(row)?))),
        }
    }
    if table != SharedTable::Calls && after.is_none() {
        let select = format!(
            "SELECT COUNT(*) FROM {} WHERE batchId = ? AND `{}` IS NULL",
            table.name(),
            table.column()
        );
        let count = count_rows(tx, Statement::named("nameless_rows", &select).bind(batch.0)).await?;
        if count > 0 {
            flaws.push(nameless(batch, table, &format!("{count} rows")));
        }
    }
    let mut known = HashMap::with_capacity(names.len());
    for chunk in chunks(&names) {
        let select = "SELECT nameKey, audioName FROM cofiRecording WHERE batchId = ? AND nameKey IN ";
        let select = Statement::named("known_names", select).bind(batch.0);
        for row in tx.rows(select.list(chunk.iter().map(|(key, _)| key.as_str()))).await? {
            known.insert(row.text(0)?, row.text(1)?);
        }
    }
    for (key, name) in names {
        let spelled = known.get(&key);
        if spelled == Some(&name) {
            continue;
        }
        let instead = spelled.map_or("does not have it".to_owned(), |spelled| format!("has {spelled:?}"));
        let words = format!("{} has {name:?} in batch {batch}, the manifest {instead}", table.name());
        flaws.push(Flaw { audio_name: Some(name), ..Flaw::of_batch(table.kind(), batch, words) });
    }
    Ok((last, flaws))
}

fn nameless(batch: BatchId, table: SharedTable, which: &str) -> Flaw {
    let words = format!("{which} of {} in batch {batch} without a name", table.name());
    Flaw::of_batch(table.kind(), batch, words)
}
