//! The operator API as this program speaks it. The generated types stay in
//! this folder: answers become the types of [`crate::view`] here.

mod access;
mod address;
mod bearer;
mod check;
mod convert;
mod dial;
mod error;
mod explain;
mod pages;
mod target;
mod watch;

use std::time::Duration;

use cofi_proto::pb::v1::{
    self as pb, batch_service_client::BatchServiceClient, call_service_client::CallServiceClient,
    fleet_service_client::FleetServiceClient,
};
use tonic::{Request, Response, Status, service::interceptor::InterceptedService, transport::Channel};

pub(crate) use self::{
    address::Address,
    error::{ClientError, Refusal},
    pages::{
        AgentQuery, AuditQuery, BatchQuery, CallQuery, LidFilter, Pages, Query, RecordingFilter,
        RecordingQuery, TokenQuery,
    },
    target::Target,
    watch::{Watch, WatchEvent},
};
use self::{bearer::Bearer, dial::Connection};
use crate::view::{Agent, AnyBatch, Cancelled, LidApplied, Planned, Released, Retried};

/// How long an answer is waited for unless the caller says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A page of 1,000 recordings, each with the longest path and reason that a
/// controller stores, is some 6 MiB; the library's own limit is 4 MiB.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What calls go through: each one takes the token along.
type Channelled = InterceptedService<Channel, Bearer>;

/// What `CreateBatch` is asked to plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) source: String,
    pub(crate) batch_date: String,
    pub(crate) process_id: i64,
    pub(crate) category_mapping_id: i64,
    pub(crate) audio_endpoint: String,
    pub(crate) candidate_languages: Vec<String>,
    pub(crate) idempotency_key: String,
    pub(crate) skip_known: bool,
}

/// A connection to a controller.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    target: Target,
    connection: Connection,
}

impl Client {
    /// Connects, so that a controller that is not there is told apart from one
    /// that refuses.
    pub(crate) async fn connect(target: Target) -> Result<Self, ClientError> {
        let connection = Connection::open(&target).await?;
        Ok(Self { target, connection })
    }

    pub(crate) async fn create_batch(&self, plan: Plan) -> Result<Planned, ClientError> {
        let request = pb::CreateBatchRequest {
            source: plan.source,
            batch_date: plan.batch_date,
            process_id: plan.process_id,
            category_mapping_id: plan.category_mapping_id,
            audio_endpoint: plan.audio_endpoint,
            candidate_languages: plan.candidate_languages,
            idempotency_key: plan.idempotency_key,
            skip_known: plan.skip_known,
        };
        let answer = self.call_within(self.target.timeout, request, async |request| {
            self.batches().create_batch(request).await
        });
        Ok(answer.await?.try_into()?)
    }

    pub(crate) async fn get_batch(&self, batch_id: i64) -> Result<AnyBatch, ClientError> {
        let request = pb::GetBatchRequest { batch_id };
        let answer = self.call(request, async |request| self.batches().get_batch(request).await).await?;
        Ok(answer.try_into()?)
    }

    /// Tries the failed recordings of a batch again: `ordinals`, or all of
    /// them if there are none.
    pub(crate) async fn retry(&self, batch_id: i64, ordinals: Vec<i64>) -> Result<Retried, ClientError> {
        let request = pb::RetryRecordingsRequest { batch_id, ordinals };
        let answer =
            self.call(request, async |request| self.batches().retry_recordings(request).await).await?;
        let pb::RetryRecordingsResponse { placements, identifications, released } = answer;
        Ok(Retried { placements, identifications, released })
    }

    pub(crate) async fn cancel(&self, batch_id: i64) -> Result<Cancelled, ClientError> {
        let request = pb::CancelBatchRequest { batch_id };
        let answer = self.call(request, async |request| self.batches().cancel_batch(request).await).await?;
        Ok(Cancelled { cancelled: answer.cancelled })
    }

    /// Brings the calls of a batch in line with `lidStatus`, in as long as it
    /// takes: a batch may have a million of them.
    pub(crate) async fn apply_lid(&self, batch_id: i64) -> Result<LidApplied, ClientError> {
        let request = pb::ApplyLidResultsRequest { batch_id };
        let answer = self.call_within(self.target.timeout, request, async |request| {
            self.batches().apply_lid_results(request).await
        });
        Ok(answer.await?.into())
    }

