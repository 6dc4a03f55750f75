//! What is asked of the ledger on behalf of agents.
//!
//! The half of the controller that faces agents knows the record by this trait
//! alone: it runs over the database, and in the simulation over a pure model
//! of it.

use std::collections::HashMap;

use async_trait::async_trait;
use cofi_identity::Facts;
use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{
    AgentRecord, Applied, AttemptRecord, Custody, GiveUp, GivenUp, Ledger, LedgerError, ManifestRecord,
    PendingLid, PlacementFailure, PlannedRecording, QuarantineRecord, Recorded, ReportedResult,
    StandingRecord,
};
use crate::delivery::StoredRecording;

/// The ledger, as the half of the controller that faces agents sees it. Each
/// method is documented at [`Ledger`], which has it under the same name.
#[async_trait]
pub trait AgentLedger: std::fmt::Debug + Send + Sync {
    async fn all_agents(&self) -> Result<Vec<AgentRecord>, LedgerError>;
    async fn agent(&self, name: &AgentName) -> Result<AgentRecord, LedgerError>;
    async fn put_agent(&self, agent: &AgentRecord) -> Result<(), LedgerError>;
    async fn agent_left(&self, agent: &AgentName, now: i64) -> Result<(), LedgerError>;
    async fn know_certificate(
        &self,
        agent: &AgentName,
        facts: &Facts,
        certificate: &[u8],
    ) -> Result<(), LedgerError>;
    async fn custody(&self, name: &AgentName) -> Result<Custody, LedgerError>;

    async fn standings(&self) -> Result<Vec<StandingRecord>, LedgerError>;
    async fn standing(&self, agent: &AgentName) -> Result<Option<StandingRecord>, LedgerError>;
    async fn put_standing(&self, record: &StandingRecord) -> Result<(), LedgerError>;
    async fn clear_standing(&self, agent: &AgentName, now: i64) -> Result<bool, LedgerError>;
    async fn give_up(
        &self,
        what: &GiveUp,
        after: Option<RecordingId>,
        limit: i64,
        now: i64,
    ) -> Result<GivenUp, LedgerError>;
    async fn quarantines(&self) -> Result<Vec<QuarantineRecord>, LedgerError>;
    async fn put_quarantine(&self, record: &QuarantineRecord) -> Result<(), LedgerError>;
    async fn lift_quarantine(&self, agent: &AgentName, reason: &str, now: i64) -> Result<bool, LedgerError>;
    async fn note_refusal(&self, attempt: &AttemptRecord) -> Result<(), LedgerError>;

    async fn releases_due(
        &self,
        agent: &AgentName,
        after: Option<RecordingId>,
        limit: i64,
    ) -> Result<Vec<(RecordingId, String)>, LedgerError>;
    async fn confirm_releases(
        &self,
        agent: &AgentName,
        recordings: &[RecordingId],
        now: i64,
    ) -> Result<(), LedgerError>;

    async fn planned_recordings(
        &self,
        batch: BatchId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<PlannedRecording>, LedgerError>;
    async fn manifest_records(
        &self,
        recordings: &[RecordingId],
    ) -> Result<HashMap<RecordingId, ManifestRecord>, LedgerError>;
    async fn record_stored(&self, group: &[StoredRecording], now: i64) -> Result<Vec<Recorded>, LedgerError>;
    async fn fail_placements(&self, group: &[PlacementFailure], now: i64) -> Result<(), LedgerError>;

    async fn pending_lids(
        &self,
        agent: &AgentName,
        after: Option<RecordingId>,
        limit: i64,
    ) -> Result<Vec<PendingLid>, LedgerError>;
    async fn apply_results(&self, group: &[ReportedResult], now: i64) -> Result<Vec<Applied>, LedgerError>;
}

#[async_trait]
impl AgentLedger for Ledger {
    async fn all_agents(&self) -> Result<Vec<AgentRecord>, LedgerError> {
        Self::all_agents(self).await
    }

