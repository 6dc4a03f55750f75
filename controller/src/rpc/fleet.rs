//! `FleetService`.

use std::{collections::HashMap, sync::Arc};

use cofi_proto::{AgentName, clock::Clock, pb::v1 as pb, session::EngineState};
use pb::fleet_service_server::FleetService;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::{finish, pages::Page, said_reason, status::RpcError};
use crate::{
    access::Caller,
    dispatch::{AgentStatus, Dispatch},
    ledger::{AgentRecord, Ledger, QuarantineRecord, Standing, StandingRecord},
    scheduler::{Event, Unfit},
};

/// Agents on a page unless the request says otherwise.
const AGENTS: i32 = 100;
const MICROS: i64 = 1_000_000;

/// Answers operators about agents.
#[derive(Debug, Clone)]
pub(super) struct Fleet {
    pub(super) ledger: Ledger,
    pub(super) dispatch: Dispatch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) decided: Arc<Notify>,
    pub(super) tasks: TaskTracker,
}

impl Fleet {
    /// The same, acting for a caller.
    fn acting(&self, caller: &Caller) -> Self {
        Self { ledger: self.ledger.acting(caller.deed(&*self.clock)), ..self.clone() }
    }

    async fn list(&self, request: pb::ListAgentsRequest) -> Result<pb::ListAgentsResponse, RpcError> {
        let page = Page::read("agents".to_owned(), request.page_size, AGENTS, &request.page_token)?;
        let records = self.ledger.agents(&page.after, page.size).await?;
        let mut present: HashMap<AgentName, AgentStatus> = self.dispatch.agents().await.into_iter().collect();
        let standings = self.ledger.standings().await?.into_iter();
        let mut standings: HashMap<AgentName, StandingRecord> =
            standings.map(|record| (record.agent.clone(), record)).collect();
        let quarantines = self.ledger.quarantines().await?.into_iter();
        let mut quarantines: HashMap<AgentName, QuarantineRecord> =
            quarantines.map(|record| (record.agent.clone(), record)).collect();
        let next_page_token = page.next(records.len(), records.last().map(|record| record.name.clone()));
        let agents = records
            .into_iter()
            .map(|record| {
                let status = present.remove(&record.name);
                let standing = standings.remove(&record.name);
                let quarantine = quarantines.remove(&record.name);
                agent(record, status, standing, quarantine)
            })
            .collect();
        Ok(pb::ListAgentsResponse { agents, next_page_token })
    }

    async fn get(&self, name: AgentName) -> Result<pb::Agent, RpcError> {
        let record = self.ledger.agent(&name).await?;
        let standing = self.ledger.standing(&name).await?;
        let mut quarantines = self.ledger.quarantines().await?.into_iter();
        let quarantine = quarantines.find(|quarantine| quarantine.agent == name);
        let present = self.dispatch.agents().await.into_iter().find(|(agent, _)| *agent == name);
        Ok(agent(record, present.map(|(_, status)| status), standing, quarantine))
    }

    async fn drain(&self, request: pb::DrainAgentRequest) -> Result<pb::Agent, RpcError> {
        let agent: AgentName = request.name.try_into()?;
        let since = self.clock.now_micros();
        let deadline = (request.deadline_seconds > 0)
            .then(|| since.saturating_add(i64::from(request.deadline_seconds).saturating_mul(MICROS)));
        let reason = said_reason(request.reason)?;
        let record =
            StandingRecord { agent: agent.clone(), standing: Standing::Draining, reason, since, deadline };
        self.ledger.put_standing(&record).await?;
        self.dispatch.event(Event::AgentDraining { agent: agent.clone(), draining: true }).await;
        self.get(agent).await
    }

    async fn resume(&self, request: pb::ResumeAgentRequest) -> Result<pb::Agent, RpcError> {
        let agent: AgentName = request.name.try_into()?;
        self.ledger.agent(&agent).await?;
        let now = self.clock.now_micros();
        self.ledger.clear_standing(&agent, now).await?;
        // The custodian writes down again what the scheduler still believes.
        self.dispatch.event(Event::AgentResumed(agent.clone())).await;
        if self.ledger.lift_quarantine(&agent, "an operator vouches for it", now).await? {
            // In its next session it hears what others hold by now.
            self.dispatch.dismiss(agent.clone()).await;
        }
        self.get(agent).await
    }

