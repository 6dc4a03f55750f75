//! Rows of a batch in the shared tables that none of its recordings has.

use std::collections::HashMap;

use cofi_proto::BatchId;

use super::{Flaw, FlawKind};
use crate::{
    ledger::{
        LedgerError,
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

    /// What its pages are in the order of, and the names; `fileDistribution`
    /// has no key, so that equal names are taken together.
    fn page(self, batch: BatchId, after: Option<&str>, limit: i64) -> Result<Statement, LedgerError> {
        let (select, order) = match self {
            Self::Files => {
                let select = "SELECT MIN(`file`), MIN(`file`) FROM fileDistribution WHERE batchId = ?";
                let select = Statement::named("files_of_batch", select).bind(batch.0);
                let select = match after {
                    Some(after) => select.push(" AND `file` > ?").bind(after),
                    None => select.push(" AND `file` IS NOT NULL"),
                };
                (select, " GROUP BY `file` ORDER BY `file` LIMIT ?")
            }
            Self::Calls | Self::Lids => {
                let select =
                    format!("SELECT id, audioName FROM `{}` WHERE batchId = ? AND id > ?", self.name());
                let not_a_number = |_| LedgerError::Corrupt {
                    column: "id".to_owned(),
                    value: after.unwrap_or_default().to_owned(),
                };
                let after: i64 = after.map_or(Ok(0), str::parse).map_err(not_a_number)?;
                (Statement::named("rows_of_batch", &select).bind(batch.0).bind(after), " ORDER BY id LIMIT ?")
            }
        };
        Ok(select.push(order).bind(limit))
    }

    fn place(self, row: &Row) -> Result<String, LedgerError> {
        match self {
            Self::Files => row.text(0),
            Self::Calls | Self::Lids => row.int(0).map(|id| id.to_string()),
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
    if table == SharedTable::Files && after.is_none() {
        let select = "SELECT COUNT(*) FROM fileDistribution WHERE batchId = ? AND `file` IS NULL";
        let row = tx.row(Statement::named("nameless_files", select).bind(batch.0)).await?;
        let count = row.map_or(Ok(0), |row| row.count(0))?;
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
