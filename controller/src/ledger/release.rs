//! Letting go of recordings that nobody needs on a host any more.
//!
//! ```text
//!  stored, held by A --- call over, identified ---> stored, held by nobody   (cofiRelease: A, why, when)
//!                                                          | A says that the file is gone
//!                                                          v
//!                                                   cofiRelease.doneAt
//! ```
//!
//! All else stays: a released recording is still stored and identified, and its
//! rows in the shared tables say where it was. Since nobody is its agent, it is
//! neither asked for nor placed again, and it never becomes anybody's again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{
    Ledger, LedgerError, Lid, ReleaseCause, ReleaseCounts, ReleaseScope, ReleaseTerms, Released,
    ReleasedCount,
    audit::Target,
    batches,
    database::Transaction,
    history::{self, Event},
    read_transaction,
    sql::{Row, Statement, chunks, state_is},
    standing::TERMINAL,
    write_transaction,
};

const MICROS: i64 = 1_000_000;

/// What decides about a stored recording, from its own row.
const HELD: &str =
    "SELECT batchId, ordinal, size, lid, agent, callId, storedAt, settledAt FROM cofiRecording";

/// A stored recording that may be released.
struct Held {
    recording: RecordingId,
    size: u64,
    lid: Lid,
    agent: Option<String>,
    call: Option<i64>,
    stored: Option<i64>,
    settled: Option<i64>,
}

/// What a call says about its recording.
#[derive(Debug, Clone, Copy, Default)]
struct CallState {
    /// Later stages are done with it.
    is_over: bool,
    /// It has been as it is for long enough.
    is_old: bool,
}

/// What is to be done about a stored recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Release,
    ReleasedBefore,
    Needed,
    Unidentified,
    TooYoung,
}

/// A page of stored recordings, looked at without changing anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Releasable {
    /// What came of them, `released` being those that can be released.
    pub counts: ReleaseCounts,
    /// Those.
    pub recordings: Vec<RecordingId>,
    /// The last one that was looked at; none if there were no more.
    pub last: Option<RecordingId>,
}

impl Ledger {
    /// Looks for recordings that can be released, `limit` of those that stand
    /// after `after` in the order of their ids.
    pub async fn releasable(
        &self,
        scope: &ReleaseScope,
        after: Option<RecordingId>,
        limit: i64,
        terms: &ReleaseTerms,
        now: i64,
    ) -> Result<Releasable, LedgerError> {
        read_transaction!(self, |tx| {
            let held = page(tx, scope, after, limit).await?;
            let calls = call_states(tx, &held, terms, "").await?;
            let mut page =
                Releasable { last: held.last().map(|held| held.recording), ..Releasable::default() };
            for held in held {
                let verdict = judge(&held, &calls, terms, now);
                page.counts.add(verdict, held.size);
                if verdict == Verdict::Release {
                    page.recordings.push(held.recording);
                }
            }
            Ok(page)
        })
    }

    /// Releases those of these recordings of which the rows still say that they
    /// can be. Two calls have two times; the same one again is answered alike.
    pub async fn release(
        &self,
        recordings: &[RecordingId],
        terms: &ReleaseTerms,
        now: i64,
    ) -> Result<Released, LedgerError> {
        write_transaction!(self, |tx| {
            let mut by_batch: BTreeMap<BatchId, Vec<i64>> = BTreeMap::new();
            for recording in recordings {
                by_batch.entry(recording.batch).or_default().push(recording.ordinal);
            }
            let mut released = Released::default();
            for (batch, mut ordinals) in by_batch {
                ordinals.sort_unstable();
                let mut gone = 0;
                for chunk in chunks(&ordinals) {
                    gone += release_some(tx, batch, chunk, terms, now, &mut released).await?;
                }
                if gone > 0 {
                    // Others of the same deed may follow, so that none are counted.
                    self.note_deed(tx, Target::Batch(batch), &terms.reason).await?;
                    let words = format!("{gone} recordings: {}", terms.reason);
                    let event = Event::of_batch(now, "released", batch, words).coded(terms.cause.as_str());
                    history::note(tx, &[event]).await?;
                }
            }
            Ok(released)
        })
    }

    /// Recordings after `after` that are released and that their host has not
    /// said to have removed, in the order of their ids; and why.
    pub async fn releases_due(
        &self,
        agent: &AgentName,
        after: Option<RecordingId>,
        limit: i64,
    ) -> Result<Vec<(RecordingId, String)>, LedgerError> {
        let (batch, ordinal) = after.map_or((0, -1), |after| (after.batch.0, after.ordinal));
        read_transaction!(self, |tx| {
            let select = "SELECT batchId, ordinal, reason FROM cofiRelease WHERE agent = ? AND doneAt IS NULL \
                          AND batchId >= ? AND (batchId, ordinal) > (?, ?) ORDER BY batchId, ordinal LIMIT ?";
            let select = Statement::named("releases_due", select)
                .bind(agent.as_str())
                .bind(batch)
                .bind(batch)
                .bind(ordinal)
                .bind(limit);
            tx.rows(select).await?.iter().map(|row| Ok((row.recording(0)?, row.text(2)?))).collect()
        })
    }

