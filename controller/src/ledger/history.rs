//! What happened, for people and for calls that come twice: rows in
//! `cofiEvent`.

use std::borrow::Cow;

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{
    LedgerError,
    database::Transaction,
    sql::{Statement, chunks},
};

/// Something that happened: to a recording, a batch or an agent.
#[derive(Debug, Clone)]
pub(super) struct Event<'a> {
    at: i64,
    kind: &'static str,
    batch: Option<BatchId>,
    ordinal: Option<i64>,
    agent: Option<&'a AgentName>,
    code: Option<&'a str>,
    reason: Cow<'a, str>,
}

impl<'a> Event<'a> {
    pub(super) fn of_recording(
        at: i64,
        kind: &'static str,
        recording: RecordingId,
        reason: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self { ordinal: Some(recording.ordinal), ..Self::of_batch(at, kind, recording.batch, reason) }
    }

    pub(super) fn of_batch(
        at: i64,
        kind: &'static str,
        batch: BatchId,
        reason: impl Into<Cow<'a, str>>,
    ) -> Self {
        let reason = reason.into();
        Self { at, kind, batch: Some(batch), ordinal: None, agent: None, code: None, reason }
    }

    pub(super) fn of_agent(
        at: i64,
        kind: &'static str,
        agent: &'a AgentName,
        reason: impl Into<Cow<'a, str>>,
    ) -> Self {
        let reason = reason.into();
        Self { at, kind, batch: None, ordinal: None, agent: Some(agent), code: None, reason }
    }

    /// The agent that it happened on.
    pub(super) fn on(self, agent: &'a AgentName) -> Self {
        Self { agent: Some(agent), ..self }
    }

    /// A fixed word for programs.
    pub(super) fn coded(self, code: &'a str) -> Self {
        Self { code: Some(code), ..self }
    }
}

/// Writes down what happened.
pub(super) async fn note(tx: &mut Transaction, events: &[Event<'_>]) -> Result<(), LedgerError> {
    for chunk in chunks(events) {
        let columns = "INSERT INTO cofiEvent (at, kind, batchId, ordinal, agent, code, reason) VALUES ";
        let insert = Statement::named("note_events", columns).tuples(
            "(?, ?, ?, ?, ?, ?, ?)",
            chunk,
            |insert, event| {
                insert
                    .bind(event.at)
                    .bind(event.kind)
                    .bind(event.batch.map(|batch| batch.0))
                    .bind(event.ordinal)
                    .bind(event.agent.map(AgentName::as_str))
                    .bind(event.code)
                    .bind(&*event.reason)
            },
        );
        tx.execute(insert).await?;
    }
    Ok(())
}

/// Whether something was done to a batch at this time: by the same call, whose
/// COMMIT was not answered.
pub(super) async fn was_done(
    tx: &mut Transaction,
    kind: &'static str,
    batch: BatchId,
    now: i64,
) -> Result<bool, LedgerError> {
    let select = "SELECT id FROM cofiEvent WHERE batchId = ? AND ordinal IS NULL AND kind = ? AND at = ?";
    let select = Statement::named("was_done", select).bind(batch.0).bind(kind).bind(now);
    Ok(tx.row(select).await?.is_some())
}
