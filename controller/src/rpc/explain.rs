//! `ExplainService`.

use std::{collections::HashMap, time::Duration};

use cofi_proto::{AgentName, BatchId, RecordingId, pb::v1 as pb};
use pb::explain_service_server::ExplainService;
use tonic::{Request, Response, Status};

use super::{convert::batch_counts, fleet::agent, reasons::reason, status::RpcError};
use crate::{
    chain::error_chain,
    dispatch::{Dispatch, Prospects},
    explain::{
        AgentFacts, AgentReason, BatchFacts, Reason, RecordingFacts, explain_agent, explain_batch,
        explain_recording,
    },
    health::Health,
    ledger::{AgentRecord, HistoryRecord, Ledger, LedgerError},
};

/// Entries of a history that are told.
const HISTORY: i64 = 100;

/// Answers operators who ask why.
#[derive(Debug, Clone)]
pub(super) struct Explanations {
    pub(super) ledger: Ledger,
    pub(super) dispatch: Dispatch,
    pub(super) health: Health,
    /// How long an agent may be away before what it holds is placed again.
    pub(super) replace_after: Duration,
    /// When the controller started: absences count from there.
    pub(super) started: i64,
}

impl Explanations {
    async fn batch(&self, batch: BatchId) -> Result<pb::ExplainBatchResponse, LedgerError> {
        let record = self.ledger.batch(batch).await?;
        let prospects = self.dispatch.prospects(Some(batch), None).await;
        let facts = BatchFacts {
            failures: self.ledger.failures_by_code(batch).await?,
            holders: self.ledger.lid_holders(batch).await?.into_iter().collect(),
            agents: self.agents(&prospects).await?,
            prospects,
            record,
        };
        Ok(pb::ExplainBatchResponse {
            state: pb::BatchState::from(facts.record.state()).into(),
            counts: Some(batch_counts(&facts.record.counts)),
            reasons: explain_batch(&facts).into_iter().map(reason).collect(),
        })
    }

    async fn recording(&self, recording: RecordingId) -> Result<pb::ExplainRecordingResponse, LedgerError> {
        let record = self.ledger.recording(recording).await?;
        let history = self.ledger.recording_history(recording, HISTORY).await?;
        let prospects = self.dispatch.prospects(Some(recording.batch), Some(recording)).await;
        let facts = RecordingFacts { record, agents: self.agents(&prospects).await?, prospects };
        let reasons = explain_recording(&facts).into_iter().map(reason).collect();
        let history = history.into_iter().map(entry).collect();
        Ok(pb::ExplainRecordingResponse { recording: Some(facts.record.into()), reasons, history })
    }

    async fn agent(&self, name: &AgentName) -> Result<pb::ExplainAgentResponse, LedgerError> {
        let prospects = self.dispatch.prospects(None, None).await;
        let record = match (self.ledger.agent(name).await, prospects.refused.get(name)) {
            // It never got in.
            (Err(LedgerError::NoSuchAgent(_)), Some((why, at))) => {
                let state = AgentReason::Refused { why: why.clone(), at: *at };
                let refused = Reason::Agent { agent: name.clone(), state, recordings: 0 };
                let reasons = vec![reason(refused)];
                return Ok(pb::ExplainAgentResponse { reasons, ..pb::ExplainAgentResponse::default() });
            }
            (record, _) => record?,
        };
        let waiting = self.ledger.open_at(name).await?;
        let history = self.ledger.agent_history(name, HISTORY).await?;
        let mut facts = self.facts(vec![record], &prospects).await?;
        let Some(facts) = facts.pop() else { return Err(LedgerError::NoSuchAgent(name.clone())) };
        let AgentFacts { record, standing, quarantine, status, .. } = facts.clone();
        Ok(pb::ExplainAgentResponse {
            agent: Some(agent(record, status, standing, quarantine)),
            reasons: vec![reason(explain_agent(&facts, waiting))],
            history: history.into_iter().map(entry).collect(),
        })
    }

    async fn agents(&self, prospects: &Prospects) -> Result<Vec<AgentFacts>, LedgerError> {
        self.facts(self.ledger.all_agents().await?, prospects).await
    }

