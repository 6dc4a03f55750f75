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
    history::{self, Event},
    placed::{self, Common, Placed},
    sql::{Statement, Value, case_chunks, chunks, state_is},
    write_transaction,
};
use crate::delivery::StoredRecording;

/// What is read of a recording's row before it is changed.
struct Current {
    placement: Placement,
    agent: Option<String>,
    call: Option<i64>,
    audio_name: String,
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
            failpoint!(async PLACEMENTS_WRITTEN => return Err(LedgerError::failpoint()));
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
                let failed =
                    Event::of_recording(now, "placement_failed", failure.recording, failure.reason.as_str());
                history::note(tx, &[failed.coded(&failure.code)]).await?;
            }
            Ok(())
        })
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
                fresh.push(Placed::new(stored, row.audio_name.clone(), row.call));
                Recorded::Stored
            }),
        };
        answers.insert((stored.recording(), agent), answer);
    }
    if fresh.is_empty() {
        return Ok(());
    }
    let common = Common::read(tx, batch).await?;
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

async fn record_chunk(
    tx: &mut Transaction,
    batch: BatchId,
    common: &Common,
    chunk: &[Placed<'_>],
    now: i64,
) -> Result<(), LedgerError> {
    let calls = placed::write_rows(tx, batch, common, chunk, now).await?;
    let placed: Vec<(&Placed<'_>, i64)> = chunk.iter().zip(calls).collect();
    for chunk in case_chunks(&placed) {
        mark_stored(tx, batch, chunk, now).await?;
    }
    Ok(())
}

/// Compare-and-set of Cofi's own rows; each with the id of its call.
async fn mark_stored(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[(&Placed<'_>, i64)],
    now: i64,
) -> Result<(), LedgerError> {
    let ordinal = |(placed, _): &(&Placed<'_>, i64)| placed.stored.recording().ordinal;
    let agents = chunk.iter().map(|it| (ordinal(it), it.0.stored.host().agent.as_str()));
    let digests = chunk.iter().map(|it| (ordinal(it), Value::from(&it.0.stored.digest().as_bytes()[..])));
    // Rounds in which engines failed on it count on the next host. Servers see
    // what was assigned before, so that this comes first.
    let attempts = "UPDATE cofiRecording SET attempts = CASE WHEN lid = 'failed' OR placement = 'planned' \
                    THEN attempts ELSE 0 END, placement = 'stored', agent = ";
    let update = Statement::named("record_stored", attempts)
        .case("ordinal", agents)
        .push(", digest = ")
        .case("ordinal", digests)
        .push(", callId = ")
        .case("ordinal", chunk.iter().map(|it| (ordinal(it), it.1)))
        // A recording that could not be identified on another host rests with
        // its reason.
        .push(", code = CASE lid WHEN 'failed' THEN code ELSE NULL END")
        .push(", reason = CASE lid WHEN 'failed' THEN reason ELSE NULL END, storedAt = ?")
        .bind(now)
        .push(" WHERE batchId = ? AND ")
        .push(&state_is("placement", &["planned", "failed"]))
        .push(" AND ordinal IN ")
        .bind(batch.0)
        .list(chunk.iter().map(ordinal));
    tx.guarded("record_stored", update, chunk.len()).await
}
