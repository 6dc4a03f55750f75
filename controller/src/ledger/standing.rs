//! What was decided about agents, and placing again what they held.

use std::collections::{BTreeMap, HashSet};

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{
    GiveUp, GiveUpScope, GivenUp, Ledger, LedgerError, Lid, Standing, StandingRecord, agents,
    audit::Target,
    batches, certificates,
    database::Transaction,
    history::{self, Event},
    read_transaction,
    sql::{Row, Statement, chunks},
    write_transaction,
};

/// Statuses of a call after which nobody needs its file any more.
pub(super) const TERMINAL: [&str; 3] = ["Complete", "UnsupportedLanguage", "ShortCall"];

/// A stored recording that may be placed again.
struct Held {
    recording: RecordingId,
    lid: Lid,
    call: Option<i64>,
}

impl Ledger {
    /// What was decided about agents; those that are not named take work.
    pub async fn standings(&self) -> Result<Vec<StandingRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let select =
                "SELECT name, standing, reason, since, deadline FROM cofiAgentStanding ORDER BY name";
            tx.rows(Statement::named("standings", select)).await?.iter().map(standing).collect()
        })
    }

    /// What was decided about one agent.
    pub async fn standing(&self, agent: &AgentName) -> Result<Option<StandingRecord>, LedgerError> {
        read_transaction!(self, |tx| {
            let select =
                "SELECT name, standing, reason, since, deadline FROM cofiAgentStanding WHERE name = ?";
            let row = tx.row(Statement::named("standing", select).bind(agent.as_str())).await?;
            row.as_ref().map(standing).transpose()
        })
    }

    /// Decides about an agent that was seen before.
    pub async fn put_standing(&self, record: &StandingRecord) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            if record.standing == Standing::Removed {
                // Who joins at this moment either comes first or is refused.
                certificates::lock(tx).await?;
            }
            agents::must_be_known(tx, &record.agent).await?;
            let update = "UPDATE cofiAgentStanding SET standing = ?, reason = ?, since = ?, deadline = ? WHERE name = ?";
            if tx.execute(bind(Statement::named("update_standing", update), record)).await? == 0 {
                let insert = "INSERT INTO cofiAgentStanding (standing, reason, since, deadline, name) \
                              VALUES (?, ?, ?, ?, ?)";
                let insert = bind(Statement::named("insert_standing", insert), record);
                tx.execute(insert).await.map_err(LedgerError::contended_key)?;
            }
            failpoint!(async STANDING_WRITTEN => return Err(LedgerError::failpoint()));
            let kind = match record.standing {
                Standing::Draining => "agent_draining",
                Standing::Removed => "agent_removed",
                Standing::Lost => "agent_lost",
            };
            let words = format!("{}: {}", record.standing.as_str(), record.reason);
            self.note_deed(tx, Target::Agent(&record.agent), words.trim_end_matches(": ")).await?;
            let decided = Event::of_agent(record.since, kind, &record.agent, record.reason.as_str());
            history::note(tx, &[decided]).await
        })
    }

    /// Lets an agent take work again; false if it did already.
    pub async fn clear_standing(&self, agent: &AgentName, now: i64) -> Result<bool, LedgerError> {
        write_transaction!(self, |tx| {
            let delete = "DELETE FROM cofiAgentStanding WHERE name = ?";
            let delete = Statement::named("clear_standing", delete).bind(agent.as_str());
            let had_one = tx.execute(delete).await? > 0;
            if had_one {
                history::note(tx, &[Event::of_agent(now, "agent_resumed", agent, "")]).await?;
                self.note_deed(tx, Target::Agent(agent), "takes work again").await?;
            }
            Ok(had_one)
        })
    }

    /// Has a page of the recordings that an agent holds placed again: those
    /// after `after`, in order, whose calls later stages are not done with.
    pub async fn give_up(
        &self,
        what: &GiveUp,
        after: Option<RecordingId>,
        limit: i64,
        now: i64,
    ) -> Result<GivenUp, LedgerError> {
        write_transaction!(self, |tx| {
            let held = held(tx, what, after, limit).await?;
            let last = held.last().map(|held| held.recording);
            let needed = needed(tx, held).await?;
            let recordings = u64::try_from(needed.len()).unwrap_or(u64::MAX);
            let mut by_batch: BTreeMap<BatchId, Vec<i64>> = BTreeMap::new();
            for recording in needed {
                by_batch.entry(recording.batch).or_default().push(recording.ordinal);
            }
            for (batch, ordinals) in &by_batch {
                plan_again(tx, *batch, ordinals, what, now).await?;
            }
            Ok(GivenUp { recordings, last })
        })
    }
}

/// Refuses an agent that was removed.
pub(super) async fn must_not_be_removed(tx: &mut Transaction, agent: &AgentName) -> Result<(), LedgerError> {
    let select = "SELECT standing FROM cofiAgentStanding WHERE name = ?";
    let row = tx.row(Statement::named("is_removed", select).bind(agent.as_str())).await?;
    match row.map(|row| row.word(0)).transpose()? {
        Some(Standing::Removed) => Err(LedgerError::AgentRemoved(agent.clone())),
        Some(Standing::Draining | Standing::Lost) | None => Ok(()),
    }
}

