//! A batch as a whole: what is kept of it against the sum of its recordings.

use cofi_proto::BatchId;

use super::{Flaw, FlawKind};
use crate::ledger::{
    LedgerError,
    database::Transaction,
    sql::{Row, Statement},
};

/// What the batch's two rows say.
struct Kept {
    recordings: i64,
    bytes: i64,
    resting: bool,
    current: bool,
    status: Option<String>,
    db_insertion: Stage,
    lid: Stage,
    remarks: Option<String>,
}

struct Stage {
    column: &'static str,
    status: Option<String>,
    start: Option<String>,
    end: Option<String>,
}

/// What its recordings come to.
#[derive(Default)]
struct Sum {
    recordings: i64,
    bytes: i64,
    stored: i64,
    identified: i64,
    /// Identified, wherever the file is by now.
    known: i64,
    failed: i64,
    left: i64,
}

pub(super) async fn check(tx: &mut Transaction, batch: BatchId) -> Result<Vec<Flaw>, LedgerError> {
    // Without a row in `batchStatus` it is told with the database.
    let Some(kept) = read(tx, batch).await? else { return Ok(Vec::new()) };
    let sum = add_up(tx, batch).await?;
    let mut flaws = Vec::new();
    let mut tell = |kind, words: String| flaws.push(Flaw::of_batch(kind, batch, words));
    if (kept.recordings, kept.bytes) != (sum.recordings, sum.bytes) {
        let words = format!(
            "batch {batch} counts {} recordings with {} bytes, its manifest has {} with {}",
            kept.recordings, kept.bytes, sum.recordings, sum.bytes
        );
        tell(FlawKind::BatchCounts, words);
    }
    let distributed = sum.stored == sum.recordings;
    let identified = distributed && sum.identified == sum.recordings;
    check_stage(&kept.db_insertion, Some(distributed), batch, &mut tell);
    // With nothing stored the stage stays as it was.
    let lid = if sum.stored > 0 { Some(identified) } else { (sum.known == 0).then_some(false) };
    check_stage(&kept.lid, lid, batch, &mut tell);
    if kept.status.as_deref().is_none_or(|status| status == "Pending") {
        let words = format!("batchStatus of batch {batch} is {:?} although it was begun", kept.status);
        tell(FlawKind::Stage, words);
    }
    if kept.resting != (sum.left == 0) {
        let words = if kept.resting {
            format!("batch {batch} is put to rest with {} recordings left to do", sum.left)
        } else {
            format!("batch {batch} is not put to rest although nothing is left to do")
        };
        tell(FlawKind::Resting, words);
    }
    if kept.resting && kept.current {
        tell(FlawKind::CurrentAtRest, format!("batch {batch} rests and is the current batch"));
    }
    if sum.failed > 0 && kept.remarks.is_none_or(|remarks| remarks.is_empty()) {
        let words = format!("remarks of batch {batch} are empty, and {} recordings have failed", sum.failed);
        tell(FlawKind::Remarks, words);
    }
    Ok(flaws)
}

fn check_stage(
    stage: &Stage,
    complete: Option<bool>,
    batch: BatchId,
    tell: &mut impl FnMut(FlawKind, String),
) {
    let status = stage.status.as_deref().unwrap_or("NULL");
    let column = stage.column;
    let Some(complete) = complete else { return };
    let is_complete = status == "Complete";
    if is_complete != complete {
        let words = if complete { "all of its recordings are" } else { "not all of its recordings are" };
        tell(FlawKind::Stage, format!("{column} of batch {batch} is {status:?}, and {words}"));
    } else if is_complete != stage.end.is_some() || (is_complete && stage.start.is_none()) {
        let words = format!(
            "{column} of batch {batch} is {status:?}, and it began at {:?} and ended at {:?}",
            stage.start, stage.end
        );
        tell(FlawKind::StageTimes, words);
    }
}

async fn read(tx: &mut Transaction, batch: BatchId) -> Result<Option<Kept>, LedgerError> {
    let select = "SELECT b.recordings, b.bytes, b.resting, s.currentBatch, s.batchStatus, s.remarks, \
                  s.dbInsertionStatus, s.dbInsertionStartTime, s.dbInsertionEndTime, \
                  s.lidStatus, s.lidStartTime, s.lidEndTime \
                  FROM cofiBatch b JOIN batchStatus s ON s.id = b.batchId WHERE b.batchId = ? AND b.planned = 1";
    let row = tx.row(Statement::named("batch_as_kept", select).bind(batch.0)).await?;
    row.as_ref().map(kept).transpose()
}

fn kept(row: &Row) -> Result<Kept, LedgerError> {
    let stage = |column, first: usize| {
        Ok::<_, LedgerError>(Stage {
            column,
            status: row.opt_text(first)?,
            start: row.opt_text(first + 1)?,
            end: row.opt_text(first + 2)?,
        })
    };
    Ok(Kept {
        recordings: row.int(0)?,
        bytes: row.int(1)?,
        resting: row.flag(2)?,
        current: row.opt_int(3)?.is_some_and(|current| current != 0),
        status: row.opt_text(4)?,
        remarks: row.opt_text(5)?,
        db_insertion: stage("dbInsertionStatus", 6)?,
        lid: stage("lidStatus", 9)?,
    })
}

/// States are compared as words: one that does not exist is told with its
/// recording.
async fn add_up(tx: &mut Transaction, batch: BatchId) -> Result<Sum, LedgerError> {
    let select = "SELECT placement, lid, COUNT(*), CAST(SUM(size) AS SIGNED) FROM cofiRecording WHERE batchId = ? \
                  GROUP BY placement, lid";
    let mut sum = Sum::default();
    for row in tx.rows(Statement::named("sum_of_batch", select).long().bind(batch.0)).await? {
        let (placement, lid, count) = (row.text(0)?, row.text(1)?, row.int(2)?);
        sum.recordings += count;
        sum.bytes += row.int(3)?;
        if lid == "done" {
            sum.known += count;
        }
        match (placement.as_str(), lid.as_str()) {
            ("stored", "done") => sum.identified += count,
            ("stored", "none") | ("planned", _) => sum.left += count,
            ("stored", "failed") | ("failed", _) => sum.failed += count,
            _ => {}
        }
        if placement == "stored" {
            sum.stored += count;
        }
    }
    Ok(sum)
}
