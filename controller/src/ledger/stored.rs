//! Recording what hosts hold: `fileDistribution`, `call` and Cofi's own row in
//! one transaction for a group of acknowledgements.
//!
//! Cofi's row decides, by compare-and-set: the first verified acknowledgement
//! of a recording that is not stored yet wins, and only it makes rows.

use std::collections::{BTreeMap, HashMap};

use cofi_proto::{BatchId, RecordingId};

use super::{
    Ledger, LedgerError, Placement, PlacementFailure, Recorded,
    database::Transaction,
    sql::{Statement, Value, chunks},
    write_transaction,
};
use crate::{delivery::StoredRecording, name::name_key};

/// What is read of a recording's row before it is changed.
struct Current {
    placement: Placement,
    agent: Option<String>,
    call: Option<i64>,
    audio_name: String,
}

/// What the rows of a batch's recordings have in common.
struct Common {
    process: i64,
    audit_form: Option<i64>,
    category_mapping: i64,
    audio_endpoint: String,
}

/// A recording that gets its rows now.
struct Fresh<'a> {
    stored: &'a StoredRecording,
    audio_name: String,
    call: Option<i64>,
}

impl Ledger {
    /// Records acknowledged recordings; the answers are in the order of the
    /// group. The same acknowledgement again is answered like the first.
    pub async fn record_stored(
        &self,
        group: &[StoredRecording],
        now: i64,
    ) -> Result<Vec<Recorded>, LedgerError> {
        write_transaction!(self, |tx| {
            let mut by_batch: BTreeMap<BatchId, Vec<&StoredRecording>> = BTreeMap::new();
            for stored in group {
                by_batch.entry(stored.recording().batch).or_default().push(stored);
            }
            let mut answers = HashMap::new();
            for (batch, mut stored) in by_batch {
                stored.sort_by_key(|stored| stored.recording().ordinal);
                record_batch(tx, batch, &stored, now, &mut answers).await?;
            }
            let answer = |stored: &StoredRecording| {
                answers.get(&(stored.recording(), stored.host().agent.as_str())).cloned()
            };
            Ok(group
                .iter()
                .map(|stored| answer(stored).unwrap_or_else(|| unwanted("no such recording")))
                .collect())
        })
    }

    /// Records placements that failed for good, where the recording is not
    /// stored meanwhile.
    pub async fn fail_placements(&self, group: &[PlacementFailure], now: i64) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            for failure in group {
                let update = "UPDATE cofiRecording SET placement = 'failed', attempts = ?, code = ?, reason = ?, \
                              settledAt = ? WHERE batchId = ? AND ordinal = ? AND placement = 'planned'";
                let update = Statement::named("fail_placement", update)
                    .bind(failure.attempts)
                    .bind(failure.code.as_str())
                    .bind(failure.reason.as_str())
                    .bind(now)
                    .bind(failure.recording.batch.0)
                    .bind(failure.recording.ordinal);
                if tx.execute(update).await? == 0 {
                    continue;
                }
                let event =
                    Event { at: now, kind: "placement_failed", recording: failure.recording, agent: None };
                event.insert(tx, &failure.code, &failure.reason).await?;
            }
            Ok(())
        })
    }
}

/// Something that happened to a recording, for its history.
pub(super) struct Event<'a> {
    pub(super) at: i64,
    pub(super) kind: &'static str,
    pub(super) recording: RecordingId,
    pub(super) agent: Option<&'a str>,
}

impl Event<'_> {
    pub(super) async fn insert(
        self,
        tx: &mut Transaction,
        code: &str,
        reason: &str,
    ) -> Result<(), LedgerError> {
        let columns = "INSERT INTO cofiEvent (at, kind, batchId, ordinal, agent, code, reason) \
                       VALUES (?, ?, ?, ?, ?, ?, ?)";
        let insert = Statement::named("add_event", columns)
            .bind(self.at)
            .bind(self.kind)
            .bind(self.recording.batch.0)
            .bind(self.recording.ordinal)
            .bind(self.agent)
            .bind(code)
            .bind(reason);
        tx.execute(insert).await.map(|_| ())
    }
}

fn unwanted(reason: &str) -> Recorded {
    Recorded::Unwanted(reason.to_owned())
}