    async fn remove(&self, request: pb::RemoveAgentRequest) -> Result<pb::Agent, RpcError> {
        let agent: AgentName = request.name.try_into()?;
        let reason = said_reason(request.reason)?;
        let since = self.clock.now_micros();
        let record = StandingRecord {
            agent: agent.clone(),
            standing: Standing::Removed,
            reason,
            since,
            deadline: None,
        };
        self.ledger.put_standing(&record).await?;
        self.dispatch.dismiss(agent.clone()).await;
        self.decided.notify_one();
        self.get(agent).await
    }
}

pub(super) fn agent(
    record: AgentRecord,
    status: Option<AgentStatus>,
    standing: Option<StandingRecord>,
    quarantine: Option<QuarantineRecord>,
) -> pb::Agent {
    let away = status.is_none();
    let mut agent = present(record, status);
    if let Some(QuarantineRecord { reason, since, .. }) = quarantine {
        agent.state = pb::AgentState::Quarantined.into();
        (agent.reason, agent.since_micros) = (reason, since);
    }
    let Some(StandingRecord { standing, reason, since, .. }) = standing else { return agent };
    let state = match standing {
        Standing::Removed => pb::AgentState::Removed,
        Standing::Draining if !away && agent.deliveries == 0 && agent.lid_waiting == 0 => {
            pb::AgentState::Drained
        }
        Standing::Draining => pb::AgentState::Draining,
        // It says itself how it is, once it is back.
        Standing::Lost if away => {
            agent.reason = format!("{reason}: what it held is placed again");
            return agent;
        }
        Standing::Lost => return agent,
    };
    agent.state = state.into();
    (agent.reason, agent.since_micros) = (reason, since);
    agent
}

fn present(record: AgentRecord, status: Option<AgentStatus>) -> pb::Agent {
    let mut agent = pb::Agent {
        name: record.name.to_string(),
        advertise_address: record.advertise_address,
        version: record.version,
        storage_id: record.storage_id,
        last_seen_micros: record.last_seen,
        state: pb::AgentState::Away.into(),
        reason: "not connected: it does not run, or does not reach this controller".to_owned(),
        ..pb::Agent::default()
    };
    let Some(status) = status else { return agent };
    let engine = status.heartbeat.engine;
    let state = if status.reconciling {
        pb::AgentState::Reconciling
    } else if engine.state == EngineState::Starting {
        pb::AgentState::Starting
    } else if status.quarantine.is_some() {
        pb::AgentState::Quarantined
    } else if status.unfit.is_some() {
        pb::AgentState::Unfit
    } else {
        pb::AgentState::Ready
    };
    agent.state = state.into();
    if let Some(quarantine) = status.quarantine {
        agent.since_micros = quarantine.since;
        agent.next_probe_micros = quarantine.next_probe;
    }
    agent.reason = match status.unfit {
        // The state says that it is quarantined, and this why.
        Some(Unfit::Quarantined(why)) => why,
        Some(unfit) => unfit.to_string(),
        None => engine.reason,
    };
    agent.weight = status.weight;
    agent.free_disk_bytes = status.heartbeat.free_disk_bytes;
    agent.deliveries = u64::try_from(status.deliveries).unwrap_or(u64::MAX);
    agent.lid_waiting = status.heartbeat.lid_waiting;
    agent.device = engine.device;
    agent.engine = engine.name;
    agent
}

#[tonic::async_trait]
impl FleetService for Fleet {
    async fn list_agents(
        &self,
        request: Request<pb::ListAgentsRequest>,
    ) -> Result<Response<pb::ListAgentsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn get_agent(&self, request: Request<pb::GetAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        let name = AgentName::try_from(request.into_inner().name).map_err(RpcError::from)?;
        Ok(Response::new(self.get(name).await?))
    }

    async fn drain_agent(
        &self,
        request: Request<pb::DrainAgentRequest>,
    ) -> Result<Response<pb::Agent>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.drain(request.into_inner()).await }).await
    }

    async fn resume_agent(
        &self,
        request: Request<pb::ResumeAgentRequest>,
    ) -> Result<Response<pb::Agent>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.resume(request.into_inner()).await }).await
    }

    async fn remove_agent(
        &self,
        request: Request<pb::RemoveAgentRequest>,
    ) -> Result<Response<pb::Agent>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, async move { me.remove(request.into_inner()).await }).await
    }
}
