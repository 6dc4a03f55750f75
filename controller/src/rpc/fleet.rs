//! `FleetService`.

use std::collections::HashMap;

use cofi_proto::{AgentName, pb::v1 as pb, session::EngineState};
use pb::fleet_service_server::FleetService;
use tonic::{Request, Response, Status};

use super::{pages::Page, status::RpcError};
use crate::{
    dispatch::{AgentStatus, Dispatch},
    ledger::{AgentRecord, Ledger},
};

/// Agents on a page unless the request says otherwise.
const AGENTS: i32 = 100;

/// Answers operators about agents.
#[derive(Debug, Clone)]
pub(super) struct Fleet {
    pub(super) ledger: Ledger,
    pub(super) dispatch: Dispatch,
}

impl Fleet {
    async fn list(&self, request: pb::ListAgentsRequest) -> Result<pb::ListAgentsResponse, RpcError> {
        let page = Page::read("agents".to_owned(), request.page_size, AGENTS, &request.page_token)?;
        let records = self.ledger.agents(&page.after, page.size).await?;
        let mut present: HashMap<AgentName, AgentStatus> = self.dispatch.agents().await.into_iter().collect();
        let next_page_token = page.next(records.len(), records.last().map(|record| record.name.clone()));
        let agents = records
            .into_iter()
            .map(|record| {
                let status = present.remove(&record.name);
                agent(record, status)
            })
            .collect();
        Ok(pb::ListAgentsResponse { agents, next_page_token })
    }

    async fn get(&self, name: String) -> Result<pb::Agent, RpcError> {
        let name: AgentName = name.try_into()?;
        let record = self.ledger.agent(&name).await?;
        let present = self.dispatch.agents().await.into_iter().find(|(agent, _)| *agent == name);
        Ok(agent(record, present.map(|(_, status)| status)))
    }
}

fn agent(record: AgentRecord, status: Option<AgentStatus>) -> pb::Agent {
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
    } else if status.unfit.is_some() {
        pb::AgentState::Unfit
    } else {
        pb::AgentState::Ready
    };
    agent.state = state.into();
    agent.reason = status.unfit.unwrap_or(engine.reason);
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
        Ok(Response::new(self.get(request.into_inner().name).await?))
    }
}
