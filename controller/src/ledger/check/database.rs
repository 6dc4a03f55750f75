//! What belongs to no single batch.

use std::collections::{BTreeMap, HashSet};

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{CheckScope, Flaw, FlawKind};
use crate::ledger::{
    LedgerError,
    batches::count_rows,
    database::Transaction,
    sql::{Statement, chunks},
};

pub(super) async fn scope(tx: &mut Transaction, batches: &[BatchId]) -> Result<CheckScope, LedgerError> {
    if !batches.is_empty() {
        return named(tx, batches).await;
    }
    let earlier = "SELECT COUNT(*) FROM batchStatus s LEFT JOIN cofiBatch b ON b.batchId = s.id \
                   WHERE b.batchId IS NULL";
    let mut scope = CheckScope {
        earlier: count_rows(tx, Statement::named("earlier_batches", earlier)).await?,
        ..CheckScope::default()
    };
    let own = "SELECT batchId, planned FROM cofiBatch ORDER BY batchId";
    for row in tx.rows(Statement::named("batches_to_check", own)).await? {
        if row.flag(1)? {
            scope.batches.push(BatchId(row.int(0)?));
        } else {
            scope.being_planned += 1;
        }
    }
    Ok(scope)
}

async fn named(tx: &mut Transaction, batches: &[BatchId]) -> Result<CheckScope, LedgerError> {
    let mut scope = CheckScope::default();
    let mut seen = HashSet::new();
    for batch in batches.iter().filter(|batch| seen.insert(batch.0)) {
        let own = "SELECT planned FROM cofiBatch WHERE batchId = ?";
        let own = tx.row(Statement::named("batch_to_check", own).bind(batch.0)).await?;
        let status = "SELECT id FROM batchStatus WHERE id = ?";
        let status = tx.row(Statement::named("batch_exists", status).bind(batch.0)).await?;
        match own {
            Some(row) if row.flag(0)? => scope.batches.push(*batch),
            None if status.is_some() => scope.earlier += 1,
            // Of one that is being planned nobody knows yet.
            Some(_) | None => return Err(LedgerError::NoSuchBatch(*batch)),
        }
    }
    Ok(scope)
}

pub(super) async fn check(tx: &mut Transaction) -> Result<Vec<Flaw>, LedgerError> {
    let mut flaws = Vec::new();
    meta(tx, &mut flaws).await?;
    current(tx, &mut flaws).await?;
    let status =
        "SELECT b.batchId FROM cofiBatch b LEFT JOIN batchStatus s ON s.id = b.batchId WHERE s.id IS NULL";
    for row in tx.rows(Statement::named("batches_without_status", status)).await? {
        let batch = BatchId(row.int(0)?);
        let words = format!("batch {batch} is Cofi's and has no row in batchStatus");
        flaws.push(Flaw::of_batch(FlawKind::BatchWithoutStatus, batch, words));
    }
    orphans(tx, &mut flaws).await?;
    for table in ["cofiAgentStanding", "cofiAgentQuarantine"] {
        let unknown = format!(
            "SELECT s.name FROM {table} s LEFT JOIN cofiAgent a ON a.name = s.name WHERE a.name IS NULL \
             ORDER BY s.name"
        );
        for row in tx.rows(Statement::named("standings_without_agent", &unknown)).await? {
            let words = format!("{table} names {:?}, which is in no row of cofiAgent", row.text(0)?);
            let name = Some(row.text(0)?);
            flaws.push(Flaw { audio_name: name, ..Flaw::new(FlawKind::StandingWithoutAgent, words) });
        }
    }
    Ok(flaws)
}

async fn meta(tx: &mut Transaction, flaws: &mut Vec<Flaw>) -> Result<(), LedgerError> {
    let select = "SELECT databaseId, controllerGeneration FROM cofiMeta";
    let rows = tx.rows(Statement::named("meta_rows", select)).await?;
    let is_whole = match rows.as_slice() {
        [row] => !row.text(0)?.is_empty() && row.int(1)? >= 0,
        _ => false,
    };
    if !is_whole {
        let words =
            format!("cofiMeta has {} rows; it must have one, with an id and a generation", rows.len());
        flaws.push(Flaw::new(FlawKind::Meta, words));
    }
    Ok(())
}

async fn current(tx: &mut Transaction, flaws: &mut Vec<Flaw>) -> Result<(), LedgerError> {
    let select = "SELECT id FROM batchStatus WHERE currentBatch <> 0 ORDER BY id LIMIT 20";
    let rows = tx.rows(Statement::named("current_batches", select)).await?;
    if rows.len() > 1 {
        let ids: Vec<String> =
            rows.iter().map(|row| Ok(row.int(0)?.to_string())).collect::<Result<_, LedgerError>>()?;
        let words = format!("batchStatus.currentBatch is set for several batches: {}", ids.join(", "));
        flaws.push(Flaw::new(FlawKind::CurrentBatches, words));
    }
    Ok(())
}

/// Batches that only `cofiRecording` knows. One look-up a batch: the table is
/// not walked through.
async fn orphans(tx: &mut Transaction, flaws: &mut Vec<Flaw>) -> Result<(), LedgerError> {
    let known = Statement::named("known_batches", "SELECT batchId FROM cofiBatch");
    let known: HashSet<i64> =
        tx.rows(known).await?.iter().map(|row| row.int(0)).collect::<Result<_, LedgerError>>()?;
    let mut after = i64::MIN;
    loop {
        let next = "SELECT MIN(batchId) FROM cofiRecording WHERE batchId > ?";
        let next = tx.row(Statement::named("next_manifest", next).bind(after)).await?;
        let Some(batch) = next.map(|row| row.opt_int(0)).transpose()?.flatten() else { return Ok(()) };
        if !known.contains(&batch) {
            let words = format!("cofiRecording has rows of batch {batch}, which cofiBatch does not know");
            flaws.push(Flaw::of_batch(FlawKind::RecordingsWithoutBatch, BatchId(batch), words));
        }
        after = batch;
    }
}

pub(super) async fn not_held_by(
    tx: &mut Transaction,
    agent: &AgentName,
    recordings: &[RecordingId],
) -> Result<Vec<RecordingId>, LedgerError> {
    let mut by_batch: BTreeMap<BatchId, Vec<i64>> = BTreeMap::new();
    for recording in recordings {
        by_batch.entry(recording.batch).or_default().push(recording.ordinal);
    }
    let mut rest = Vec::new();
    for (batch, ordinals) in by_batch {
        for chunk in chunks(&ordinals) {
            let select = "SELECT ordinal FROM cofiRecording WHERE batchId = ? AND COALESCE(placement, '') = 'stored' \
                          AND COALESCE(agent, '') = ? AND ordinal IN ";
            let select = Statement::named("held_by_agent", select).bind(batch.0).bind(agent.as_str());
            let rows = tx.rows(select.list(chunk.iter().copied())).await?;
            let held: HashSet<i64> = rows.iter().map(|row| row.int(0)).collect::<Result<_, LedgerError>>()?;
            let others = chunk.iter().filter(|ordinal| !held.contains(ordinal));
            rest.extend(others.map(|ordinal| RecordingId { batch, ordinal: *ordinal }));
        }
    }
    Ok(rest)
}
