//! The operator API as this program speaks it. The generated types stay in
//! this folder: answers become the types of [`crate::view`] here.

mod check;
mod convert;
mod error;
mod explain;
mod pages;
mod watch;

use std::time::Duration;

use cofi_proto::pb::v1::{
    self as pb, batch_service_client::BatchServiceClient, call_service_client::CallServiceClient,
    fleet_service_client::FleetServiceClient,
};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Uri},
};

pub(crate) use self::{
    error::{ClientError, Refusal},
    pages::{AgentQuery, BatchQuery, CallQuery, LidFilter, Pages, Query, RecordingFilter, RecordingQuery},
    watch::{Watch, WatchEvent},
};
use crate::view::{Agent, AnyBatch, Cancelled, LidApplied, Planned, Released, Retried};

/// How long an answer is waited for unless the caller says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take to open. A controller is a machine on the
/// same network, or this one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon a connection that went dead without a word is noticed: after the
/// interval and the timeout together.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A page of 1,000 recordings, each with the longest path and reason that a
/// controller stores, is some 6 MiB; the library's own limit is 4 MiB.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Where the controller is, and how patient to be with it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// For every call; without it [`DEFAULT_TIMEOUT`], and what goes through a
    /// whole batch may take as long as it takes.
    pub(crate) timeout: Option<Duration>,
}

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
    channel: Channel,
}

impl Client {
    /// Connects, so that a controller that is not there is told apart from one
    /// that refuses.
    pub(crate) async fn connect(target: Target) -> Result<Self, ClientError> {
        let channel = open(&target).await?;
        Ok(Self { target, channel })
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
        ClientError::TimedOut { url: self.target.url.clone(), after }
    }

    fn refusal(&self, status: &Status, timeout: Option<Duration>) -> ClientError {
        match timeout {
            Some(after) if error::is_timeout(status) => self.timed_out(after),
            Some(_) | None => ClientError::from_status(&self.target.url, status),
        }
    }

    fn batches(&self) -> BatchServiceClient<Channel> {
        BatchServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    fn calls(&self) -> CallServiceClient<Channel> {
        CallServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    fn fleet(&self) -> FleetServiceClient<Channel> {
        FleetServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}

/// Checks the address of a controller as a person types it.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
    if plain && uri.authority().is_some() {
        Ok(text.to_owned())
    } else {
        Err("expected http://HOST:PORT".to_owned())
    }
}

async fn open(target: &Target) -> Result<Channel, ClientError> {
    let unreachable = |source| ClientError::Unreachable { url: target.url.clone(), source };
    let limit = target.timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.min(CONNECT_TIMEOUT));
    Endpoint::from_shared(target.url.clone())
        .and_then(|endpoint| endpoint.user_agent(concat!("cofi/", env!("CARGO_PKG_VERSION"))))
        .map_err(unreachable)?
        .connect_timeout(limit)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .connect()
        .await
        .map_err(unreachable)
}
