//! Listing, loading and retrying recordings.

use std::collections::HashMap;

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{
    Ledger, LedgerError, ManifestRecord, PendingLid, PlannedRecording, RecordingFilter, RecordingRecord,
    ReleaseRecord, Retried, SourceStamp,
    audit::Target,
    batches,
    database::Transaction,
    history::{self, Event},
    read_transaction,
    sql::{Row, Statement, chunks},
    write_transaction,
};

impl RecordingFilter {
    fn condition(self) -> &'static str {
        match self {
            Self::All => "1 = 1",
            Self::Planned => "r.placement = 'planned'",
            Self::Stored => "r.placement = 'stored'",
            Self::LidPending => "r.placement = 'stored' AND r.lid = 'none'",
            Self::Identified => "r.placement = 'stored' AND r.lid = 'done'",
            Self::Failed => "(r.placement = 'failed' OR (r.placement = 'stored' AND r.lid = 'failed'))",
            Self::Cancelled => "r.placement = 'cancelled'",
        }
    }
}

impl Ledger {
    /// Recordings of a batch after ordinal `after`, in order.
    pub async fn recordings(
        &self,
        batch: BatchId,
        filter: RecordingFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<RecordingRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            batches::must_be_own(tx, batch).await?;
            let select = format!(
                "SELECT r.ordinal, r.audioName, r.sourcePath, r.size, r.placement, r.lid, r.agent, r.callId, \
                 r.digest, r.attempts, r.code, r.reason, c.lang, c.audioDuration, \
                 l.agent, l.cause, l.reason, l.`at`, l.doneAt FROM cofiRecording r \
                 LEFT JOIN `call` c ON c.id = r.callId \
                 LEFT JOIN cofiRelease l ON l.batchId = r.batchId AND l.ordinal = r.ordinal \
                 WHERE r.batchId = ? AND r.ordinal > ? AND {} \
                 ORDER BY r.ordinal LIMIT ?",
                filter.condition()
            );
            let select = Statement::named("list_recordings", &select).bind(batch.0).bind(after).bind(limit);
            tx.rows(select).await?.iter().map(recording).collect()
        })
    }

    /// Recordings of a batch after ordinal `after` that wait to be placed.
    pub async fn planned_recordings(
        &self,
        batch: BatchId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<PlannedRecording>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT ordinal, audioName, sourcePath, size, mtime, \
                          CASE lid WHEN 'none' THEN lidRound ELSE 0 END FROM cofiRecording \
                          WHERE batchId = ? AND placement = 'planned' AND ordinal > ? ORDER BY ordinal LIMIT ?";
            let select = Statement::named("planned_recordings", select).bind(batch.0).bind(after).bind(limit);
            tx.rows(select).await?.iter().map(|row| planned(batch, row)).collect()
        })
    }

    /// What is known of these recordings; those that are in no manifest are
    /// left out.
    pub async fn manifest_records(
        &self,
        recordings: &[RecordingId],
    ) -> Result<HashMap<RecordingId, ManifestRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let mut records = HashMap::with_capacity(recordings.len());
            for recording in recordings {
                let select = "SELECT r.ordinal, r.audioName, r.sourcePath, r.size, r.mtime, \
                              CASE r.lid WHEN 'none' THEN r.lidRound ELSE 0 END, b.source, \
                              r.placement, r.agent, r.digest FROM cofiRecording r \
                              JOIN cofiBatch b ON b.batchId = r.batchId WHERE r.batchId = ? AND r.ordinal = ?";
                let select = Statement::named("manifest_record", select);
                let row = tx.row(select.bind(recording.batch.0).bind(recording.ordinal)).await?;
                let Some(row) = row else { continue };
                let record = ManifestRecord {
                    planned: planned(recording.batch, &row)?,
                    source: row.text(6)?,
                    placement: row.word(7)?,
                    agent: row.opt_text(8)?,
                    digest: row.opt_digest(9)?,
                };
                records.insert(*recording, record);
            }
            Ok(records)
        })
    }

    /// Recordings that `agent` stores and has not identified, in order, after
    /// `after`.
    pub async fn pending_lids(
        &self,
        agent: &AgentName,
        after: Option<RecordingId>,
        limit: i64,
    ) -> Result<Vec<PendingLid>, LedgerError> {
        let (batch, ordinal) = after.map_or((0, -1), |after| (after.batch.0, after.ordinal));
        read_transaction!(self, |tx| {
            let select = "SELECT r.agent, r.batchId, r.ordinal, r.lidRound, b.candidates FROM cofiRecording r \
                          JOIN cofiBatch b ON b.batchId = r.batchId \
                          WHERE r.agent = ? AND r.lid = 'none' AND r.placement = 'stored' \
                          AND r.batchId >= ? AND (r.batchId, r.ordinal) > (?, ?) \
                          ORDER BY r.batchId, r.ordinal LIMIT ?";
            let select = Statement::named("pending_lids", select)
                .bind(agent.as_str())
                .bind(batch)
                .bind(batch)
                .bind(ordinal)
                .bind(limit);
            tx.rows(select).await?.iter().map(pending).collect()
        })
    }

    /// Recordings after ordinal `after` that could not be placed because their
    /// source had changed: ordinal and path.
    pub async fn changed_sources(
        &self,
        batch: BatchId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, String)>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT ordinal, sourcePath FROM cofiRecording WHERE batchId = ? \
                          AND placement = 'failed' AND code = 'source_changed' AND ordinal > ? \
                          ORDER BY ordinal LIMIT ?";
            let select = Statement::named("changed_sources", select).bind(batch.0).bind(after).bind(limit);
            tx.rows(select).await?.iter().map(|row| Ok((row.int(0)?, row.text(1)?))).collect()
        })
    }

    /// Takes the files of failed recordings as they are now.
    pub async fn restamp_sources(&self, batch: BatchId, stamps: &[SourceStamp]) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            for stamp in stamps {
                let update = "UPDATE cofiRecording SET size = ?, mtime = ? \
                              WHERE batchId = ? AND ordinal = ? AND placement = 'failed'";
                let update = Statement::named("restamp_source", update)
                    .bind(i64::try_from(stamp.size).unwrap_or(i64::MAX))
                    .bind(stamp.mtime)
                    .bind(batch.0)
                    .bind(stamp.ordinal);
                tx.execute(update).await?;
            }
            let bytes = "UPDATE cofiBatch SET bytes = (SELECT COALESCE(SUM(size), 0) FROM cofiRecording \
                         WHERE batchId = ?) WHERE batchId = ?";
            let bytes = Statement::named("recount_bytes", bytes).long().bind(batch.0).bind(batch.0);
            tx.execute(bytes).await.map(|_| ())
        })
    }

    /// Agents that hold recordings of a batch that are not identified yet, and
    /// how many.
    pub async fn lid_holders(&self, batch: BatchId) -> Result<Vec<(String, u64)>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT agent, COUNT(*) FROM cofiRecording WHERE batchId = ? AND placement = 'stored' \
                          AND lid = 'none' AND agent IS NOT NULL GROUP BY agent ORDER BY agent";
            let rows = tx.rows(Statement::named("lid_holders", select).long().bind(batch.0)).await?;
            rows.iter().map(|row| Ok((row.text(0)?, row.count(1)?))).collect()
        })
    }

    /// Sets failed recordings of a batch going again: all, or those named. Two
    /// calls have two times; the same one again is answered alike.
    pub async fn retry(&self, batch: BatchId, ordinals: &[i64], now: i64) -> Result<Retried, LedgerError> {
        write_transaction!(self, |tx| {
            batches::lock_batch(tx, batch).await?;
            if history::was_done(tx, "retried", batch, now).await? {
                return retried_at(tx, batch, now).await;
            }
            let record = batches::read_batch(tx, batch).await?;
            if record.cancelled && record.counts.lid_failed == 0 {
                return Err(LedgerError::BatchCancelled(batch));
            }
            let mut retried = Retried::default();
            if ordinals.is_empty() {
                retry_some(tx, batch, None, now, &mut retried).await?;
            }
            for chunk in chunks(ordinals) {
                refuse_released(tx, batch, chunk).await?;
                retry_some(tx, batch, Some(chunk), now, &mut retried).await?;
            }
            let Retried { placements, identifications, .. } = retried;
            if placements + identifications > 0 {
                batches::wake(tx, batch).await?;
                let words = format!("{placements} placements, {identifications} identifications");
                self.note_deed(tx, Target::Batch(batch), &words).await?;
                history::note(tx, &[Event::of_batch(now, "retried", batch, words)]).await?;
            }
            retried.released = count_released_failures(tx, batch).await?;
            Ok(retried)
        })
    }

    /// Recordings after ordinal `after` that a retry at `now` opened a round of
    /// identification for, in order, and who holds them.
    pub async fn retried_lids(
        &self,
        batch: BatchId,
        now: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<PendingLid>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT r.agent, r.batchId, r.ordinal, r.lidRound, b.candidates FROM cofiRecording r \
                          JOIN cofiBatch b ON b.batchId = r.batchId WHERE r.batchId = ? AND r.ordinal > ? \
                          AND r.placement = 'stored' AND r.lid = 'none' AND r.settledAt = ? \
                          ORDER BY r.ordinal LIMIT ?";
            let select =
                Statement::named("retried_lids", select).bind(batch.0).bind(after).bind(now).bind(limit);
            tx.rows(select).await?.iter().map(pending).collect()
        })
    }
}