fn bind(statement: Statement, record: &StandingRecord) -> Statement {
    statement
        .bind(record.standing.as_str())
        .bind(record.reason.as_str())
        .bind(record.since)
        .bind(record.deadline)
        .bind(record.agent.as_str())
}

fn standing(row: &Row) -> Result<StandingRecord, LedgerError> {
    Ok(StandingRecord {
        agent: row.agent(0, "cofiAgentStanding")?,
        standing: row.word(1)?,
        reason: row.text(2)?,
        since: row.int(3)?,
        deadline: row.opt_int(4)?,
    })
}

/// A page of what the agent holds, locked.
async fn held(
    tx: &mut Transaction,
    what: &GiveUp,
    after: Option<RecordingId>,
    limit: i64,
) -> Result<Vec<Held>, LedgerError> {
    let (batch, ordinal) = after.map_or((0, -1), |after| (after.batch.0, after.ordinal));
    let which = match what.scope {
        GiveUpScope::All => "AND storedAt < ? ",
        GiveUpScope::WithoutLanguage => "AND storedAt < ? AND lid <> 'done' ",
        GiveUpScope::Open => "AND (storedAt < ? OR attempts > 0) AND lid = 'none' ",
    };
    let select = format!(
        "SELECT batchId, ordinal, lid, callId FROM cofiRecording WHERE agent = ? AND placement = 'stored' \
         {which}AND batchId >= ? AND (batchId, ordinal) > (?, ?) ORDER BY batchId, ordinal LIMIT ?"
    );
    let select = Statement::named("held_recordings", &select)
        .bind(what.agent.as_str())
        .bind(what.stored_before)
        .bind(batch)
        .bind(batch)
        .bind(ordinal)
        .bind(limit)
        .push(tx.for_update());
    let held =
        |row: &Row| Ok(Held { recording: row.recording(0)?, lid: row.word(2)?, call: row.opt_int(3)? });
    tx.rows(select).await?.iter().map(held).collect()
}

/// Those that somebody still needs: their batch is not cancelled, and they are
/// not identified with a call that later stages are done with.
async fn needed(tx: &mut Transaction, held: Vec<Held>) -> Result<Vec<RecordingId>, LedgerError> {
    let batches: HashSet<i64> = held.iter().map(|held| held.recording.batch.0).collect();
    let batches: Vec<i64> = batches.into_iter().collect();
    let mut cancelled = HashSet::new();
    for chunk in chunks(&batches) {
        let select = Statement::named(
            "cancelled_batches",
            "SELECT batchId FROM cofiBatch WHERE cancelled = 1 AND batchId IN ",
        );
        for row in tx.rows(select.list(chunk.iter().copied())).await? {
            cancelled.insert(row.int(0)?);
        }
    }
    let calls: Vec<i64> =
        held.iter().filter(|held| held.lid == Lid::Done).filter_map(|held| held.call).collect();
    let mut over = HashSet::new();
    for chunk in chunks(&calls) {
        let select =
            Statement::named("terminal_calls", "SELECT id FROM `call` WHERE status IN ").list(TERMINAL);
        for row in tx.rows(select.push(" AND id IN ").list(chunk.iter().copied())).await? {
            over.insert(row.int(0)?);
        }
    }
    let is_needed = |held: &Held| {
        let is_over = held.lid == Lid::Done && held.call.is_some_and(|call| over.contains(&call));
        !is_over && !cancelled.contains(&held.recording.batch.0)
    };
    Ok(held.into_iter().filter(is_needed).map(|held| held.recording).collect())
}

async fn plan_again(
    tx: &mut Transaction,
    batch: BatchId,
    ordinals: &[i64],
    what: &GiveUp,
    now: i64,
) -> Result<(), LedgerError> {
    let attempts = match what.scope {
        GiveUpScope::All | GiveUpScope::WithoutLanguage => "",
        GiveUpScope::Open => "attempts = 0, ",
    };
    for chunk in chunks(ordinals) {
        let update = format!(
            "UPDATE cofiRecording SET placement = 'planned', agent = NULL, {attempts}settledAt = ? \
             WHERE batchId = ? AND placement = 'stored' AND ordinal IN "
        );
        let update = Statement::named("plan_again", &update).bind(now).bind(batch.0);
        tx.guarded("plan_again", update.list(chunk.iter().copied()), chunk.len()).await?;
        let given_up = |ordinal: &i64| {
            let recording = RecordingId { batch, ordinal: *ordinal };
            Event::of_recording(now, "given_up", recording, what.reason.as_str()).on(&what.agent)
        };
        history::note(tx, &chunk.iter().map(given_up).collect::<Vec<_>>()).await?;
    }
    failpoint!(async PAGE_GIVEN_UP => return Err(LedgerError::failpoint()));
    batches::wake(tx, batch).await
}
