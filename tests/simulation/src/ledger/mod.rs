//! The ledger, played by a model of it: pure rows, and around them the ways of
//! a database, which takes its time, goes away, and loses the answer to a
//! COMMIT. What is committed survives the controller.

mod rows;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cofi_controller::{
    delivery::StoredRecording,
    ledger::{
        AgentLedger, AgentRecord, Applied, AttemptRecord, BatchRecord, Custody, GiveUp, GivenUp, LedgerError,
        ManifestRecord, PendingLid, PlacementFailure, PlannedRecording, QuarantineRecord, Recorded,
        ReportedResult, StandingRecord,
    },
};
use cofi_identity::Facts;
use cofi_proto::{AgentName, BatchId, RecordingId};
pub use rows::{Done, Row, Rows};
use tokio::time::sleep;

use crate::{chance::Chance, mistake::Mistake, witness::Witness};

/// What there is, beside the rows.
#[derive(Debug, Default)]
struct Database {
    rows: Rows,
    /// Whether it does not answer.
    away: bool,
    /// Times it loses the answer to a COMMIT, in a hundred.
    loses: u64,
}

/// The ledger. A lock and no task: one thread runs the simulation, and it is
/// held for one transaction, which nothing interrupts.
#[derive(Debug, Clone)]
pub struct ModelLedger {
    database: Arc<Mutex<Database>>,
    chance: Chance,
    witness: Witness,
    mistake: Option<Mistake>,
}

impl ModelLedger {
    /// A ledger that holds these rows.
    #[must_use]
    pub fn new(rows: Rows, chance: Chance, witness: Witness, mistake: Option<Mistake>) -> Self {
        let database = Arc::new(Mutex::new(Database { rows, ..Database::default() }));
        Self { database, chance, witness, mistake }
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database goes away, or comes back.
    pub fn is_away(&self, away: bool) {
        self.database().away = away;
    }

    /// How often, in a hundred times, the answer to a COMMIT is lost.
    pub fn loses(&self, percent: u64) {
        self.database().loses = percent;
    }

    /// The rows as they stand.
    pub fn look<T>(&self, look: impl FnOnce(&Rows) -> T) -> T {
        look(&self.database().rows)
    }

    /// A batch is planned, whole and at once.
    pub fn publish(&self, batch: Vec<Row>) {
        let rows = &mut self.database().rows;
        rows.recordings.extend(batch.into_iter().map(|row| (row.planned.recording, row)));
    }

    /// Begins a start of the controller.
    #[must_use]
    pub fn begin_generation(&self) -> u64 {
        let rows = &mut self.database().rows;
        rows.generation += 1;
        rows.generation
    }

    /// Batches that are not settled.
    pub async fn unfinished(&self) -> Result<Vec<BatchRecord>, LedgerError> {
        self.read(Rows::unfinished).await
    }

    async fn read<T>(&self, read: impl FnOnce(&Rows) -> T) -> Result<T, LedgerError> {
        sleep(self.chance.latency()).await;
        let database = self.database();
        if database.away { Err(away()) } else { Ok(read(&database.rows)) }
    }

    /// A transaction that writes: all of it, or nothing.
    async fn write<T>(&self, write: impl FnOnce(&mut Rows) -> T) -> Result<T, LedgerError> {
        sleep(self.chance.latency()).await;
        let (outcome, lost) = {
            let mut database = self.database();
            if database.away && self.mistake == Some(Mistake::AnswerEarly) {
                return Ok(write(&mut database.rows.clone()));
            }
            if database.away {
                return Err(away());
            }
            let outcome = write(&mut database.rows);
            let loses = database.loses;
            (outcome, loses > 0 && self.chance.number(1..=100) <= loses)
        };
        self.report();
        // The answer takes its time as well: whoever asked may be gone by then.
        sleep(self.chance.latency()).await;
        if lost {
            self.witness.count(|tally| tally.ledger_faults += 1);
            self.witness.tell("ledger: the answer to a commit is lost");
            return Err(LedgerError::OutcomeUnknown(sqlx::Error::PoolTimedOut));
        }
        Ok(outcome)
    }

    /// Tells the witness what was committed.
    fn report(&self) {
        let done = std::mem::take(&mut self.database().rows.done);
        for done in done {
            match done {
                Done::Stored(agent, recording, digest) => {
                    self.witness.has_row(&agent, recording, digest);
                }
                Done::PlannedAgain(agent, recording) => self.witness.planned_again(&agent, recording),
                Done::Settled(recording, round, outcome) => {
                    self.witness.has_result(recording, round, &outcome);
                }
            }
        }
    }
}

fn away() -> LedgerError {
    LedgerError::Unavailable(sqlx::Error::PoolTimedOut)
}

#[async_trait]
impl AgentLedger for ModelLedger {
    async fn all_agents(&self) -> Result<Vec<AgentRecord>, LedgerError> {
        self.read(|rows| rows.agents.values().cloned().collect()).await
    }

