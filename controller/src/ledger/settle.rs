//! The stages of a batch in `batchStatus`, computed from its recordings' rows
//! and from nothing else.

use cofi_proto::BatchId;

use super::{
    BatchRecord, Ledger, LedgerError, batches, database::Transaction, sql::Statement, write_transaction,
};

/// What begins the remarks that are Cofi's; others' are left alone.
const REMARK: &str = "cofi: ";

impl Ledger {
    /// Brings a batch's row in `batchStatus` in line with its recordings, and
    /// notes whether anything is left to do. Doing it twice changes nothing.
    pub async fn settle_batch(&self, batch: BatchId) -> Result<BatchRecord, LedgerError> {
        write_transaction!(self, |tx| {
            // Or a retry that is committed meanwhile would find its batch put to rest.
            batches::lock_batch(tx, batch).await?;
            let record = batches::read_batch(tx, batch).await?;
            let remark = remark(tx, &record).await?;
            let counts = &record.counts;
            let distributed = counts.stored == counts.recordings;
            let identified = distributed && counts.identified == counts.recordings;
            set_stage(tx, batch, Stage::DbInsertion, distributed).await?;
            if counts.stored > 0 {
                set_stage(tx, batch, Stage::Lid, identified).await?;
            }
            set_remark(tx, batch, remark.as_deref()).await?;
            set_resting(tx, batch, record.rests()).await?;
            failpoint!(async STAGES_WRITTEN => return Err(LedgerError::failpoint()));
            Ok(record)
        })
    }
}

/// A stage of `batchStatus` that is Cofi's.
#[derive(Debug, Clone, Copy)]
enum Stage {
    DbInsertion,
    Lid,
}

impl Stage {
    /// Columns of its status, start and end.
    fn columns(self) -> [&'static str; 3] {
        match self {
            Self::DbInsertion => ["dbInsertionStatus", "dbInsertionStartTime", "dbInsertionEndTime"],
            Self::Lid => ["lidStatus", "lidStartTime", "lidEndTime"],
        }
    }
}

async fn set_stage(
    tx: &mut Transaction,
    batch: BatchId,
    stage: Stage,
    complete: bool,
) -> Result<(), LedgerError> {
    let [status, start, end] = stage.columns();
    let (word, end_time) = if complete { ("Complete", "CURRENT_TIMESTAMP") } else { ("InProgress", "NULL") };
    let update = format!(
        "UPDATE batchStatus SET {status} = ?, {start} = COALESCE({start}, CURRENT_TIMESTAMP), {end} = {end_time}, \
         updatedAt = CURRENT_TIMESTAMP WHERE id = ? AND ({status} IS NULL OR {status} <> ?)"
    );
    tx.execute(Statement::named("set_stage", &update).bind(word).bind(batch.0).bind(word)).await.map(|_| ())
}

async fn set_remark(tx: &mut Transaction, batch: BatchId, remark: Option<&str>) -> Result<(), LedgerError> {
    let own = format!("{REMARK}%");
    let update = if let Some(remark) = remark {
        let update = "UPDATE batchStatus SET remarks = ?, updatedAt = CURRENT_TIMESTAMP WHERE id = ? \
                      AND (remarks IS NULL OR remarks = '' OR (remarks LIKE ? AND remarks <> ?))";
        Statement::named("set_remark", update).bind(remark).bind(batch.0).bind(own).bind(remark)
    } else {
        let update = "UPDATE batchStatus SET remarks = NULL, updatedAt = CURRENT_TIMESTAMP \
                      WHERE id = ? AND remarks LIKE ?";
        Statement::named("clear_remark", update).bind(batch.0).bind(own)
    };
    tx.execute(update).await.map(|_| ())
}

/// A batch that comes to rest is no longer the current one; one that has work
/// left is, unless another one is.
async fn set_resting(tx: &mut Transaction, batch: BatchId, rests: bool) -> Result<(), LedgerError> {
    let update = "UPDATE cofiBatch SET resting = ? WHERE batchId = ? AND resting <> ?";
    let update = Statement::named("set_resting", update).bind(rests).bind(batch.0).bind(rests);
    tx.execute(update).await?;
    if rests {
        let end = "UPDATE batchStatus SET currentBatch = 0, updatedAt = CURRENT_TIMESTAMP \
                   WHERE id = ? AND currentBatch <> 0";
        tx.execute(Statement::named("end_batch", end).bind(batch.0)).await?;
    } else {
        let current = "SELECT id FROM batchStatus WHERE currentBatch = 1 LIMIT 1";
        if tx.row(Statement::named("current_batch", current)).await?.is_none() {
            let current =
                "UPDATE batchStatus SET currentBatch = 1, updatedAt = CURRENT_TIMESTAMP WHERE id = ?";
            tx.execute(Statement::named("resume_batch", current).bind(batch.0)).await?;
        }
    }
    Ok(())
}

/// How many recordings rest unfinished, and why; none if none does.
async fn remark(tx: &mut Transaction, record: &BatchRecord) -> Result<Option<String>, LedgerError> {
    let counts = &record.counts;
    let mut parts = Vec::new();
    for (number, what, state) in [
        (counts.placement_failed, "not distributed", "placement = 'failed'"),
        (counts.lid_failed, "not identified", "placement = 'stored' AND lid = 'failed'"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what} ({})", codes(tx, record.batch, state).await?));
        }
    }
    if counts.cancelled > 0 {
        parts.push(format!("{} cancelled", counts.cancelled));
    }
    Ok((!parts.is_empty()).then(|| format!("{REMARK}{}", parts.join(", "))))
}

async fn codes(tx: &mut Transaction, batch: BatchId, state: &str) -> Result<String, LedgerError> {
    let select = format!(
        "SELECT code, COUNT(*) FROM cofiRecording WHERE batchId = ? AND {state} \
         GROUP BY code ORDER BY COUNT(*) DESC, code LIMIT 8"
    );
    let rows = tx.rows(Statement::named("failure_codes", &select).bind(batch.0)).await?;
    let codes: Vec<String> = rows
        .iter()
        .map(|row| Ok(format!("{} {}", row.opt_text(0)?.unwrap_or_default(), row.count(1)?)))
        .collect::<Result<_, LedgerError>>()?;
    Ok(codes.join(", "))
}
