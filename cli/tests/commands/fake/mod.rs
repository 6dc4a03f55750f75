//! A controller that says what a test tells it to say.

mod access;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use cofi_identity::token::{AccessToken, TokenHash};
use cofi_proto::pb::v1::{
    self as pb,
    access_service_server::AccessServiceServer,
    batch_service_server::{BatchService, BatchServiceServer},
    call_service_server::{CallService, CallServiceServer},
    check_service_server::{CheckService, CheckServiceServer},
    explain_service_server::{ExplainService, ExplainServiceServer},
    fleet_service_server::{FleetService, FleetServiceServer},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_rustls::rustls::ServerConfig;
use tokio_stream::Iter;
use tonic::{Request, Response, Status, service::InterceptorLayer, transport::Server};

use crate::home::Home;

/// What one call answers; unless scripted, that it is not implemented.
type Answer<Q, A> = Box<dyn Fn(Q) -> Result<A, Status> + Send + Sync>;

/// Everything that a test can script.
pub(crate) struct Script {
    pub(crate) create: Answer<pb::CreateBatchRequest, pb::CreateBatchResponse>,
    pub(crate) get: Answer<pb::GetBatchRequest, pb::Batch>,
    pub(crate) batches: Answer<pb::ListBatchesRequest, pb::ListBatchesResponse>,
    /// The snapshots of one watch, after which its stream ends.
    pub(crate) watch: Answer<pb::WatchBatchRequest, Vec<Result<pb::Batch, Status>>>,
    pub(crate) recordings: Answer<pb::ListRecordingsRequest, pb::ListRecordingsResponse>,
    pub(crate) retry: Answer<pb::RetryRecordingsRequest, pb::RetryRecordingsResponse>,
    pub(crate) cancel: Answer<pb::CancelBatchRequest, pb::CancelBatchResponse>,
    pub(crate) release: Answer<pb::ReleaseRecordingsRequest, pb::ReleaseRecordingsResponse>,
    pub(crate) apply_lid: Answer<pb::ApplyLidResultsRequest, pb::ApplyLidResultsResponse>,
    pub(crate) calls: Answer<pb::ListCallsRequest, pb::ListCallsResponse>,
    pub(crate) agents: Answer<pb::ListAgentsRequest, pb::ListAgentsResponse>,
    pub(crate) agent: Answer<pb::GetAgentRequest, pb::Agent>,
    /// The messages of one check, after which its stream ends.
    pub(crate) check: Answer<pb::CheckRequest, Vec<Result<pb::CheckEvent, Status>>>,
    pub(crate) drain: Answer<pb::DrainAgentRequest, pb::Agent>,
    pub(crate) resume: Answer<pb::ResumeAgentRequest, pb::Agent>,
    pub(crate) remove: Answer<pb::RemoveAgentRequest, pb::Agent>,
    pub(crate) explain_batch: Answer<pb::ExplainBatchRequest, pb::ExplainBatchResponse>,
    pub(crate) explain_recording: Answer<pb::ExplainRecordingRequest, pb::ExplainRecordingResponse>,
    pub(crate) explain_agent: Answer<pb::ExplainAgentRequest, pb::ExplainAgentResponse>,
    pub(crate) join_token: Answer<pb::CreateJoinTokenRequest, pb::CreateJoinTokenResponse>,
    pub(crate) access_token: Answer<pb::CreateAccessTokenRequest, pb::CreateAccessTokenResponse>,
    pub(crate) tokens: Answer<pb::ListTokensRequest, pb::ListTokensResponse>,
    pub(crate) revoke_token: Answer<pb::RevokeTokenRequest, pb::Token>,
    pub(crate) revoke_agent: Answer<pb::RevokeAgentRequest, pb::RevokeAgentResponse>,
    pub(crate) audit: Answer<pb::ListAuditRequest, pb::ListAuditResponse>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            create: unscripted(),
            get: unscripted(),
            batches: unscripted(),
            watch: unscripted(),
            recordings: unscripted(),
            retry: unscripted(),
            cancel: unscripted(),
            release: unscripted(),
            apply_lid: unscripted(),
            calls: unscripted(),
            agents: unscripted(),
            agent: unscripted(),
            check: unscripted(),
            drain: unscripted(),
            resume: unscripted(),
            remove: unscripted(),
            explain_batch: unscripted(),
            explain_recording: unscripted(),
            explain_agent: unscripted(),
            join_token: unscripted(),
            access_token: unscripted(),
            tokens: unscripted(),
            revoke_token: unscripted(),
            revoke_agent: unscripted(),
            audit: unscripted(),
        }
    }
}

