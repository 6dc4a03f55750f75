//! The rows of placed recordings in the shared tables: one in `call`, one in
//! `fileDistribution`, whether they are new, of an earlier service, or of an
//! earlier placement.

use std::collections::{HashMap, HashSet};

use cofi_proto::BatchId;

use super::{
    LedgerError,
    database::Transaction,
    restored::{NeededCall, restore_calls},
    sql::{Statement, case_chunks, chunks},
};
use crate::{delivery::StoredRecording, name::name_key};

/// A recording that gets its rows now.
pub(super) struct Placed<'a> {
    pub(super) stored: &'a StoredRecording,
    /// `call.id`, if it was placed before.
    pub(super) call: Option<i64>,
    audio_name: String,
    key: String,
}

impl<'a> Placed<'a> {
    pub(super) fn new(stored: &'a StoredRecording, audio_name: String, call: Option<i64>) -> Self {
        Self { stored, call, key: name_key(&audio_name), audio_name }
    }

    fn address(&self) -> &str {
        &self.stored.host().address
    }

    fn row(&self) -> SharedRow<'_> {
        SharedRow { audio_name: &self.audio_name, key: &self.key, address: self.address() }
    }

    fn needed_call(&self, call: i64) -> NeededCall<'_> {
        NeededCall { ordinal: self.stored.recording().ordinal, call, audio_name: &self.audio_name }
    }
}

/// What a recording's rows in the shared tables are found by, and the host
/// that holds its file.
#[derive(Debug, Clone, Copy)]
pub(super) struct SharedRow<'a> {
    pub(super) audio_name: &'a str,
    /// [`name_key`] of the name.
    pub(super) key: &'a str,
    pub(super) address: &'a str,
}

/// What the rows of a batch's recordings have in common.
pub(super) struct Common {
    process: i64,
    audit_form: Option<i64>,
    category_mapping: i64,
    audio_endpoint: String,
}

impl Common {
    pub(super) async fn read(tx: &mut Transaction, batch: BatchId) -> Result<Self, LedgerError> {
        let select = "SELECT b.processId, p.auditFormId, b.categoryMappingId, b.audioEndpoint FROM cofiBatch b \
                      LEFT JOIN `process` p ON p.id = b.processId WHERE b.batchId = ?";
        let row = tx.row(Statement::named("batch_in_common", select).bind(batch.0)).await?;
        let row = row.ok_or(LedgerError::NoSuchBatch(batch))?;
        Ok(Self {
            process: row.int(0)?,
            audit_form: row.opt_int(1)?,
            category_mapping: row.int(2)?,
            audio_endpoint: row.text(3)?,
        })
    }

    fn audio_url(&self, audio_name: &str) -> String {
        format!("{}/{audio_name}", self.audio_endpoint.trim_end_matches('/'))
    }
}

