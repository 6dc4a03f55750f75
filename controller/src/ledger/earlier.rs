//! Batches that an earlier service wrote: what the shared tables say of them,
//! and nothing else.

use std::collections::HashMap;

use super::{
    AnyBatch, EarlierBatch, EarlierDetails, LedgerError, StageStatus, batches,
    database::Transaction,
    sql::{Row, Statement, chunks},
};
use cofi_proto::BatchId;

/// Stages that every database has.
const STAGES: [&str; 3] = ["batchStatus", "dbInsertionStatus", "lidStatus"];

/// Stages of other services. Some came with later versions of theirs, so that
/// a database may lack them.
const OTHER_STAGES: [&str; 7] = [
    "sttStatus",
    "llm1Status",
    "llm2Status",
    "triagingStatus",
    "triagingStep2Status",
    "denoiseStatus",
    "ivrStatus",
];

/// What the batch's own row says.
pub(super) fn brief(row: &Row) -> Result<EarlierBatch, LedgerError> {
    let stage = |(stage, column): (&'static str, usize)| {
        Ok::<_, LedgerError>(StageStatus { stage, status: row.opt_text(column)? })
    };
    Ok(EarlierBatch {
        batch: BatchId(row.int(0)?),
        batch_date: row.opt_text(1)?,
        start_time: row.opt_text(12)?,
        current: row.opt_int(13)?.is_some_and(|current| current != 0),
        stages: STAGES.into_iter().zip(14..).map(stage).collect::<Result<_, _>>()?,
        calls: 0,
        details: None,
    })
}

/// Counts the calls of the batches of a page, from the index by batch alone:
/// the languages are in the rows, of which a page may have millions.
pub(super) async fn count_calls(tx: &mut Transaction, batches: &mut [AnyBatch]) -> Result<(), LedgerError> {
    let earlier: Vec<BatchId> = batches.iter().filter(|it| is_earlier(it)).map(AnyBatch::id).collect();
    let mut calls = HashMap::with_capacity(earlier.len());
    for chunk in chunks(&earlier) {
        let select =
            Statement::named("count_calls", "SELECT batchId, COUNT(*) FROM `call` WHERE batchId IN ");
        let select = select.list(chunk.iter().map(|batch| batch.0)).push(" GROUP BY batchId");
        for row in tx.rows(select).await? {
            calls.insert(row.int(0)?, row.count(1)?);
        }
    }
    for batch in batches {
        if let AnyBatch::Earlier(earlier) = batch {
            earlier.calls = calls.get(&earlier.batch.0).copied().unwrap_or_default();
        }
    }
    Ok(())
}

fn is_earlier(batch: &AnyBatch) -> bool {
    match batch {
        AnyBatch::Own(_) => false,
        AnyBatch::Earlier(_) => true,
    }
}

/// Everything that the shared tables say of a batch.
pub(super) async fn show(tx: &mut Transaction, row: &Row) -> Result<EarlierBatch, LedgerError> {
    let mut earlier = brief(row)?;
    let batch = earlier.batch;
    let select = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN lang <> 'unknown' THEN 1 ELSE 0 END), 0) AS SIGNED) \
                  FROM `call` WHERE batchId = ?";
    let calls = one(tx, Statement::named("count_identified_calls", select).long().bind(batch.0)).await?;
    let select = "SELECT COUNT(*) FROM fileDistribution WHERE batchId = ?";
    let distributed =
        batches::count_rows(tx, Statement::named("count_files", select).long().bind(batch.0)).await?;
    let (count, identified) = (calls.count(0)?, calls.count(1)?);
    earlier.calls = count;
    earlier.details = Some(EarlierDetails {
        identified,
        lid_pending: count.saturating_sub(identified),
        distributed,
        languages: batches::languages(tx, batch).await?,
        remarks: other_columns(tx, &mut earlier).await?,
    });
    Ok(earlier)
}

/// Adds the stages that the database has beside the ones it must have; the
/// remarks.
async fn other_columns(
    tx: &mut Transaction,
    earlier: &mut EarlierBatch,
) -> Result<Option<String>, LedgerError> {
    let mut stages = Vec::with_capacity(OTHER_STAGES.len());
    for stage in OTHER_STAGES {
        if tx.text_column("batchStatus", stage).await?.is_some() {
            stages.push(stage);
        }
    }
    let columns = stages.iter().fold("remarks".to_owned(), |columns, stage| columns + ", " + stage);
    let select = format!("SELECT {columns} FROM batchStatus WHERE id = ?");
    let row = one(tx, Statement::named("earlier_stages", &select).bind(earlier.batch.0)).await?;
    for (stage, column) in stages.into_iter().zip(1..) {
        earlier.stages.push(StageStatus { stage, status: row.opt_text(column)? });
    }
    row.opt_text(0)
}

/// The row of a query that always has one.
async fn one(tx: &mut Transaction, statement: Statement) -> Result<Row, LedgerError> {
    let nothing = || LedgerError::Corrupt { column: "a count".to_owned(), value: "no row".to_owned() };
    tx.row(statement).await?.ok_or_else(nothing)
}