fn unscripted<Q, A>() -> Answer<Q, A> {
    Box::new(|_| Err(Status::unimplemented("")))
}

/// A running controller, which knows the operator's token of its home and no
/// other; dropped, it is gone, and its connections with it.
pub(crate) struct Fake {
    pub(crate) home: Arc<Home>,
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Fake {
    pub(crate) fn start(script: Script) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::new(Home::new()), script)
    }

    pub(crate) fn start_at(address: SocketAddr, home: Arc<Home>, script: Script) -> Self {
        let tls = home.tls();
        Self::start_with(address, home, tls, script)
    }

    pub(crate) fn start_with(
        address: SocketAddr,
        home: Arc<Home>,
        tls: Arc<ServerConfig>,
        script: Script,
    ) -> Self {
        let runtime = Runtime::new().expect("start a runtime");
        let listener = runtime.block_on(TcpListener::bind(address)).expect("listen");
        let address = listener.local_addr().expect("know the address");
        let script = Arc::new(Scripted(script));
        let known = home.token.hash();
        let check = move |request: Request<()>| is_known(&request, known).map(|()| request);
        let server = Server::builder()
            .layer(InterceptorLayer::new(check))
            .add_service(AccessServiceServer::from_arc(Arc::clone(&script)))
            .add_service(BatchServiceServer::from_arc(Arc::clone(&script)))
            .add_service(CallServiceServer::from_arc(Arc::clone(&script)))
            .add_service(CheckServiceServer::from_arc(Arc::clone(&script)))
            .add_service(ExplainServiceServer::from_arc(Arc::clone(&script)))
            .add_service(FleetServiceServer::from_arc(script))
            .serve_with_incoming(tls::incoming(runtime.handle(), listener, tls));
        runtime.spawn(server);
        Self { home, address, runtime: Some(runtime) }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits until the port is free again.
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

fn is_known(request: &Request<()>, known: TokenHash) -> Result<(), Status> {
    let header = request.metadata().get("authorization").ok_or(Status::unauthenticated("token missing"))?;
    let token = AccessToken::from_authorization(header.as_bytes())
        .map_err(|error| Status::unauthenticated(error.to_string()))?;
    if token.hash() == known { Ok(()) } else { Err(Status::unauthenticated("token not known here")) }
}

struct Scripted(Script);

fn say<Q, A>(answer: &Answer<Q, A>, request: Request<Q>) -> Result<Response<A>, Status> {
    answer(request.into_inner()).map(Response::new)
}

#[tonic::async_trait]
impl BatchService for Scripted {
    type WatchBatchStream = Iter<std::vec::IntoIter<Result<pb::Batch, Status>>>;

    async fn create_batch(
        &self,
        request: Request<pb::CreateBatchRequest>,
    ) -> Result<Response<pb::CreateBatchResponse>, Status> {
        say(&self.0.create, request)
    }

    async fn get_batch(&self, request: Request<pb::GetBatchRequest>) -> Result<Response<pb::Batch>, Status> {
        say(&self.0.get, request)
    }

    async fn list_batches(
        &self,
        request: Request<pb::ListBatchesRequest>,
    ) -> Result<Response<pb::ListBatchesResponse>, Status> {
        say(&self.0.batches, request)
    }

    async fn watch_batch(
        &self,
        request: Request<pb::WatchBatchRequest>,
    ) -> Result<Response<Self::WatchBatchStream>, Status> {
        let snapshots = say(&self.0.watch, request)?.into_inner();
        Ok(Response::new(tokio_stream::iter(snapshots)))
    }

    async fn list_recordings(
        &self,
        request: Request<pb::ListRecordingsRequest>,
    ) -> Result<Response<pb::ListRecordingsResponse>, Status> {
        say(&self.0.recordings, request)
    }

    async fn retry_recordings(
        &self,
        request: Request<pb::RetryRecordingsRequest>,
    ) -> Result<Response<pb::RetryRecordingsResponse>, Status> {
        say(&self.0.retry, request)
    }

    async fn cancel_batch(
        &self,
        request: Request<pb::CancelBatchRequest>,
    ) -> Result<Response<pb::CancelBatchResponse>, Status> {
        say(&self.0.cancel, request)
    }

    async fn release_recordings(
        &self,
        request: Request<pb::ReleaseRecordingsRequest>,
    ) -> Result<Response<pb::ReleaseRecordingsResponse>, Status> {
        say(&self.0.release, request)
    }

    async fn apply_lid_results(
        &self,
        request: Request<pb::ApplyLidResultsRequest>,
    ) -> Result<Response<pb::ApplyLidResultsResponse>, Status> {
        say(&self.0.apply_lid, request)
    }
}

#[tonic::async_trait]
impl CallService for Scripted {
    async fn list_calls(
        &self,
        request: Request<pb::ListCallsRequest>,
    ) -> Result<Response<pb::ListCallsResponse>, Status> {
        say(&self.0.calls, request)
    }
}

#[tonic::async_trait]
impl CheckService for Scripted {
    type CheckStream = Iter<std::vec::IntoIter<Result<pb::CheckEvent, Status>>>;

    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<Self::CheckStream>, Status> {
        let events = say(&self.0.check, request)?.into_inner();
        Ok(Response::new(tokio_stream::iter(events)))
    }
}

#[tonic::async_trait]
impl ExplainService for Scripted {
    async fn explain_batch(
        &self,
        request: Request<pb::ExplainBatchRequest>,
    ) -> Result<Response<pb::ExplainBatchResponse>, Status> {
        say(&self.0.explain_batch, request)
    }

    async fn explain_recording(
        &self,
        request: Request<pb::ExplainRecordingRequest>,
    ) -> Result<Response<pb::ExplainRecordingResponse>, Status> {
        say(&self.0.explain_recording, request)
    }

    async fn explain_agent(
        &self,
        request: Request<pb::ExplainAgentRequest>,
    ) -> Result<Response<pb::ExplainAgentResponse>, Status> {
        say(&self.0.explain_agent, request)
    }
}

#[tonic::async_trait]
impl FleetService for Scripted {
    async fn list_agents(
        &self,
        request: Request<pb::ListAgentsRequest>,
    ) -> Result<Response<pb::ListAgentsResponse>, Status> {
        say(&self.0.agents, request)
    }

    async fn get_agent(&self, request: Request<pb::GetAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        say(&self.0.agent, request)
    }

    async fn drain_agent(
        &self,
        request: Request<pb::DrainAgentRequest>,
    ) -> Result<Response<pb::Agent>, Status> {
        say(&self.0.drain, request)
    }

    async fn resume_agent(
        &self,
        request: Request<pb::ResumeAgentRequest>,
    ) -> Result<Response<pb::Agent>, Status> {
        say(&self.0.resume, request)
    }

    async fn remove_agent(
        &self,
        request: Request<pb::RemoveAgentRequest>,
    ) -> Result<Response<pb::Agent>, Status> {
        say(&self.0.remove, request)
    }
}
