//! Calls on the controller as an operator's program would make them.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use cofi_identity::token::{AccessToken, Role};
use cofi_proto::pb::v1::{
    self as pb, access_service_client::AccessServiceClient, batch_service_client::BatchServiceClient,
    call_service_client::CallServiceClient, fleet_service_client::FleetServiceClient,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::dial::Keys;

/// How long an answer may take. Planning 10,000 files is the longest call.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// Entries on a page of a listing.
const PAGE: i32 = 1_000;

/// What calls go through.
pub type Calls = InterceptedService<Channel, Bearer>;

/// Shows a token with each call, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Shows this token.
    pub fn new(token: &AccessToken) -> Result<Self> {
        let mut value = MetadataValue::try_from(format!("Bearer {}", *token.to_text()))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A connection that is made when it is needed, and again when it was lost,
/// and who calls.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    bearer: Bearer,
}

impl Client {
    /// The operator of the controller at `address`, with what that keeps in
    /// its state directory.
    pub fn new(address: SocketAddr, state_dir: &Path) -> Result<Self> {
        let keys = Keys::read(state_dir)?;
        let channel = keys.control(address, ANSWER_WITHIN)?;
        Ok(Self { channel, bearer: Bearer::new(&keys.token)? })
    }

    /// The same, but with nothing to show.
    #[must_use]
    pub fn as_nobody(&self) -> Self {
        Self { channel: self.channel.clone(), bearer: Bearer::default() }
    }

    /// The same, but with another token.
    pub fn as_bearer(&self, token: &AccessToken) -> Result<Self> {
        Ok(Self { channel: self.channel.clone(), bearer: Bearer::new(token)? })
    }

    /// The same, but with a new viewer's token.
    pub async fn as_viewer(&self) -> Result<Self> {
        self.as_bearer(&self.new_token(Role::Viewer).await?)
    }

    /// Makes a token for calls.
    pub async fn new_token(&self, role: Role) -> Result<AccessToken> {
        let role = match role {
            Role::Viewer => pb::TokenKind::Viewer,
            Role::Operator => pb::TokenKind::Operator,
        };
        let request = pb::CreateAccessTokenRequest { role: role.into(), ..Default::default() };
        let made = self.access_service().create_access_token(request).await.context("make a token")?;
        made.into_inner().secret.parse().context("read a token")
    }

    /// Makes a token with which a machine joins as `agent`: its text.
    pub async fn new_join_token(&self, agent: &str) -> Result<String> {
        let request = pb::CreateJoinTokenRequest { agent: agent.to_owned(), ttl_seconds: 0 };
        let made = self.access_service().create_join_token(request).await.context("make a join token")?;
        Ok(made.into_inner().secret)
    }

    /// For any service.
    #[must_use]
    pub fn calls(&self) -> Calls {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// `AccessService`.
    #[must_use]
    pub fn access_service(&self) -> AccessServiceClient<Calls> {
        AccessServiceClient::new(self.calls())
    }

    /// `BatchService`.
    #[must_use]
    pub fn batch_service(&self) -> BatchServiceClient<Calls> {
        BatchServiceClient::new(self.calls())
    }

    /// `CallService`.
    #[must_use]
    pub fn call_service(&self) -> CallServiceClient<Calls> {
        CallServiceClient::new(self.calls())
    }

    /// `FleetService`.
    #[must_use]
    pub fn fleet_service(&self) -> FleetServiceClient<Calls> {
        FleetServiceClient::new(self.calls())
    }

    /// Whether the controller is there and says that it serves.
    pub async fn serves(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.calls()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Whether the controller is there and says that it cannot serve.
    pub async fn is_out_of_service(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.calls()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::NotServing)
    }

    /// Plans a batch.
    pub async fn create(
        &self,
        request: pb::CreateBatchRequest,
    ) -> Result<pb::create_batch_response::Outcome, Status> {
        let answer = self.batch_service().create_batch(request).await?.into_inner();
        answer.outcome.ok_or_else(|| Status::internal("an answer without an outcome"))
    }

    /// Plans a batch that is expected to be accepted: its id.
    pub async fn plan(&self, request: pb::CreateBatchRequest) -> Result<i64> {
        let outcome = self.create(request).await?;
        let pb::create_batch_response::Outcome::Batch(batch) = outcome else {
            anyhow::bail!("the batch was not accepted: {outcome:?}");
        };
        Ok(batch.batch_id)
    }

    /// One batch.
    pub async fn batch(&self, batch_id: i64) -> Result<pb::Batch> {
        let answer = self.batch_service().get_batch(pb::GetBatchRequest { batch_id }).await;
        Ok(answer.context("get the batch")?.into_inner())
    }

    /// The recordings of a batch that are in a state.
    pub async fn recordings(&self, batch_id: i64, filter: pb::RecordingFilter) -> Result<Vec<pb::Recording>> {
        let mut recordings = Vec::new();
        let mut page_token = String::new();
        loop {
            let filter = filter.into();
            let request = pb::ListRecordingsRequest { batch_id, filter, page_size: PAGE, page_token };
            let page = self.batch_service().list_recordings(request).await.context("list the recordings")?;
            let page = page.into_inner();
            recordings.extend(page.recordings);
            if page.next_page_token.is_empty() {
                return Ok(recordings);
            }
            page_token = page.next_page_token;
        }
    }

    /// Gives the failed recordings of a batch another round.
    pub async fn retry(&self, batch_id: i64) -> Result<pb::RetryRecordingsResponse> {
        let request = pb::RetryRecordingsRequest { batch_id, ordinals: Vec::new() };
        Ok(self.batch_service().retry_recordings(request).await.context("retry")?.into_inner())
    }

    /// The agents.
    pub async fn agents(&self) -> Result<Vec<pb::Agent>> {
        let request = pb::ListAgentsRequest::default();
        Ok(self.fleet_service().list_agents(request).await.context("list the agents")?.into_inner().agents)
    }
}