    /// Notes that a host has removed recordings; those that were not released
    /// are passed over.
    pub async fn confirm_releases(
        &self,
        agent: &AgentName,
        recordings: &[RecordingId],
        now: i64,
    ) -> Result<(), LedgerError> {
        write_transaction!(self, |tx| {
            let mut by_batch: BTreeMap<BatchId, BTreeSet<i64>> = BTreeMap::new();
            for recording in recordings {
                by_batch.entry(recording.batch).or_default().insert(recording.ordinal);
            }
            for (batch, ordinals) in by_batch {
                let ordinals: Vec<i64> = ordinals.into_iter().collect();
                for chunk in chunks(&ordinals) {
                    let update = "UPDATE cofiRelease SET doneAt = ? WHERE batchId = ? AND agent = ? \
                                  AND doneAt IS NULL AND ordinal IN ";
                    let update = Statement::named("confirm_releases", update).bind(now).bind(batch.0);
                    tx.execute(update.bind(agent.as_str()).list(chunk.iter().copied())).await?;
                }
            }
            Ok(())
        })
    }
}

/// How much of a batch is released.
pub(super) async fn released_of(tx: &mut Transaction, batch: BatchId) -> Result<ReleasedCount, LedgerError> {
    let select = "SELECT COUNT(*), COALESCE(CAST(SUM(CASE WHEN doneAt IS NULL THEN 1 ELSE 0 END) AS SIGNED), 0) \
                  FROM cofiRelease WHERE batchId = ?";
    let row = tx.row(Statement::named("count_released", select).long().bind(batch.0)).await?;
    row.map_or(Ok(ReleasedCount::default()), |row| {
        Ok(ReleasedCount { recordings: row.count(0)?, unconfirmed: row.count(1)? })
    })
}

impl ReleaseCounts {
    /// Counts what came of more recordings as well.
    pub fn merge(&mut self, other: Self) {
        self.released += other.released;
        self.released_bytes += other.released_bytes;
        self.released_before += other.released_before;
        self.needed += other.needed;
        self.unidentified += other.unidentified;
        self.too_young += other.too_young;
    }

    fn add(&mut self, verdict: Verdict, size: u64) {
        match verdict {
            Verdict::Release => {
                self.released += 1;
                self.released_bytes += size;
            }
            Verdict::ReleasedBefore => self.released_before += 1,
            Verdict::Needed => self.needed += 1,
            Verdict::Unidentified => self.unidentified += 1,
            Verdict::TooYoung => self.too_young += 1,
        }
    }
}

fn judge(held: &Held, calls: &HashMap<i64, CallState>, terms: &ReleaseTerms, now: i64) -> Verdict {
    // What could not be identified can be tried again until somebody decides
    // that it will not be.
    let is_settled = match (held.lid, terms.cause) {
        (Lid::Done, _) | (Lid::Failed, ReleaseCause::Operator) => true,
        (Lid::Failed, ReleaseCause::Retention) | (Lid::None, _) => false,
    };
    // Without its call nobody knows who still needs it.
    let call = held.call.and_then(|call| calls.get(&call)).copied().unwrap_or_default();
    let before = now.saturating_sub(i64::from(terms.older_than_seconds).saturating_mul(MICROS));
    let is_old = call.is_old && held.stored.max(held.settled).is_some_and(|changed| changed <= before);
    if held.agent.is_none() {
        Verdict::ReleasedBefore
    } else if !is_settled {
        Verdict::Unidentified
    } else if !call.is_over {
        Verdict::Needed
    } else if terms.older_than_seconds > 0 && !is_old {
        Verdict::TooYoung
    } else {
        Verdict::Release
    }
}

async fn page(
    tx: &mut Transaction,
    scope: &ReleaseScope,
    after: Option<RecordingId>,
    limit: i64,
) -> Result<Vec<Held>, LedgerError> {
    let (batch, ordinal) = after.map_or((0, -1), |after| (after.batch.0, after.ordinal));
    let select = match scope {
        ReleaseScope::Batch(batch) => {
            batches::must_be_own(tx, *batch).await?;
            Statement::named("stored_of_batch", HELD)
                .push(" WHERE batchId = ? AND ordinal > ? AND ")
                .push(&state_is("placement", &["stored"]))
                .bind(batch.0)
                .bind(ordinal)
        }
        ReleaseScope::Agent(agent) => Statement::named("identified_on_agent", HELD)
            .push(" WHERE agent = ? AND lid = 'done' AND placement = 'stored'")
            .push(" AND batchId >= ? AND (batchId, ordinal) > (?, ?)")
            .bind(agent.as_str())
            .bind(batch)
            .bind(batch)
            .bind(ordinal),
    };
    let select = select.push(" ORDER BY batchId, ordinal LIMIT ?").bind(limit);
    tx.rows(select).await?.iter().map(held).collect()
}

