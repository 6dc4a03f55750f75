//! Reading and cancelling batches.

use cofi_proto::BatchId;

use super::{
    AnyBatch, BatchRecord, Counts, FailedRecording, Highlights, Ledger, LedgerError, Lid, Placement,
    audit::Target,
    database::Transaction,
    earlier,
    history::{self, Event},
    read_transaction, release,
    sql::{Row, Statement},
    write_transaction,
};

/// Most failures that are told of a batch.
const NEWEST_FAILURES: i64 = 10;
/// Most languages that are told of a batch.
const TOP_LANGUAGES: i64 = 20;

/// Batches with what only Cofi's own have; those that are being planned are
/// nobody's business yet.
const BATCHES: &str = "SELECT s.id, s.batchDate, b.source, b.processId, b.categoryMappingId, b.audioEndpoint, \
    b.candidates, b.createdAt, b.cancelled, b.recordings, b.bytes, b.planned, s.batchStartTime, s.currentBatch, \
    s.batchStatus, s.dbInsertionStatus, s.lidStatus \
    FROM batchStatus s LEFT JOIN cofiBatch b ON b.batchId = s.id WHERE (b.planned = 1 OR b.batchId IS NULL)";

impl Ledger {
    /// One batch of Cofi's own.
    pub async fn batch(&self, batch: BatchId) -> Result<BatchRecord, LedgerError> {
        read_transaction!(self, |tx| { read_batch(tx, batch).await })
    }

    /// One batch, whoever wrote it.
    pub async fn any_batch(&self, batch: BatchId) -> Result<AnyBatch, LedgerError> {
        read_transaction!(self, |tx| {
            let row = batch_row(tx, batch).await?;
            Ok(if is_own(&row)? {
                AnyBatch::Own(with_counts(tx, &row).await?)
            } else {
                AnyBatch::Earlier(earlier::show(tx, &row).await?)
            })
        })
    }

    /// Batches below `before`, whoever wrote them, newest first.
    pub async fn batches(&self, before: i64, limit: i64) -> Result<Vec<AnyBatch>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = format!("{BATCHES} AND s.id < ? ORDER BY s.id DESC LIMIT ?");
            let rows = tx.rows(Statement::named("list_batches", &select).bind(before).bind(limit)).await?;
            let mut batches = Vec::with_capacity(rows.len());
            for row in rows {
                batches.push(if is_own(&row)? {
                    AnyBatch::Own(with_counts(tx, &row).await?)
                } else {
                    AnyBatch::Earlier(earlier::brief(&row)?)
                });
            }
            earlier::count_calls(tx, &mut batches).await?;
            Ok(batches)
        })
    }

    /// Batches with work left to do, oldest first.
    pub async fn unfinished_batches(&self) -> Result<Vec<BatchId>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT batchId FROM cofiBatch WHERE planned = 1 AND resting = 0 ORDER BY batchId";
            let rows = tx.rows(Statement::named("unfinished_batches", select)).await?;
            rows.iter().map(|row| Ok(BatchId(row.int(0)?))).collect()
        })
    }

    /// Languages and newest failures of a batch.
    pub async fn highlights(&self, batch: BatchId) -> Result<Highlights, LedgerError> {
        read_transaction!(self, |tx| {
            Ok(Highlights {
                languages: languages(tx, batch).await?,
                failures: failures(tx, batch).await?,
                released: release::released_of(tx, batch).await?,
            })
        })
    }

    /// Cancels what is not placed yet: how many recordings that were.
    pub async fn cancel_batch(&self, batch: BatchId, now: i64) -> Result<u64, LedgerError> {
        write_transaction!(self, |tx| {
            lock_batch(tx, batch).await?;
            if history::was_done(tx, "cancelled", batch, now).await? {
                let cancelled = "SELECT COUNT(*) FROM cofiRecording \
                                 WHERE batchId = ? AND placement = 'cancelled' AND settledAt = ?";
                return count_rows(
                    tx,
                    Statement::named("count_cancelled", cancelled).long().bind(batch.0).bind(now),
                )
                .await;
            }
            let record = read_batch(tx, batch).await?;
            if !record.cancelled && record.counts.planned + record.counts.placement_failed == 0 {
                return Err(LedgerError::NothingToCancel(batch));
            }
            let flag = "UPDATE cofiBatch SET cancelled = 1, resting = 0 WHERE batchId = ?";
            tx.guarded("flag_cancelled", Statement::named("flag_cancelled", flag).bind(batch.0), 1).await?;
            let cancel = "UPDATE cofiRecording SET placement = 'cancelled', settledAt = ? \
                          WHERE batchId = ? AND placement IN ('planned', 'failed')";
            let cancelled =
                tx.execute(Statement::named("cancel_planned", cancel).long().bind(now).bind(batch.0)).await?;
            let words = format!("{cancelled} recordings");
            if cancelled > 0 || !record.cancelled {
                self.note_deed(tx, Target::Batch(batch), &words).await?;
            }
            history::note(tx, &[Event::of_batch(now, "cancelled", batch, words)]).await?;
            Ok(cancelled)
        })
    }
}

/// Waits for others that change the batch: perhaps this very call, whose
/// COMMIT is not answered and not done.
pub(super) async fn lock_batch(tx: &mut Transaction, batch: BatchId) -> Result<(), LedgerError> {
    let select = "SELECT batchId FROM cofiBatch WHERE batchId = ?";
    let select = Statement::named("lock_batch", select).bind(batch.0).push(tx.for_update());
    tx.row(select).await.map(|_| ())
}

