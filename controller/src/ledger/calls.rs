//! Listing the shared table `call`.

use super::{
    CallFilter, CallRecord, Ledger, LedgerError, read_transaction,
    sql::{Row, Statement},
};

impl Ledger {
    /// Calls of a batch with an id above `after`, by id.
    pub async fn calls(
        &self,
        filter: &CallFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<CallRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let exists = "SELECT id FROM batchStatus WHERE id = ?";
            if tx.row(Statement::named("batch_exists", exists).bind(filter.batch.0)).await?.is_none() {
                return Err(LedgerError::NoSuchBatch(filter.batch));
            }
            let select = "SELECT id, audioName, audioUrl, ip, status, lang, languageId, audioDuration FROM `call` \
                          WHERE batchId = ? AND id > ?";
            let mut select = Statement::named("list_calls", select).bind(filter.batch.0).bind(after);
            if let Some(status) = &filter.status {
                select = select.push(" AND status = ?").bind(status.as_str());
            }
            select = match filter.identified {
                Some(true) => select.push(" AND lang <> 'unknown'"),
                // NULL is how an earlier service may have said it.
                Some(false) => select.push(" AND (lang = 'unknown' OR lang IS NULL)"),
                None => select,
            };
            let rows = tx.rows(select.push(" ORDER BY id LIMIT ?").bind(limit)).await?;
            rows.iter().map(call).collect()
        })
    }
}

/// Every column but the id may be NULL in rows of other services.
fn call(row: &Row) -> Result<CallRecord, LedgerError> {
    Ok(CallRecord {
        call: row.int(0)?,
        audio_name: row.opt_text(1)?.unwrap_or_default(),
        audio_url: row.opt_text(2)?.unwrap_or_default(),
        ip: row.opt_text(3)?.unwrap_or_default(),
        status: row.opt_text(4)?.unwrap_or_default(),
        lang: row.opt_text(5)?.unwrap_or_else(|| "unknown".to_owned()),
        language: row.opt_int(6)?,
        duration_seconds: row.opt_real(7)?.unwrap_or_default(),
    })
}