fn held(row: &Row) -> Result<Held, LedgerError> {
    Ok(Held {
        recording: row.recording(0)?,
        size: row.count(2)?,
        lid: row.word(3)?,
        agent: row.opt_text(4)?,
        call: row.opt_int(5)?,
        stored: row.opt_int(6)?,
        settled: row.opt_int(7)?,
    })
}

/// What the calls of these recordings say; `locked` ends the SELECT.
async fn call_states(
    tx: &mut Transaction,
    held: &[Held],
    terms: &ReleaseTerms,
    locked: &str,
) -> Result<HashMap<i64, CallState>, LedgerError> {
    let mut calls: Vec<i64> =
        held.iter().filter(|held| held.agent.is_some()).filter_map(|held| held.call).collect();
    calls.sort_unstable();
    let mut states = HashMap::with_capacity(calls.len());
    for chunk in chunks(&calls) {
        let is_old = tx.unchanged_for_seconds("COALESCE(updatedAt, createdAt)");
        let select =
            format!("SELECT id, status, CASE WHEN {is_old} THEN 1 ELSE 0 END FROM `call` WHERE id IN ");
        let select = Statement::named("calls_of_held", &select)
            .bind(i64::from(terms.older_than_seconds))
            .list(chunk.iter().copied());
        for row in tx.rows(select.push(locked)).await? {
            let is_over = row.opt_text(1)?.is_some_and(|word| TERMINAL.contains(&word.as_str()));
            states.insert(row.int(0)?, CallState { is_over, is_old: row.flag(2)? });
        }
    }
    Ok(states)
}

/// Releases what can be released of these, and says how many it changed.
async fn release_some(
    tx: &mut Transaction,
    batch: BatchId,
    ordinals: &[i64],
    terms: &ReleaseTerms,
    now: i64,
    released: &mut Released,
) -> Result<usize, LedgerError> {
    let lock = tx.for_update();
    let select = Statement::named("recordings_to_release", HELD)
        .push(" WHERE batchId = ? AND ")
        .push(&state_is("placement", &["stored"]))
        .push(" AND ordinal IN ")
        .bind(batch.0)
        .list(ordinals.iter().copied())
        .push(lock);
    let held: Vec<Held> = tx.rows(select).await?.iter().map(held).collect::<Result<_, _>>()?;
    let calls = call_states(tx, &held, terms, lock).await?;
    let done = released_at(tx, batch, &held, now).await?;
    let mut going = Vec::with_capacity(held.len());
    for held in &held {
        let ordinal = held.recording.ordinal;
        let verdict = match done.get(&ordinal) {
            Some(agent) => {
                released.agents.insert(agent.clone());
                Verdict::Release
            }
            None => judge(held, &calls, terms, now),
        };
        released.counts.add(verdict, held.size);
        if verdict == Verdict::Release
            && let Some(agent) = &held.agent
        {
            released.agents.insert(agent.clone());
            going.push((ordinal, agent.as_str()));
        }
    }
    for chunk in chunks(&going) {
        let update = "UPDATE cofiRecording SET agent = NULL WHERE batchId = ? AND ";
        let update = Statement::named("release_recordings", update)
            .push(&state_is("placement", &["stored"]))
            .push(" AND agent IS NOT NULL AND ordinal IN ")
            .bind(batch.0)
            .list(chunk.iter().map(|(ordinal, _)| *ordinal));
        tx.guarded("release_recordings", update, chunk.len()).await?;
        tx.execute(insert_releases(batch, chunk, terms, now)).await?;
    }
    Ok(going.len())
}

fn insert_releases(batch: BatchId, going: &[(i64, &str)], terms: &ReleaseTerms, now: i64) -> Statement {
    let columns = "INSERT INTO cofiRelease (batchId, ordinal, agent, cause, reason, `at`) VALUES ";
    Statement::named("insert_releases", columns).tuples(
        "(?, ?, ?, ?, ?, ?)",
        going,
        |insert, (ordinal, agent)| {
            insert
                .bind(batch.0)
                .bind(*ordinal)
                .bind(*agent)
                .bind(terms.cause.as_str())
                .bind(terms.reason.as_str())
                .bind(now)
        },
    )
}

/// Those of which nobody is the agent since this very time: the same call has
/// released them, and its COMMIT was not answered. And who held them.
async fn released_at(
    tx: &mut Transaction,
    batch: BatchId,
    held: &[Held],
    now: i64,
) -> Result<HashMap<i64, String>, LedgerError> {
    let ordinals: Vec<i64> =
        held.iter().filter(|held| held.agent.is_none()).map(|held| held.recording.ordinal).collect();
    let mut done = HashMap::new();
    for chunk in chunks(&ordinals) {
        let select = "SELECT ordinal, agent FROM cofiRelease WHERE batchId = ? AND `at` = ? AND ordinal IN ";
        let select = Statement::named("released_at", select).bind(batch.0).bind(now);
        for row in tx.rows(select.list(chunk.iter().copied())).await? {
            done.insert(row.int(0)?, row.text(1)?);
        }
    }
    Ok(done)
}