    async fn agent(&self, name: &AgentName) -> Result<AgentRecord, LedgerError> {
        let found = self.read(|rows| rows.agents.get(name).cloned()).await?;
        found.ok_or_else(|| LedgerError::NoSuchAgent(name.clone()))
    }

    async fn put_agent(&self, agent: &AgentRecord) -> Result<(), LedgerError> {
        self.write(|rows| drop(rows.agents.insert(agent.name.clone(), agent.clone()))).await
    }

    async fn know_certificate(&self, _: &AgentName, _: &Facts, _: &[u8]) -> Result<(), LedgerError> {
        // Nobody shows one here.
        Ok(())
    }

    async fn agent_left(&self, agent: &AgentName, now: i64) -> Result<(), LedgerError> {
        let leave = |rows: &mut Rows| {
            if let Some(record) = rows.agents.get_mut(agent) {
                (record.connected, record.last_seen) = (false, now);
            }
        };
        self.write(leave).await
    }

    async fn custody(&self, name: &AgentName) -> Result<Custody, LedgerError> {
        self.read(|rows| rows.custody(name)).await
    }

    async fn standings(&self) -> Result<Vec<StandingRecord>, LedgerError> {
        self.read(|rows| rows.standings.values().cloned().collect()).await
    }

    async fn standing(&self, agent: &AgentName) -> Result<Option<StandingRecord>, LedgerError> {
        self.read(|rows| rows.standings.get(agent).cloned()).await
    }

    async fn put_standing(&self, record: &StandingRecord) -> Result<(), LedgerError> {
        let put = |rows: &mut Rows| {
            let known = rows.agents.contains_key(&record.agent);
            if known {
                rows.standings.insert(record.agent.clone(), record.clone());
            }
            known
        };
        let known = self.write(put).await?;
        if known { Ok(()) } else { Err(LedgerError::NoSuchAgent(record.agent.clone())) }
    }

    async fn clear_standing(&self, agent: &AgentName, _now: i64) -> Result<bool, LedgerError> {
        self.write(|rows| rows.standings.remove(agent).is_some()).await
    }

    async fn give_up(
        &self,
        what: &GiveUp,
        after: Option<RecordingId>,
        limit: i64,
        _now: i64,
    ) -> Result<GivenUp, LedgerError> {
        self.write(|rows| rows.give_up(what, after, limit)).await
    }

    async fn quarantines(&self) -> Result<Vec<QuarantineRecord>, LedgerError> {
        self.read(|rows| rows.quarantines.values().cloned().collect()).await
    }

    async fn put_quarantine(&self, record: &QuarantineRecord) -> Result<(), LedgerError> {
        let put = |rows: &mut Rows| {
            rows.quarantines.entry(record.agent.clone()).or_insert_with(|| record.clone());
        };
        self.write(put).await
    }

    async fn lift_quarantine(
        &self,
        agent: &AgentName,
        _reason: &str,
        _now: i64,
    ) -> Result<bool, LedgerError> {
        self.write(|rows| rows.quarantines.remove(agent).is_some()).await
    }

    /// The history is not part of the model.
    async fn note_refusal(&self, _attempt: &AttemptRecord) -> Result<(), LedgerError> {
        self.write(|_| ()).await
    }

    /// Later stages never finish here, so that nothing is released by them.
    async fn releases_due(
        &self,
        _agent: &AgentName,
        _after: Option<RecordingId>,
        _limit: i64,
    ) -> Result<Vec<(RecordingId, String)>, LedgerError> {
        self.read(|_| Vec::new()).await
    }

    async fn confirm_releases(
        &self,
        _agent: &AgentName,
        _recordings: &[RecordingId],
        _now: i64,
    ) -> Result<(), LedgerError> {
        self.write(|_| ()).await
    }

    async fn planned_recordings(
        &self,
        batch: BatchId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<PlannedRecording>, LedgerError> {
        self.read(|rows| rows.planned_recordings(batch, after, limit)).await
    }

    async fn manifest_records(
        &self,
        recordings: &[RecordingId],
    ) -> Result<HashMap<RecordingId, ManifestRecord>, LedgerError> {
        self.read(|rows| rows.manifest_records(recordings)).await
    }

    async fn record_stored(&self, group: &[StoredRecording], now: i64) -> Result<Vec<Recorded>, LedgerError> {
        self.write(|rows| rows.record_stored(group, now)).await
    }

    async fn fail_placements(&self, group: &[PlacementFailure], _now: i64) -> Result<(), LedgerError> {
        self.write(|rows| rows.fail_placements(group)).await
    }

    async fn pending_lids(
        &self,
        agent: &AgentName,
        after: Option<RecordingId>,
        limit: i64,
    ) -> Result<Vec<PendingLid>, LedgerError> {
        self.read(|rows| rows.pending_lids(agent, after, limit)).await
    }

    async fn apply_results(&self, group: &[ReportedResult], _now: i64) -> Result<Vec<Applied>, LedgerError> {
        self.write(|rows| rows.apply_results(group)).await
    }
}
