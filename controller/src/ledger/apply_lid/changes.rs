//! Writing what a page has to change, in the order in which all transactions
//! of the ledger take their locks.

use std::collections::HashSet;

use cofi_proto::{BatchId, RecordingId};

use super::page::Scope;
use crate::ledger::{
    LedgerError,
    call_languages::{CallLanguage, LanguageIds, write_languages},
    database::Transaction,
    history::{self, Event},
    repertoire::comparable,
    sql::{Statement, case_chunks, chunks, state_is},
};

/// What is to be written of a page.
#[derive(Default)]
pub(super) struct Changes {
    /// `call.id`, language, duration.
    pub(super) calls: Vec<(i64, String, Option<f64>)>,
    /// Recordings that get their language now: ordinal, language.
    pub(super) settled: Vec<(i64, String)>,
    /// Names whose calls are in line afterwards.
    pub(super) done: Vec<String>,
}

impl Changes {
    pub(super) async fn write(
        &self,
        tx: &mut Transaction,
        scope: &Scope<'_>,
        ids: &LanguageIds,
    ) -> Result<(), LedgerError> {
        for chunk in chunks(&self.settled) {
            settle_recordings(tx, scope, chunk).await?;
        }
        let calls: Vec<CallLanguage<'_>> = self
            .calls
            .iter()
            .map(|(call, language, duration_seconds)| CallLanguage {
                call: *call,
                language,
                duration_seconds: *duration_seconds,
            })
            .collect();
        for chunk in case_chunks(&calls) {
            tx.guarded("identify_calls", write_languages(scope.batch, chunk, ids), chunk.len()).await?;
        }
        for chunk in chunks(&self.done) {
            mark_done(tx, scope.batch, chunk).await?;
        }
        Ok(())
    }
}

/// Recordings that wait for an agent's answer, or rest without one, have it
/// from `lidStatus` now; their round is over.
async fn settle_recordings(
    tx: &mut Transaction,
    scope: &Scope<'_>,
    chunk: &[(i64, String)],
) -> Result<(), LedgerError> {
    let text = "UPDATE cofiRecording SET lid = 'done', attempts = 0, code = NULL, reason = NULL, settledAt = ? \
                WHERE batchId = ? AND ";
    let update = Statement::named("settle_recordings", text)
        .push(&state_is("placement", &["stored"]))
        .push(" AND ")
        .push(&state_is("lid", &["none", "failed"]))
        .push(" AND ordinal IN ")
        .bind(scope.now)
        .bind(scope.batch.0)
        .list(chunk.iter().map(|(ordinal, _)| *ordinal));
    tx.guarded("settle_recordings", update, chunk.len()).await?;
    let taken_over = |(ordinal, language): &(i64, String)| {
        let recording = RecordingId { batch: scope.batch, ordinal: *ordinal };
        Event::of_recording(scope.now, "lid_taken_over", recording, format!("lidStatus says {language}"))
    };
    history::note(tx, &chunk.iter().map(taken_over).collect::<Vec<_>>()).await
}

/// Sets `lidDone` where it is not set. The table has no key; what the database
/// makes of its own names in hexadecimal tells them apart as bytes.
async fn mark_done(tx: &mut Transaction, batch: BatchId, names: &[String]) -> Result<(), LedgerError> {
    let select = "SELECT MIN(`file`), MIN(HEX(`file`)), MAX(HEX(`file`)) FROM fileDistribution \
                  WHERE batchId = ? AND COALESCE(lidDone, 0) <> 1 AND `file` IN ";
    let select = Statement::named("files_not_done", select).bind(batch.0);
    let names = comparable(tx, ("fileDistribution", "file"), names.iter().map(String::as_str)).await?;
    if names.is_empty() {
        return Ok(());
    }
    let select = select.list(names.iter().copied()).push(" GROUP BY `file`");
    let mut spellings = Vec::new();
    let mut alike = Vec::new();
    for row in tx.rows(select).await? {
        let (file, hex) = (row.text(0)?, row.text(1)?);
        if hex == row.text(2)? { spellings.push((file, hex)) } else { alike.push(file) }
    }
    for chunk in chunks(&alike) {
        let select = "SELECT MIN(`file`), HEX(`file`) FROM fileDistribution WHERE batchId = ? AND `file` IN ";
        let select = Statement::named("files_alike", select).bind(batch.0);
        let select = select.list(chunk.iter().map(String::as_str)).push(" GROUP BY HEX(`file`)");
        for row in tx.rows(select).await? {
            spellings.push((row.text(0)?, row.text(1)?));
        }
    }
    let exact: HashSet<&str> = names.into_iter().collect();
    spellings.retain(|(file, _)| exact.contains(file.as_str()));
    for chunk in chunks(&spellings) {
        let update = "UPDATE fileDistribution SET lidDone = 1 WHERE batchId = ? AND `file` IN ";
        let update = Statement::named("lid_done_exactly", update).bind(batch.0);
        let update = update.list(chunk.iter().map(|(file, _)| file.as_str())).push(" AND HEX(`file`) IN ");
        tx.execute(update.list(chunk.iter().map(|(_, hex)| hex.as_str()))).await?;
    }
    Ok(())
}