/// What a retry did that was committed before.
async fn retried_at(tx: &mut Transaction, batch: BatchId, now: i64) -> Result<Retried, LedgerError> {
    let count = |name, state: &str| {
        let select =
            format!("SELECT COUNT(*) FROM cofiRecording WHERE batchId = ? AND settledAt = ? AND {state}");
        Statement::named(name, &select).long().bind(batch.0).bind(now)
    };
    let placements = count("count_retried_placements", "placement = 'planned'");
    let identifications = count("count_retried_lids", "placement = 'stored' AND lid = 'none'");
    Ok(Retried {
        placements: batches::count_rows(tx, placements).await?,
        identifications: batches::count_rows(tx, identifications).await?,
        released: count_released_failures(tx, batch).await?,
    })
}

/// A failed recording whose file is on no host.
const RELEASED_FAILURE: &str = "placement = 'stored' AND lid = 'failed' AND agent IS NULL";

async fn count_released_failures(tx: &mut Transaction, batch: BatchId) -> Result<u64, LedgerError> {
    let select = format!("SELECT COUNT(*) FROM cofiRecording WHERE batchId = ? AND {RELEASED_FAILURE}");
    let select = Statement::named("count_released_failures", &select).long().bind(batch.0);
    batches::count_rows(tx, select).await
}