async fn record_batch<'a>(
    tx: &mut Transaction,
    batch: BatchId,
    stored: &[&'a StoredRecording],
    now: i64,
    answers: &mut HashMap<(RecordingId, &'a str), Recorded>,
) -> Result<(), LedgerError> {
    let mut rows = current_rows(tx, batch, stored).await?;
    let mut fresh = Vec::new();
    for stored in stored {
        let agent = stored.host().agent.as_str();
        let answer = match rows.get_mut(&stored.recording().ordinal) {
            None => unwanted("no such recording"),
            Some(row) => judge(row, agent).unwrap_or_else(|| {
                row.placement = Placement::Stored;
                row.agent = Some(agent.to_owned());
                fresh.push(Fresh { stored, audio_name: row.audio_name.clone(), call: row.call });
                Recorded::Stored
            }),
        };
        answers.insert((stored.recording(), agent), answer);
    }
    if fresh.is_empty() {
        return Ok(());
    }
    let common = common(tx, batch).await?;
    for chunk in fresh.chunk_by(|one, other| one.call.is_some() == other.call.is_some()) {
        for chunk in chunks(chunk) {
            record_chunk(tx, batch, &common, chunk, now).await?;
        }
    }
    Ok(())
}

/// What is answered for a recording in this state; none if it is to be
/// recorded.
fn judge(row: &Current, agent: &str) -> Option<Recorded> {
    match row.placement {
        Placement::Planned | Placement::Failed => None,
        Placement::Cancelled => Some(unwanted("the batch was cancelled")),
        Placement::Stored if row.agent.as_deref() == Some(agent) => Some(Recorded::Stored),
        Placement::Stored => Some(unwanted("held elsewhere")),
    }
}

async fn current_rows(
    tx: &mut Transaction,
    batch: BatchId,
    stored: &[&StoredRecording],
) -> Result<HashMap<i64, Current>, LedgerError> {
    let mut current = HashMap::with_capacity(stored.len());
    for chunk in chunks(stored) {
        let select = "SELECT ordinal, placement, agent, callId, audioName FROM cofiRecording \
                      WHERE batchId = ? AND ordinal IN ";
        let select = Statement::named("recordings_to_store", select).bind(batch.0);
        let select = select.list(chunk.iter().map(|stored| stored.recording().ordinal)).push(tx.for_update());
        for row in tx.rows(select).await? {
            let state = Current {
                placement: row.word(1)?,
                agent: row.opt_text(2)?,
                call: row.opt_int(3)?,
                audio_name: row.text(4)?,
            };
            current.insert(row.int(0)?, state);
        }
    }
    Ok(current)
}

async fn common(tx: &mut Transaction, batch: BatchId) -> Result<Common, LedgerError> {
    let select = "SELECT b.processId, p.auditFormId, b.categoryMappingId, b.audioEndpoint FROM cofiBatch b \
                  LEFT JOIN `process` p ON p.id = b.processId WHERE b.batchId = ?";
    let row = tx.row(Statement::named("batch_in_common", select).bind(batch.0)).await?;
    let row = row.ok_or(LedgerError::NoSuchBatch(batch))?;
    Ok(Common {
        process: row.int(0)?,
        audit_form: row.opt_int(1)?,
        category_mapping: row.int(2)?,
        audio_endpoint: row.text(3)?,
    })
}

async fn record_chunk(
    tx: &mut Transaction,
    batch: BatchId,
    common: &Common,
    chunk: &[Fresh<'_>],
    now: i64,
) -> Result<(), LedgerError> {
    let calls = if chunk.iter().all(|fresh| fresh.call.is_some()) {
        move_rows(tx, batch, chunk).await?;
        chunk.iter().filter_map(|fresh| Some((name_key(&fresh.audio_name), fresh.call?))).collect()
    } else {
        insert_rows(tx, batch, common, chunk).await?
    };
    let mut by_ordinal = Vec::with_capacity(chunk.len());
    for fresh in chunk {
        let call = calls.get(&name_key(&fresh.audio_name)).ok_or_else(|| LedgerError::Corrupt {
            column: "call.audioName".to_owned(),
            value: format!("no row for {:?}", fresh.audio_name),
        })?;
        by_ordinal.push((fresh.stored, *call));
    }
    let ordinal = |(stored, _): &(&StoredRecording, i64)| stored.recording().ordinal;
    let agents = by_ordinal.iter().map(|it| (ordinal(it), it.0.host().agent.as_str()));
    let digests = by_ordinal.iter().map(|it| (ordinal(it), Value::from(&it.0.digest().as_bytes()[..])));
    let update = Statement::named("record_stored", "UPDATE cofiRecording SET placement = 'stored', agent = ")
        .case("ordinal", agents)
        .push(", digest = ")
        .case("ordinal", digests)
        .push(", callId = ")
        .case("ordinal", by_ordinal.iter().map(|it| (ordinal(it), it.1)))
        .push(", attempts = 0, code = NULL, reason = NULL, storedAt = ?")
        .bind(now)
        .push(" WHERE batchId = ? AND placement IN ('planned', 'failed') AND ordinal IN ")
        .bind(batch.0)
        .list(by_ordinal.iter().map(ordinal));
    tx.guarded("record_stored", update, chunk.len()).await
}

/// The shared rows of recordings that have none: their `call.id` by name key.
async fn insert_rows(
    tx: &mut Transaction,
    batch: BatchId,
    common: &Common,
    chunk: &[Fresh<'_>],
) -> Result<HashMap<String, i64>, LedgerError> {
    // An earlier service may have written the batch's calls: those are taken
    // over, never doubled.
    let existing = calls_by_name(tx, batch, chunk).await?;
    let missing: Vec<&Fresh<'_>> =
        chunk.iter().filter(|fresh| !existing.contains_key(&name_key(&fresh.audio_name))).collect();
    for missing in chunks(&missing) {
        tx.execute(insert_calls(batch, common, missing)).await?;
    }
    let columns = "INSERT INTO fileDistribution (`file`, ip, batchId) VALUES ";
    let mut insert = Statement::named("insert_file_distribution", columns);
    for (index, fresh) in chunk.iter().enumerate() {
        insert = insert
            .push(if index == 0 { "(?, ?, ?)" } else { ", (?, ?, ?)" })
            .bind(fresh.audio_name.as_str())
            .bind(fresh.stored.host().address.as_str())
            .bind(batch.0);
    }
    tx.execute(insert).await?;
    if missing.is_empty() { Ok(existing) } else { calls_by_name(tx, batch, chunk).await }
}

async fn calls_by_name(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[Fresh<'_>],
) -> Result<HashMap<String, i64>, LedgerError> {
    let select = "SELECT audioName, id FROM `call` WHERE batchId = ? AND audioName IN ";
    let select = Statement::named("calls_by_name", select).bind(batch.0);
    let rows = tx.rows(select.list(chunk.iter().map(|fresh| fresh.audio_name.as_str()))).await?;
    rows.iter().map(|row| Ok((name_key(&row.text(0)?), row.int(1)?))).collect()
}

fn insert_calls(batch: BatchId, common: &Common, missing: &[&Fresh<'_>]) -> Statement {
    let columns = "INSERT INTO `call` (processId, auditFormId, categoryMappingId, userId, audioUrl, audioName, \
                   audioDuration, lang, `type`, status, batchId, ip) VALUES ";
    let mut insert = Statement::named("insert_calls", columns);
    for (index, fresh) in missing.iter().enumerate() {
        insert = insert
            .push(if index == 0 { "" } else { ", " })
            .push("(?, ?, ?, 1, ?, ?, 0, 'unknown', 'Call', 'Pending', ?, ?)")
            .bind(common.process)
            .bind(common.audit_form)
            .bind(common.category_mapping)
            .bind(format!("{}/{}", common.audio_endpoint, fresh.audio_name))
            .bind(fresh.audio_name.as_str())
            .bind(batch.0)
            .bind(fresh.stored.host().address.as_str());
    }
    insert
}

/// Recordings that had rows already are on another host now.
async fn move_rows(tx: &mut Transaction, batch: BatchId, chunk: &[Fresh<'_>]) -> Result<(), LedgerError> {
    let address = |fresh: &Fresh<'_>| fresh.stored.host().address.clone();
    let update = Statement::named("move_calls", "UPDATE `call` SET updatedAt = CURRENT_TIMESTAMP, ip = ")
        .case("id", chunk.iter().map(|fresh| (fresh.call.unwrap_or_default(), address(fresh))))
        .push(" WHERE id IN ")
        .list(chunk.iter().filter_map(|fresh| fresh.call));
    tx.execute(update).await?;
    let update = Statement::named("move_file_distribution", "UPDATE fileDistribution SET ip = ")
        .case("`file`", chunk.iter().map(|fresh| (fresh.audio_name.as_str(), address(fresh))))
        .push(" WHERE batchId = ? AND `file` IN ")
        .bind(batch.0)
        .list(chunk.iter().map(|fresh| fresh.audio_name.as_str()));
    tx.execute(update).await.map(|_| ())
}
