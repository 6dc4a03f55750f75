//! Reading `lidStatus` by name, as bytes.
//!
//! The database's collation may take 'é.wav' and 'e.wav' for one name, and an
//! index goes by it. So rows are read in groups of names that the database
//! takes for equal. Nearly all groups have one spelling, which their least and
//! their greatest `HEX` tell; of the others each spelling is looked up.

use std::collections::HashMap;

use cofi_proto::BatchId;

use super::{
    LedgerError, batches,
    database::Transaction,
    sql::{Row, Statement, chunks},
};

/// What the newest row of a name says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    /// As an engine or another service has written it.
    pub(super) language: Option<String>,
    pub(super) duration_seconds: Option<f64>,
}

/// Names of a page, and where their newest rows are.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Every name.
    pub(super) all: Vec<String>,
    /// The name that the next page begins after; none after the last page.
    pub(super) last: Option<String>,
    /// Ids of the newest rows of names that nothing else is taken for.
    ids: Vec<i64>,
    /// Names that the database takes for equal to other ones.
    alike: Vec<String>,
}

impl Names {
    /// Names of a batch after `after`, in the order of the database: `limit` of
    /// those that it can tell apart.
    pub(super) async fn read(
        tx: &mut Transaction,
        batch: BatchId,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Self, LedgerError> {
        let select = "SELECT MIN(audioName), MAX(id), MIN(HEX(audioName)) = MAX(HEX(audioName)) FROM lidStatus \
                      WHERE batchId = ?";
        let select = Statement::named("lid_names", select).bind(batch.0);
        let select = match after {
            Some(after) => select.push(" AND audioName > ?").bind(after),
            None => select.push(" AND audioName IS NOT NULL"),
        };
        let select = select.push(" GROUP BY audioName ORDER BY audioName LIMIT ?").bind(limit);
        let mut names = Self::default();
        for row in tx.rows(select).await? {
            let name = row.text(0)?;
            names.last = Some(name.clone());
            if row.flag(2)? {
                names.all.push(name);
                names.ids.push(row.int(1)?);
            } else {
                names.alike.push(name);
            }
        }
        for chunk in chunks(&names.alike) {
            let select = "SELECT MIN(audioName) FROM lidStatus WHERE batchId = ? AND audioName IN ";
            let select = Statement::named("lid_spellings", select).bind(batch.0);
            let select = select.list(chunk.iter().map(String::as_str)).push(" GROUP BY HEX(audioName)");
            for row in tx.rows(select).await? {
                names.all.push(row.text(0)?);
            }
        }
        names.all.sort_unstable();
        names.ids.sort_unstable();
        Ok(names)
    }

    /// What is said of each name now.
    pub(super) async fn said(
        &self,
        tx: &mut Transaction,
        batch: BatchId,
    ) -> Result<HashMap<String, Said>, LedgerError> {
        let mut said = newest(tx, batch, &self.alike).await?;
        for chunk in chunks(&self.ids) {
            let select = "SELECT audioName, `language`, audioDuration FROM lidStatus WHERE id IN ";
            let select = Statement::named("newest_lid_by_id", select).list(chunk.iter().copied());
            collect(&tx.rows(select).await?, &mut said)?;
        }
        Ok(said)
    }
}

/// What is said of each name: of its rows the one with the highest id counts.
/// Names that the database takes for equal to one of these may be there too.
pub(super) async fn newest(
    tx: &mut Transaction,
    batch: BatchId,
    names: &[String],
) -> Result<HashMap<String, Said>, LedgerError> {
    let mut said = HashMap::with_capacity(names.len());
    for chunk in chunks(names) {
        let select = "SELECT l.audioName, l.`language`, l.audioDuration FROM \
                      (SELECT MAX(id) AS id FROM lidStatus WHERE batchId = ? AND audioName IN ";
        let select = Statement::named("newest_lid", select).bind(batch.0);
        let select = select.list(chunk.iter().map(String::as_str));
        let select = select.push(" GROUP BY HEX(audioName)) n JOIN lidStatus l ON l.id = n.id");
        collect(&tx.rows(select).await?, &mut said)?;
    }
    Ok(said)
}

fn collect(rows: &[Row], said: &mut HashMap<String, Said>) -> Result<(), LedgerError> {
    for row in rows {
        let (language, duration_seconds) = (row.opt_text(1)?, row.opt_real(2)?);
        said.insert(row.text(0)?, Said { language, duration_seconds });
    }
    Ok(())
}

/// Rows of a batch without a name.
pub(super) async fn nameless(tx: &mut Transaction, batch: BatchId) -> Result<u64, LedgerError> {
    let select = "SELECT COUNT(*) FROM lidStatus WHERE batchId = ? AND audioName IS NULL";
    batches::count_rows(tx, Statement::named("nameless_lids", select).bind(batch.0)).await
}