    async fn facts(
        &self,
        records: Vec<AgentRecord>,
        prospects: &Prospects,
    ) -> Result<Vec<AgentFacts>, LedgerError> {
        let mut standings: HashMap<_, _> = by_agent(self.ledger.standings().await?, |it| &it.agent);
        let mut quarantines: HashMap<_, _> = by_agent(self.ledger.quarantines().await?, |it| &it.agent);
        let mut present: HashMap<_, _> = self.dispatch.agents().await.into_iter().collect();
        let patience = i64::try_from(self.replace_after.as_micros()).unwrap_or(i64::MAX);
        let facts = |record: AgentRecord| AgentFacts {
            standing: standings.remove(&record.name),
            quarantine: quarantines.remove(&record.name),
            status: present.remove(&record.name),
            refused: prospects.refused.get(&record.name).cloned(),
            given_up_at: record.last_seen.max(self.started).saturating_add(patience),
            record,
        };
        Ok(records.into_iter().map(facts).collect())
    }

    /// Answers, also while the database cannot be read: then that is the
    /// reason.
    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, LedgerError>>,
        away: impl FnOnce(Vec<pb::Reason>) -> T,
    ) -> Result<Response<T>, Status> {
        let why = if *self.health.watch().borrow() {
            match LedgerError::or_silence(Box::pin(answer)).await {
                Err(error) if error.is_transient() => error_chain(&error),
                outcome => return Ok(Response::new(outcome.map_err(RpcError::from)?)),
            }
        } else {
            "it did not answer when it was asked last".to_owned()
        };
        Ok(Response::new(away(vec![reason(Reason::DatabaseAway(why))])))
    }

    async fn place(&self, request: pb::ExplainRecordingRequest) -> Result<RecordingId, LedgerError> {
        let batch = BatchId(request.batch_id);
        let ordinal = match request.recording {
            Some(pb::explain_recording_request::Recording::Ordinal(ordinal)) => ordinal,
            Some(pb::explain_recording_request::Recording::AudioName(name)) => {
                self.ledger.ordinal_of(batch, &name).await?
            }
            None => return Err(LedgerError::NoSuchRecording(batch, "without a name".to_owned())),
        };
        Ok(RecordingId { batch, ordinal })
    }
}

fn by_agent<T>(records: Vec<T>, agent: impl Fn(&T) -> &AgentName) -> HashMap<AgentName, T> {
    records.into_iter().map(|record| (agent(&record).clone(), record)).collect()
}

fn entry(record: HistoryRecord) -> pb::HistoryEntry {
    pb::HistoryEntry {
        time_micros: record.at,
        kind: record.kind,
        agent: record.agent.unwrap_or_default(),
        code: record.code.unwrap_or_default(),
        reason: record.reason,
    }
}

#[tonic::async_trait]
impl ExplainService for Explanations {
    async fn explain_batch(
        &self,
        request: Request<pb::ExplainBatchRequest>,
    ) -> Result<Response<pb::ExplainBatchResponse>, Status> {
        let batch = BatchId(request.into_inner().batch_id);
        let away = |reasons| pb::ExplainBatchResponse { reasons, ..pb::ExplainBatchResponse::default() };
        self.answer(self.batch(batch), away).await
    }

    async fn explain_recording(
        &self,
        request: Request<pb::ExplainRecordingRequest>,
    ) -> Result<Response<pb::ExplainRecordingResponse>, Status> {
        let request = request.into_inner();
        if request.recording.is_none() {
            return Err(RpcError::field("recording", "neither an ordinal nor an audio name").into());
        }
        let away =
            |reasons| pb::ExplainRecordingResponse { reasons, ..pb::ExplainRecordingResponse::default() };
        let answer = async { self.recording(self.place(request).await?).await };
        self.answer(answer, away).await
    }

    async fn explain_agent(
        &self,
        request: Request<pb::ExplainAgentRequest>,
    ) -> Result<Response<pb::ExplainAgentResponse>, Status> {
        let name = AgentName::try_from(request.into_inner().name).map_err(RpcError::from)?;
        let away = |reasons| pb::ExplainAgentResponse { reasons, ..pb::ExplainAgentResponse::default() };
        self.answer(self.agent(&name), away).await
    }
}