/// Whoever names a recording that is on no host is told so.
async fn refuse_released(tx: &mut Transaction, batch: BatchId, ordinals: &[i64]) -> Result<(), LedgerError> {
    let select =
        format!("SELECT ordinal FROM cofiRecording WHERE batchId = ? AND {RELEASED_FAILURE} AND ordinal IN ");
    let select = Statement::named("released_failures", &select).bind(batch.0);
    let rows = tx.rows(select.list(ordinals.iter().copied()).push(" ORDER BY ordinal LIMIT 10")).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let ordinals: Vec<i64> = rows.iter().map(|row| row.int(0)).collect::<Result<_, LedgerError>>()?;
    Err(LedgerError::Released(batch, ordinals))
}

/// Appends the ordinals that a retry is restricted to.
fn among(statement: Statement, ordinals: Option<&[i64]>) -> Statement {
    match ordinals {
        Some(ordinals) => statement.push(" AND ordinal IN ").list(ordinals.iter().copied()),
        None => statement,
    }
}

async fn retry_some(
    tx: &mut Transaction,
    batch: BatchId,
    ordinals: Option<&[i64]>,
    now: i64,
    retried: &mut Retried,
) -> Result<(), LedgerError> {
    let place = "UPDATE cofiRecording SET placement = 'planned', attempts = 0, code = NULL, reason = NULL, \
                 settledAt = ? WHERE batchId = ? AND placement = 'failed'";
    let place = Statement::named("retry_placements", place).long().bind(now).bind(batch.0);
    retried.placements += tx.execute(among(place, ordinals)).await?;
    let identify = "UPDATE cofiRecording SET lid = 'none', lidRound = lidRound + 1, attempts = 0, code = NULL, \
                    reason = NULL, settledAt = ? WHERE batchId = ? AND placement = 'stored' AND lid = 'failed' \
                    AND agent IS NOT NULL";
    let identify = Statement::named("retry_lids", identify).long().bind(now).bind(batch.0);
    retried.identifications += tx.execute(among(identify, ordinals)).await?;
    Ok(())
}

fn round(row: &Row, column: usize) -> Result<i32, LedgerError> {
    i32::try_from(row.int(column)?)
        .map_err(|error| LedgerError::Corrupt { column: "lidRound".to_owned(), value: error.to_string() })
}

fn planned(batch: BatchId, row: &Row) -> Result<PlannedRecording, LedgerError> {
    Ok(PlannedRecording {
        recording: RecordingId { batch, ordinal: row.int(0)? },
        audio_name: row.text(1)?,
        source_path: row.text(2)?,
        size: row.count(3)?,
        mtime: row.int(4)?,
        round: round(row, 5)?,
    })
}

fn pending(row: &Row) -> Result<PendingLid, LedgerError> {
    Ok(PendingLid {
        agent: row.text(0)?,
        recording: row.recording(1)?,
        round: round(row, 3)?,
        candidates: row.list(4)?,
    })
}

fn recording(row: &Row) -> Result<RecordingRecord, LedgerError> {
    let identified = |language: &String| language != "unknown";
    let language = row.opt_text(12)?.filter(identified);
    Ok(RecordingRecord {
        ordinal: row.int(0)?,
        audio_name: row.text(1)?,
        source_path: row.text(2)?,
        size: row.count(3)?,
        placement: row.word(4)?,
        lid: row.word(5)?,
        agent: row.opt_text(6)?,
        call: row.opt_int(7)?,
        digest: row.opt_digest(8)?,
        attempts: row.int(9)?,
        code: row.opt_text(10)?,
        reason: row.opt_text(11)?,
        duration_seconds: row.opt_real(13)?.filter(|_| language.is_some()),
        language,
        release: row.opt_text(14)?.map(|agent| release(row, agent)).transpose()?,
    })
}

fn release(row: &Row, agent: String) -> Result<ReleaseRecord, LedgerError> {
    Ok(ReleaseRecord {
        agent,
        cause: row.word(15)?,
        reason: row.text(16)?,
        at: row.int(17)?,
        done: row.opt_int(18)?,
    })
}