    async fn agent(&self, name: &AgentName) -> Result<AgentRecord, LedgerError> {
        Self::agent(self, name).await
    }

    async fn put_agent(&self, agent: &AgentRecord) -> Result<(), LedgerError> {
        Self::put_agent(self, agent).await
    }

    async fn know_certificate(
        &self,
        agent: &AgentName,
        facts: &Facts,
        certificate: &[u8],
    ) -> Result<(), LedgerError> {
        Self::know_certificate(self, agent, facts, certificate).await
    }

    async fn agent_left(&self, agent: &AgentName, now: i64) -> Result<(), LedgerError> {
        Self::agent_left(self, agent, now).await
    }

    async fn custody(&self, name: &AgentName) -> Result<Custody, LedgerError> {
        Self::custody(self, name).await
    }

    async fn standings(&self) -> Result<Vec<StandingRecord>, LedgerError> {
        Self::standings(self).await
    }

    async fn standing(&self, agent: &AgentName) -> Result<Option<StandingRecord>, LedgerError> {
        Self::standing(self, agent).await
    }

    async fn put_standing(&self, record: &StandingRecord) -> Result<(), LedgerError> {
        Self::put_standing(self, record).await
    }

    async fn clear_standing(&self, agent: &AgentName, now: i64) -> Result<bool, LedgerError> {
        Self::clear_standing(self, agent, now).await
    }

    async fn give_up(
        &self,
        what: &GiveUp,
        after: Option<RecordingId>,
        limit: i64,
        now: i64,
    ) -> Result<GivenUp, LedgerError> {
        Self::give_up(self, what, after, limit, now).await
    }

    async fn quarantines(&self) -> Result<Vec<QuarantineRecord>, LedgerError> {
        Self::quarantines(self).await
    }

    async fn put_quarantine(&self, record: &QuarantineRecord) -> Result<(), LedgerError> {
        Self::put_quarantine(self, record).await
    }

    async fn lift_quarantine(&self, agent: &AgentName, reason: &str, now: i64) -> Result<bool, LedgerError> {
        Self::lift_quarantine(self, agent, reason, now).await
    }

    async fn note_refusal(&self, attempt: &AttemptRecord) -> Result<(), LedgerError> {
        Self::note_refusal(self, attempt).await
    }

    async fn releases_due(
        &self,
        agent: &AgentName,
        after: Option<RecordingId>,
        limit: i64,
    ) -> Result<Vec<(RecordingId, String)>, LedgerError> {
        Self::releases_due(self, agent, after, limit).await
    }

    async fn confirm_releases(
        &self,
        agent: &AgentName,
        recordings: &[RecordingId],
        now: i64,
    ) -> Result<(), LedgerError> {
        Self::confirm_releases(self, agent, recordings, now).await
    }

    async fn planned_recordings(
        &self,
        batch: BatchId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<PlannedRecording>, LedgerError> {
        Self::planned_recordings(self, batch, after, limit).await
    }

    async fn manifest_records(
        &self,
        recordings: &[RecordingId],
    ) -> Result<HashMap<RecordingId, ManifestRecord>, LedgerError> {
        Self::manifest_records(self, recordings).await
    }

    async fn record_stored(&self, group: &[StoredRecording], now: i64) -> Result<Vec<Recorded>, LedgerError> {
        Self::record_stored(self, group, now).await
    }

    async fn fail_placements(&self, group: &[PlacementFailure], now: i64) -> Result<(), LedgerError> {
        Self::fail_placements(self, group, now).await
    }

    async fn pending_lids(
        &self,
        agent: &AgentName,
        after: Option<RecordingId>,
        limit: i64,
    ) -> Result<Vec<PendingLid>, LedgerError> {
        Self::pending_lids(self, agent, after, limit).await
    }

    async fn apply_results(&self, group: &[ReportedResult], now: i64) -> Result<Vec<Applied>, LedgerError> {
        Self::apply_results(self, group, now).await
    }
}