/// Notes that a batch has work left to do.
pub(super) async fn wake(tx: &mut Transaction, batch: BatchId) -> Result<(), LedgerError> {
    let wake = "UPDATE cofiBatch SET resting = 0 WHERE batchId = ?";
    tx.execute(Statement::named("wake_batch", wake).bind(batch.0)).await.map(|_| ())
}

/// The answer to a `SELECT COUNT(*)`.
pub(super) async fn count_rows(tx: &mut Transaction, select: Statement) -> Result<u64, LedgerError> {
    tx.row(select).await?.map_or(Ok(0), |row| row.count(0))
}

/// Looks whether a batch is there and Cofi's own, without counting its
/// recordings.
pub(super) async fn must_be_own(tx: &mut Transaction, batch: BatchId) -> Result<(), LedgerError> {
    let row = batch_row(tx, batch).await?;
    if is_own(&row)? { Ok(()) } else { Err(LedgerError::EarlierBatch(batch)) }
}

/// Looks whether a batch is there, and whether it is Cofi's own.
pub(super) async fn is_own_batch(tx: &mut Transaction, batch: BatchId) -> Result<bool, LedgerError> {
    is_own(&batch_row(tx, batch).await?)
}

pub(super) async fn read_batch(tx: &mut Transaction, batch: BatchId) -> Result<BatchRecord, LedgerError> {
    let row = batch_row(tx, batch).await?;
    if is_own(&row)? { with_counts(tx, &row).await } else { Err(LedgerError::EarlierBatch(batch)) }
}

async fn batch_row(tx: &mut Transaction, batch: BatchId) -> Result<Row, LedgerError> {
    let select = format!("{BATCHES} AND s.id = ?");
    let row = tx.row(Statement::named("read_batch", &select).bind(batch.0)).await?;
    row.ok_or(LedgerError::NoSuchBatch(batch))
}

/// Whether a row of [`BATCHES`] has anything from Cofi's own table.
fn is_own(row: &Row) -> Result<bool, LedgerError> {
    Ok(row.opt_int(11)?.is_some())
}

async fn with_counts(tx: &mut Transaction, row: &Row) -> Result<BatchRecord, LedgerError> {
    let batch = BatchId(row.int(0)?);
    let counts = Counts { recordings: row.count(9)?, bytes: row.count(10)?, ..Counts::default() };
    Ok(BatchRecord {
        batch,
        batch_date: row.text(1)?,
        source: row.text(2)?,
        process: row.int(3)?,
        category_mapping: row.int(4)?,
        audio_endpoint: row.text(5)?,
        candidates: row.list(6)?,
        created: row.int(7)?,
        cancelled: row.flag(8)?,
        counts: count(tx, batch, counts).await?,
    })
}

async fn count(tx: &mut Transaction, batch: BatchId, mut counts: Counts) -> Result<Counts, LedgerError> {
    let select = "SELECT placement, lid, COUNT(*), CAST(SUM(size) AS SIGNED) FROM cofiRecording WHERE batchId = ? \
                  GROUP BY placement, lid";
    for row in tx.rows(Statement::named("count_recordings", select).long().bind(batch.0)).await? {
        let (recordings, bytes) = (row.count(2)?, row.count(3)?);
        match (row.word::<Placement>(0)?, row.word::<Lid>(1)?) {
            (Placement::Planned, _) => counts.planned += recordings,
            (Placement::Failed, _) => counts.placement_failed += recordings,
            (Placement::Cancelled, _) => counts.cancelled += recordings,
            (Placement::Stored, lid) => {
                counts.stored += recordings;
                counts.stored_bytes += bytes;
                match lid {
                    Lid::None => counts.lid_pending += recordings,
                    Lid::Done => counts.identified += recordings,
                    Lid::Failed => counts.lid_failed += recordings,
                }
            }
        }
    }
    Ok(counts)
}

pub(super) async fn languages(
    tx: &mut Transaction,
    batch: BatchId,
) -> Result<Vec<(String, u64)>, LedgerError> {
    let select = "SELECT lang, COUNT(*) FROM `call` WHERE batchId = ? AND lang <> 'unknown' \
                  GROUP BY lang ORDER BY COUNT(*) DESC, lang LIMIT ?";
    let rows =
        tx.rows(Statement::named("languages", select).long().bind(batch.0).bind(TOP_LANGUAGES)).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.count(1)?))).collect()
}

async fn failures(tx: &mut Transaction, batch: BatchId) -> Result<Vec<FailedRecording>, LedgerError> {
    let mut failures = Vec::new();
    // Two statements, so that each finds its rows in the index by state.
    for (name, state) in [
        ("failed_placements", "placement = 'failed'"),
        ("failed_lids", "placement = 'stored' AND lid = 'failed'"),
    ] {
        let select = format!(
            "SELECT ordinal, audioName, code, reason, settledAt FROM cofiRecording WHERE batchId = ? AND {state} \
             ORDER BY settledAt DESC, ordinal DESC LIMIT ?"
        );
        for row in tx.rows(Statement::named(name, &select).bind(batch.0).bind(NEWEST_FAILURES)).await? {
            let failure = FailedRecording {
                ordinal: row.int(0)?,
                audio_name: row.text(1)?,
                code: row.opt_text(2)?.unwrap_or_default(),
                reason: row.opt_text(3)?.unwrap_or_default(),
            };
            failures.push((row.opt_int(4)?, failure));
        }
    }
    failures.sort_by_key(|(settled, failure)| std::cmp::Reverse((*settled, failure.ordinal)));
    let newest = usize::try_from(NEWEST_FAILURES).unwrap_or(usize::MAX);
    Ok(failures.into_iter().take(newest).map(|(_, failure)| failure).collect())
}