    /// Releases what can be released of a batch, or only counts it, in as long
    /// as it takes.
    pub(crate) async fn release(
        &self,
        batch_id: i64,
        older_than: Option<Duration>,
        dry_run: bool,
        reason: String,
    ) -> Result<Released, ClientError> {
        // Beyond what the field holds nothing is as old.
        let seconds = |age: Duration| u32::try_from(age.as_secs().max(1)).unwrap_or(u32::MAX);
        let older_than_seconds = older_than.map(seconds).unwrap_or_default();
        let request = pb::ReleaseRecordingsRequest { batch_id, older_than_seconds, dry_run, reason };
        let answer = self.call_within(self.target.timeout, request, async |request| {
            self.batches().release_recordings(request).await
        });
        let answer = answer.await?;
        Ok(Released {
            dry_run,
            released: answer.released,
            released_bytes: answer.released_bytes,
            released_before: answer.released_before,
            needed: answer.needed,
            unidentified: answer.unidentified,
            too_young: answer.too_young,
        })
    }

    pub(crate) async fn get_agent(&self, name: String) -> Result<Agent, ClientError> {
        let request = pb::GetAgentRequest { name };
        let answer = self.call(request, async |request| self.fleet().get_agent(request).await).await?;
        Ok(answer.try_into()?)
    }

    pub(crate) async fn drain_agent(
        &self,
        name: String,
        deadline: Option<Duration>,
        reason: String,
    ) -> Result<Agent, ClientError> {
        // Beyond what the field holds nobody waits.
        let seconds = |deadline: Duration| u32::try_from(deadline.as_secs().max(1)).unwrap_or(u32::MAX);
        let deadline_seconds = deadline.map(seconds).unwrap_or_default();
        let request = pb::DrainAgentRequest { name, deadline_seconds, reason };
        let answer = self.call(request, async |request| self.fleet().drain_agent(request).await).await?;
        Ok(answer.try_into()?)
    }

    pub(crate) async fn resume_agent(&self, name: String) -> Result<Agent, ClientError> {
        let request = pb::ResumeAgentRequest { name };
        let answer = self.call(request, async |request| self.fleet().resume_agent(request).await).await?;
        Ok(answer.try_into()?)
    }

    pub(crate) async fn remove_agent(&self, name: String, reason: String) -> Result<Agent, ClientError> {
        let request = pb::RemoveAgentRequest { name, reason };
        let answer = self.call(request, async |request| self.fleet().remove_agent(request).await).await?;
        Ok(answer.try_into()?)
    }

    /// Pages through everything that `query` is about, or its first `limit`.
    pub(crate) fn pages<Q: Query>(&self, query: Q, limit: Option<u64>) -> Pages<'_, Q> {
        Pages::new(self, query, limit)
    }

    /// Follows a batch until it comes to rest, across restarts of the
    /// controller that take no longer than `patience`.
    pub(crate) fn watch(&self, batch_id: i64, patience: Duration) -> Watch {
        Watch::new(self.clone(), batch_id, patience)
    }

    async fn call<Q, A>(
        &self,
        request: Q,
        send: impl AsyncFnOnce(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, ClientError> {
        self.call_within(Some(self.timeout()), request, send).await
    }

    /// One call, bounded on both sides: the server is told the timeout, and is
    /// not relied upon to keep it.
    async fn call_within<Q, A>(
        &self,
        timeout: Option<Duration>,
        request: Q,
        send: impl AsyncFnOnce(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, ClientError> {
        let mut request = Request::new(request);
        let answer = match timeout {
            None => send(request).await,
            Some(timeout) => {
                request.set_timeout(timeout);
                tokio::time::timeout(timeout, send(request)).await.map_err(|_| self.timed_out(timeout))?
            }
        };
        answer.map(Response::into_inner).map_err(|status| self.refusal(&status, timeout))
    }

    fn timeout(&self) -> Duration {
        self.target.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }

    fn timed_out(&self, after: Duration) -> ClientError {
        ClientError::TimedOut { url: self.target.url(), after }
    }

    fn refusal(&self, status: &Status, timeout: Option<Duration>) -> ClientError {
        match timeout {
            Some(after) if error::is_timeout(status) => self.timed_out(after),
            Some(_) | None => self.failure(status),
        }
    }

    /// What a status says; or, of a connection that one of the two sides did
    /// not want, why.
    fn failure(&self, status: &Status) -> ClientError {
        match self.connection.refusal().filter(|_| error::is_broken_connection(status)) {
            Some(refusal) => self.target.distrusted(refusal),
            None => ClientError::from_status(&self.target, status),
        }
    }

    fn channel(&self) -> Channelled {
        InterceptedService::new(self.connection.channel.clone(), self.target.bearer.clone())
    }

    fn batches(&self) -> BatchServiceClient<Channelled> {
        BatchServiceClient::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    fn calls(&self) -> CallServiceClient<Channelled> {
        CallServiceClient::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    fn fleet(&self) -> FleetServiceClient<Channelled> {
        FleetServiceClient::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}
