//! Calls on the controller as an operator's program would make them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cofi_proto::pb::v1::{
    self as pb, batch_service_client::BatchServiceClient, call_service_client::CallServiceClient,
    fleet_service_client::FleetServiceClient,
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// How long an answer may take. Planning 10,000 files is the longest call.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// Entries on a page of a listing.
const PAGE: i32 = 1_000;

/// A connection that is made when it is needed, and again when it was lost.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

impl Client {
    /// A client of the controller at `url`.
    pub fn new(url: &str) -> Result<Self> {
        let endpoint = Endpoint::new(url.to_owned()).with_context(|| format!("use the address {url}"))?;
        Ok(Self { channel: endpoint.timeout(ANSWER_WITHIN).connect_lazy() })
    }

    /// `BatchService`.
    #[must_use]
    pub fn batch_service(&self) -> BatchServiceClient<Channel> {
        BatchServiceClient::new(self.channel.clone())
    }

    /// `CallService`.
    #[must_use]
    pub fn call_service(&self) -> CallServiceClient<Channel> {
        CallServiceClient::new(self.channel.clone())
    }

    /// `FleetService`.
    #[must_use]
    pub fn fleet_service(&self) -> FleetServiceClient<Channel> {
        FleetServiceClient::new(self.channel.clone())
    }

    /// Whether the controller is there and says that it serves.
    pub async fn serves(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Whether the controller is there and says that it cannot serve.
    pub async fn is_out_of_service(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await;
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
