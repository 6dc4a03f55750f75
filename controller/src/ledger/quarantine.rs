//! Agents that are quarantined, and recordings that their engines failed on.

use std::collections::HashSet;

use cofi_proto::{AgentName, session::LidFailure};

use super::{
    AttemptRecord, Ledger, LedgerError, PendingLid, QuarantineRecord, ReportedResult, agents,
    audit::Target,
    database::Transaction,
    history::{self, Event},
    read_transaction,
    sql::{Row, Statement},
    write_transaction,
};

/// Rounds in which engines fail on a recording before it rests as failed,
/// where their agents do well otherwise.
const ROUNDS: i64 = 2;
/// As many on agents that are quarantined, if there are no others: they must
/// not go on with what is bad for ever.
const DOUBTFUL_ROUNDS: i64 = 6;

const COLUMNS: &str = "SELECT name, fault, reason, since FROM cofiAgentQuarantine";

impl Ledger {
    /// Agents that are quarantined, by name.
    pub async fn quarantines(&self) -> Result<Vec<QuarantineRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let select = format!("{COLUMNS} ORDER BY name");
            tx.rows(Statement::named("quarantines", &select)).await?.iter().map(quarantine).collect()
        })
    }

    /// Quarantines an agent that was seen before; if it is already, that stays.
    pub async fn put_quarantine(&self, record: &QuarantineRecord) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            agents::must_be_known(tx, &record.agent).await?;
            let there = format!("{COLUMNS} WHERE name = ?");
            let there = Statement::named("quarantine", &there).bind(record.agent.as_str());
            if tx.row(there).await?.is_some() {
                return Ok(());
            }
            let insert = "INSERT INTO cofiAgentQuarantine (name, fault, reason, since) VALUES (?, ?, ?, ?)";
            let insert = Statement::named("insert_quarantine", insert)
                .bind(record.agent.as_str())
                .bind(record.fault.as_str())
                .bind(record.reason.as_str())
                .bind(record.since);
            tx.execute(insert).await.map_err(LedgerError::contended_key)?;
            let decided =
                Event::of_agent(record.since, "agent_quarantined", &record.agent, record.reason.as_str());
            history::note(tx, &[decided.coded(record.fault.as_str())]).await
        })
    }

    /// Ends the quarantine of an agent; false if it is in none.
    pub async fn lift_quarantine(
        &self,
        agent: &AgentName,
        reason: &str,
        now: i64,
    ) -> Result<bool, LedgerError> {
        write_transaction!(self, |tx| {
            let delete = "DELETE FROM cofiAgentQuarantine WHERE name = ?";
            let delete = Statement::named("lift_quarantine", delete).bind(agent.as_str());
            let was = tx.execute(delete).await? > 0;
            if was {
                history::note(tx, &[Event::of_agent(now, "agent_trusted", agent, reason)]).await?;
                self.note_deed(tx, Target::Agent(agent), &format!("quarantine lifted: {reason}")).await?;
            }
            Ok(was)
        })
    }

    /// Notes that an agent did not take a recording.
    pub async fn note_refusal(&self, attempt: &AttemptRecord) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            let AttemptRecord { recording, agent, code, reason, at } = attempt;
            let refused = Event::of_recording(*at, "placement_refused", *recording, reason.as_str());
            history::note(tx, &[refused.on(agent).coded(code)]).await
        })
    }
}

fn quarantine(row: &Row) -> Result<QuarantineRecord, LedgerError> {
    Ok(QuarantineRecord {
        agent: row.agent(0, "cofiAgentQuarantine")?,
        fault: row.word(1)?,
        reason: row.text(2)?,
        since: row.int(3)?,
    })
}

/// Which agents are quarantined at this moment.
pub(super) async fn quarantined(tx: &mut Transaction) -> Result<HashSet<String>, LedgerError> {
    let select = Statement::named("quarantined", "SELECT name FROM cofiAgentQuarantine");
    tx.rows(select).await?.iter().map(|row| row.text(0)).collect()
}

/// Whether a recording is blamed, on which engines failed in so many rounds
/// before this one.
pub(super) fn is_blamed(rounds: i64, is_quarantined: bool) -> bool {
    rounds + 1 >= if is_quarantined { DOUBTFUL_ROUNDS } else { ROUNDS }
}

/// The engine failed on a recording, which is to be tried again where it is,
/// in another round. What its agent is to be told.
pub(super) async fn set_back(
    tx: &mut Transaction,
    result: &ReportedResult,
    failure: &LidFailure,
    now: i64,
) -> Result<PendingLid, LedgerError> {
    let round = result.round.saturating_add(1);
    let (batch, ordinal) = (result.recording.batch.0, result.recording.ordinal);
    let update = "UPDATE cofiRecording SET lidRound = ?, attempts = attempts + 1 WHERE batchId = ? \
                  AND ordinal = ? AND placement = 'stored' AND lid = 'none' AND lidRound <= ?";
    let update = Statement::named("set_back", update)
        .bind(i64::from(round))
        .bind(batch)
        .bind(ordinal)
        .bind(i64::from(result.round));
    tx.guarded("set_back", update, 1).await?;
    let failed = Event::of_recording(now, "lid_set_back", result.recording, failure.reason.as_str());
    history::note(tx, &[failed.on(&result.agent).coded(&failure.code)]).await?;
    let select = "SELECT candidates FROM cofiBatch WHERE batchId = ?";
    let row = tx.row(Statement::named("candidates", select).bind(batch)).await?;
    let candidates = row.ok_or(LedgerError::NoSuchBatch(result.recording.batch))?.list(0)?;
    Ok(PendingLid { agent: result.agent.to_string(), recording: result.recording, round, candidates })
}