/// Writes the shared rows of a chunk, in which either all or none were placed
/// before: the ids of their calls, in order.
pub(super) async fn write_rows(
    tx: &mut Transaction,
    batch: BatchId,
    common: &Common,
    chunk: &[Placed<'_>],
    now: i64,
) -> Result<Vec<i64>, LedgerError> {
    let rows: Vec<SharedRow<'_>> = chunk.iter().map(Placed::row).collect();
    let before: Vec<(i64, &Placed<'_>)> =
        chunk.iter().filter_map(|placed| Some((placed.call?, placed))).collect();
    let calls = if before.len() == chunk.len() {
        let mut calls = Vec::with_capacity(before.len());
        for chunk in case_chunks(&before) {
            calls.extend(move_calls(tx, batch, chunk, now).await?);
        }
        calls
    } else {
        write_calls(tx, batch, common, &rows).await?
    };
    distribute(tx, batch, &rows).await?;
    Ok(calls)
}

/// Recordings that had rows already are on another host now: the ids of their
/// calls, of which another service may have deleted some.
async fn move_calls(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[(i64, &Placed<'_>)],
    now: i64,
) -> Result<Vec<i64>, LedgerError> {
    let mut calls: Vec<i64> = chunk.iter().map(|(call, _)| *call).collect();
    let found = tx.execute(new_hosts(batch, chunk, &calls)).await?;
    if u64::try_from(chunk.len()).is_ok_and(|wanted| wanted == found) {
        return Ok(calls);
    }
    let needed: Vec<NeededCall<'_>> = chunk.iter().map(|(call, placed)| placed.needed_call(*call)).collect();
    let restored = restore_calls(tx, batch, &needed, now).await?;
    for (needed, call) in needed.iter().zip(&mut calls) {
        *call = restored.get(&needed.ordinal).copied().unwrap_or(*call);
    }
    tx.guarded("move_calls", new_hosts(batch, chunk, &calls), chunk.len()).await?;
    Ok(calls)
}

fn new_hosts(batch: BatchId, chunk: &[(i64, &Placed<'_>)], calls: &[i64]) -> Statement {
    let arms = chunk.iter().zip(calls).map(|((_, placed), call)| (*call, placed.address()));
    Statement::named("move_calls", "UPDATE `call` SET updatedAt = CURRENT_TIMESTAMP, ip = ")
        .case("id", arms)
        .push(" WHERE batchId = ? AND id IN ")
        .bind(batch.0)
        .list(calls.iter().copied())
}

/// The calls of these recordings, by name: those that are there, of an earlier
/// service, and new ones.
pub(super) async fn write_calls(
    tx: &mut Transaction,
    batch: BatchId,
    common: &Common,
    chunk: &[SharedRow<'_>],
) -> Result<Vec<i64>, LedgerError> {
    // An earlier service may have written the batch's calls: those are taken
    // over, never doubled.
    let mut calls = calls_by_key(tx, batch, chunk).await?;
    let missing: Vec<&SharedRow<'_>> =
        chunk.iter().filter(|placed| !calls.contains_key(placed.key)).collect();
    for missing in chunks(&missing) {
        tx.execute(insert_calls(batch, common, missing)).await?;
    }
    take_over(tx, common, chunk, &calls).await?;
    if !missing.is_empty() {
        calls = calls_by_key(tx, batch, chunk).await?;
    }
    let call = |placed: &SharedRow<'_>| {
        calls.get(placed.key).copied().ok_or_else(|| LedgerError::Corrupt {
            column: "call.audioName".to_owned(),
            value: format!("no row for {:?}", placed.audio_name),
        })
    };
    chunk.iter().map(call).collect()
}

async fn calls_by_key(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[SharedRow<'_>],
) -> Result<HashMap<String, i64>, LedgerError> {
    let select = "SELECT audioName, id FROM `call` WHERE batchId = ? AND audioName IN ";
    let select = Statement::named("calls_by_name", select).bind(batch.0);
    let rows = tx.rows(select.list(chunk.iter().map(|placed| placed.audio_name))).await?;
    rows.iter().map(|row| Ok((name_key(&row.text(0)?), row.int(1)?))).collect()
}

fn insert_calls(batch: BatchId, common: &Common, missing: &[&SharedRow<'_>]) -> Statement {
    let columns = "INSERT INTO `call` (processId, auditFormId, categoryMappingId, userId, audioUrl, audioName, \
                   audioDuration, lang, `type`, status, batchId, ip) VALUES ";
    let marks = "(?, ?, ?, 1, ?, ?, 0, 'unknown', 'Call', 'Pending', ?, ?)";
    Statement::named("insert_calls", columns).tuples(marks, missing, |insert, placed| {
        insert
            .bind(common.process)
            .bind(common.audit_form)
            .bind(common.category_mapping)
            .bind(common.audio_url(placed.audio_name))
            .bind(placed.audio_name)
            .bind(batch.0)
            .bind(placed.address)
    })
}

/// Calls of an earlier service say where the file is now; what they know of
/// its content stays.
async fn take_over(
    tx: &mut Transaction,
    common: &Common,
    chunk: &[SharedRow<'_>],
    calls: &HashMap<String, i64>,
) -> Result<(), LedgerError> {
    let taken: Vec<(i64, &SharedRow<'_>)> =
        chunk.iter().filter_map(|placed| Some((*calls.get(placed.key)?, placed))).collect();
    for taken in case_chunks(&taken) {
        let text = "UPDATE `call` SET updatedAt = CURRENT_TIMESTAMP, lang = COALESCE(lang, 'unknown'), ip = ";
        let update = Statement::named("take_over_calls", text)
            .case("id", taken.iter().map(|(id, placed)| (*id, placed.address)))
            .push(", audioUrl = ")
            .case("id", taken.iter().map(|(id, placed)| (*id, common.audio_url(placed.audio_name))))
            .push(" WHERE id IN ")
            .list(taken.iter().map(|(id, _)| *id));
        tx.guarded("take_over_calls", update, taken.len()).await?;
    }
    Ok(())
}

/// One row of `fileDistribution` for each recording, with the host that holds
/// it now.
pub(super) async fn distribute(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[SharedRow<'_>],
) -> Result<(), LedgerError> {
    let select = "SELECT `file` FROM fileDistribution WHERE batchId = ? AND `file` IN ";
    let select = Statement::named("file_distribution_rows", select).bind(batch.0);
    let rows = tx.rows(select.list(chunk.iter().map(|placed| placed.audio_name))).await?;
    let existing: HashSet<String> =
        rows.iter().map(|row| Ok(name_key(&row.text(0)?))).collect::<Result<_, LedgerError>>()?;
    let (moved, missing): (Vec<&SharedRow<'_>>, Vec<&SharedRow<'_>>) =
        chunk.iter().partition(|placed| existing.contains(placed.key));
    for moved in case_chunks(&moved) {
        let update = Statement::named("move_file_distribution", "UPDATE fileDistribution SET ip = ")
            .case("`file`", moved.iter().map(|placed| (placed.audio_name, placed.address)))
            .push(" WHERE batchId = ? AND `file` IN ")
            .bind(batch.0)
            .list(moved.iter().map(|placed| placed.audio_name));
        tx.execute(update).await?;
    }
    for missing in chunks(&missing) {
        tx.execute(insert_distribution(batch, missing)).await?;
    }
    Ok(())
}

fn insert_distribution(batch: BatchId, missing: &[&SharedRow<'_>]) -> Statement {
    let columns = "INSERT INTO fileDistribution (`file`, ip, batchId) VALUES ";
    Statement::named("insert_file_distribution", columns).tuples("(?, ?, ?)", missing, |insert, placed| {
        insert.bind(placed.audio_name).bind(placed.address).bind(batch.0)
    })
}
