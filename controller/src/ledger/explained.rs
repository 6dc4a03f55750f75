//! What is read to say why something waits or failed.

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{
    FailureCount, HistoryRecord, Ledger, LedgerError, RecordingFilter, RecordingRecord, batches,
    read_transaction,
    sql::{Row, Statement},
};
use crate::name::name_key;

/// Codes that failures are told by at most.
const CODES: i64 = 20;

impl Ledger {
    /// Recordings of a batch that rest as failed, by code, the most frequent
    /// first.
    pub async fn failures_by_code(&self, batch: BatchId) -> Result<Vec<FailureCount>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT code, COUNT(*), MIN(reason) FROM cofiRecording WHERE batchId = ? \
                          AND (placement = 'failed' OR (placement = 'stored' AND lid = 'failed')) \
                          GROUP BY code ORDER BY COUNT(*) DESC, code LIMIT ?";
            let select = Statement::named("failures_by_code", select).long().bind(batch.0).bind(CODES);
            let count = |row: &Row| {
                Ok(FailureCount {
                    code: row.opt_text(0)?.unwrap_or_default(),
                    recordings: row.count(1)?,
                    reason: row.opt_text(2)?.unwrap_or_default(),
                })
            };
            tx.rows(select).await?.iter().map(count).collect()
        })
    }

    /// One recording of a batch, by its place in the manifest.
    pub async fn recording(&self, recording: RecordingId) -> Result<RecordingRecord, LedgerError> {
        let RecordingId { batch, ordinal } = recording;
        let after = ordinal.saturating_sub(1);
        let page = self.recordings(batch, RecordingFilter::All, after, 1).await?.into_iter();
        let unknown = || LedgerError::NoSuchRecording(batch, ordinal.to_string());
        page.into_iter().find(|record| record.ordinal == ordinal).ok_or_else(unknown)
    }

    /// The place of a recording in its manifest, by its name.
    pub async fn ordinal_of(&self, batch: BatchId, audio_name: &str) -> Result<i64, LedgerError> {
        read_transaction!(self, |tx| {
            batches::must_be_own(tx, batch).await?;
            let select = "SELECT ordinal FROM cofiRecording WHERE batchId = ? AND nameKey = ?";
            let select = Statement::named("ordinal_of", select).bind(batch.0).bind(name_key(audio_name));
            let row = tx.row(select).await?;
            row.ok_or_else(|| LedgerError::NoSuchRecording(batch, format!("{audio_name:?}")))?.int(0)
        })
    }

    /// What happened to a recording, newest first.
    pub async fn recording_history(
        &self,
        recording: RecordingId,
        limit: i64,
    ) -> Result<Vec<HistoryRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT at, kind, agent, code, reason FROM cofiEvent WHERE batchId = ? \
                          AND ordinal = ? ORDER BY id DESC LIMIT ?";
            let select = Statement::named("recording_history", select);
            let select = select.bind(recording.batch.0).bind(recording.ordinal).bind(limit);
            tx.rows(select).await?.iter().map(entry).collect()
        })
    }

    /// What was decided about an agent, newest first.
    pub async fn agent_history(
        &self,
        agent: &AgentName,
        limit: i64,
    ) -> Result<Vec<HistoryRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT at, kind, agent, code, reason FROM cofiEvent WHERE batchId IS NULL \
                          AND ordinal IS NULL AND agent = ? ORDER BY id DESC LIMIT ?";
            let select = Statement::named("agent_history", select).long().bind(agent.as_str()).bind(limit);
            tx.rows(select).await?.iter().map(entry).collect()
        })
    }

    /// Recordings that an agent holds and that are to be identified.
    pub async fn open_at(&self, agent: &AgentName) -> Result<u64, LedgerError> {
        read_transaction!(self, |tx| {
            let select = "SELECT COUNT(*) FROM cofiRecording WHERE agent = ? AND lid = 'none' \
                          AND placement = 'stored'";
            let select = Statement::named("open_at", select).long().bind(agent.as_str());
            batches::count_rows(tx, select).await
        })
    }
}

fn entry(row: &Row) -> Result<HistoryRecord, LedgerError> {
    Ok(HistoryRecord {
        at: row.int(0)?,
        kind: row.text(1)?,
        agent: row.opt_text(2)?,
        code: row.opt_text(3)?,
        reason: row.opt_text(4)?.unwrap_or_default(),
    })
}
