//! The gRPC surface: two listeners, one for operators, one for agents.

mod access;
mod agent;
mod batch;
mod call;
mod check;
mod convert;
mod enrolment;
mod explain;
mod fleet;
mod hearing;
mod identity;
mod pages;
mod reasons;
mod releases;
mod status;

use std::{io, sync::Arc, time::Duration};

use cofi_language::LanguageTable;
use cofi_proto::{
    clock::Clock,
    limits::MAX_CONTROL_MESSAGE_BYTES,
    pb::{
        self,
        agent::{agent_service_server::AgentServiceServer, identity_service_server::IdentityServiceServer},
        v1::{
            access_service_server::AccessServiceServer, batch_service_server::BatchServiceServer,
            call_service_server::CallServiceServer, check_service_server::CheckServiceServer,
            enrolment_service_server::EnrolmentServiceServer, explain_service_server::ExplainServiceServer,
            fleet_service_server::FleetServiceServer,
        },
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};
use tokio_stream::Stream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Response, Status,
    transport::{Server, server::Connected},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::layer::util::{Identity as NoLayer, Stack};

use self::status::RpcError;
pub(crate) use self::{agent::Agents, identity::IdentityCalls};
use crate::{
    access::{Denials, Guard, GuardLayer, Tokens},
    check::{Answers, Checker},
    dispatch::Dispatch,
    door::{Connection, Peer},
    health::Health,
    identity::Identity,
    ledger::Ledger,
    plan::Planner,
    progress::Progress,
    release::Releaser,
};

/// Streams on one connection.
const MAX_STREAMS: u32 = 64;
/// Bytes of a request's headers.
const MAX_HEADERS: u32 = 16 * 1024;
/// Streams that a peer may reset before it is taken for an attack.
const MAX_RESETS: usize = 64;
/// Bytes of a request to join: a token, a name and a public key.
const MAX_ENROLMENT_BYTES: usize = 16 * 1024;
/// Bytes of a question about health, or about the services: a name.
const MAX_QUESTION_BYTES: usize = 4 * 1024;
/// A connection that is silent for so long is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Bytes of a frame.
const FRAME: u32 = 16 * 1024;
/// Bytes that a peer may send on a stream before they are read: a page of what
/// an agent holds is some 100 KiB.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same on all streams of a connection: what a connection can fill of the
/// controller's memory.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Characters of an operator's reason at most.
const MAX_REASON: usize = 200;
/// The services of operators, by their full names.
const SERVICES: [&str; 7] = [
    "cofi.v1.AccessService",
    "cofi.v1.BatchService",
    "cofi.v1.CallService",
    "cofi.v1.CheckService",
    "cofi.v1.EnrolmentService",
    "cofi.v1.ExplainService",
    "cofi.v1.FleetService",
];
/// What the empty service name of the health protocol stands for.
const WHOLE_SERVER: &str = "";

/// What the services need.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    /// Plans batches.
    pub(crate) planner: Planner,
    /// Holds the rows.
    pub(crate) ledger: Ledger,
    /// Knows the agents.
    pub(crate) dispatch: Dispatch,
    /// Looks at batches.
    pub(crate) progress: Progress,
    /// Lets go of recordings.
    pub(crate) releaser: Releaser,
    /// Whether the database answers.
    pub(crate) health: Health,
    /// Who the controller is.
    pub(crate) identity: Identity,
    /// The tokens that are good.
    pub(crate) tokens: Tokens,
    /// Where refusals are counted.
    pub(crate) denials: Denials,
    /// Questions of the checker to agents.
    pub(crate) answers: Answers,
    /// What codes are known.
    pub(crate) languages: Arc<LanguageTable>,
    /// How long an agent may be away before what it holds is placed again.
    pub(crate) replace_after: Duration,
    /// Gives the time of day.
    pub(crate) clock: Arc<dyn Clock>,
    /// Rung when something was decided about an agent.
    pub(crate) decided: Arc<Notify>,
    /// What outlives a call.
    pub(crate) tasks: TaskTracker,
}

/// A server with all limits of HTTP/2, and a guard in front of its services.
fn server(guard: Guard) -> Server<Stack<GuardLayer, NoLayer>> {
    Server::builder()
        .accept_http1(false)
        .max_concurrent_streams(MAX_STREAMS)
        .max_frame_size(FRAME)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_adaptive_window(Some(false))
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .layer(GuardLayer(guard))
}

/// Answers operators until it is stopped.
pub(crate) async fn serve_control(
    connections: impl Stream<Item = io::Result<Connection>>,
    services: Services,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let checker = Checker::new(
        services.ledger.clone(),
        services.dispatch.clone(),
        services.languages.clone(),
        services.answers,
    );
    let checks = check::Checks { checker, tasks: services.tasks.clone(), stop: stop.clone() };
    let batches = batch::Batches {
        planner: services.planner,
        ledger: services.ledger.clone(),
        dispatch: services.dispatch.clone(),
        progress: services.progress,
        releaser: services.releaser,
        languages: services.languages,
        clock: services.clock.clone(),
        tasks: services.tasks.clone(),
        stop: stop.clone(),
    };
    let calls = call::Calls { ledger: services.ledger.clone() };
    let explanations = explain::Explanations {
        ledger: services.ledger.clone(),
        dispatch: services.dispatch.clone(),
        health: services.health.clone(),
        replace_after: services.replace_after,
        started: services.clock.now_micros(),
    };
    let fleet = fleet::Fleet {
        ledger: services.ledger,
        dispatch: services.dispatch,
        clock: services.clock.clone(),
        decided: services.decided,
        tasks: services.tasks.clone(),
    };
    let access = access::Access {
        ledger: fleet.ledger.clone(),
        tokens: services.tokens.clone(),
        identity: services.identity.clone(),
        dispatch: fleet.dispatch.clone(),
        clock: services.clock.clone(),
        tasks: services.tasks.clone(),
    };
    let enrolment = enrolment::Enrolment::new(
        fleet.ledger.clone(),
        services.identity,
        services.denials.clone(),
        services.clock,
        services.tasks.clone(),
    );
    let guard = Guard::of_control(services.tokens, services.denials);
    let (reporter, health) = tonic_health::server::health_reporter();
    services.tasks.spawn(report_health(reporter, services.health, stop.clone()));
    let reflection_v1 = reflection().build_v1().inspect_err(no_reflection).ok();
    let reflection_v1 = reflection_v1.map(|service| service.max_decoding_message_size(MAX_QUESTION_BYTES));
    let reflection_v1alpha = reflection().build_v1alpha().inspect_err(no_reflection).ok();
    let reflection_v1alpha =
        reflection_v1alpha.map(|service| service.max_decoding_message_size(MAX_QUESTION_BYTES));
    server(guard)
        .add_service(AccessServiceServer::new(access).max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES))
        .add_service(BatchServiceServer::new(batches).max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES))
        .add_service(CallServiceServer::new(calls).max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES))
        .add_service(CheckServiceServer::new(checks).max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES))
        .add_service(
            ExplainServiceServer::new(explanations).max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES),
        )
        .add_service(EnrolmentServiceServer::new(enrolment).max_decoding_message_size(MAX_ENROLMENT_BYTES))
        .add_service(FleetServiceServer::new(fleet).max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES))
        .add_service(health.max_decoding_message_size(MAX_QUESTION_BYTES))
        .add_optional_service(reflection_v1)
        .add_optional_service(reflection_v1alpha)
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned())
        .await
}

/// What operators can list and describe; the agents' service is not theirs.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
    let services = SERVICES.into_iter().chain(["grpc.health.v1.Health"]);
    services.fold(builder, tonic_reflection::server::Builder::with_service_name)
}

fn no_reflection(error: &tonic_reflection::server::Error) {
    tracing::error!(%error, "server reflection is not available");
}

/// Answers agents until it is stopped.
pub(crate) async fn serve_agents<C>(
    connections: impl Stream<Item = io::Result<C>>,
    guard: Guard,
    agents: Agents,
    identity: Option<IdentityCalls>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error>
where
    C: AsyncRead + AsyncWrite + Connected<ConnectInfo = Peer> + Unpin + Send + 'static,
{
    let identity = identity
        .map(|calls| IdentityServiceServer::new(calls).max_decoding_message_size(MAX_ENROLMENT_BYTES));
    server(guard)
        .add_service(AgentServiceServer::new(agents).max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES))
        .add_optional_service(identity)
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned())
        .await
}

/// An operator's reason, as it is kept.
fn said_reason(said: String) -> Result<String, RpcError> {
    if said.chars().count() > MAX_REASON || said.chars().any(char::is_control) {
        return Err(RpcError::field(
            "reason",
            "at most 200 characters, and none of them a control character",
        ));
    }
    Ok(if said.is_empty() { "an operator's decision".to_owned() } else { said })
}

/// Does the work of a call in a task of its own: a caller that goes away must
/// not leave a change half made.
async fn finish<T: Send + 'static>(
    tasks: &TaskTracker,
    work: impl Future<Output = Result<T, RpcError>> + Send + 'static,
) -> Result<Response<T>, Status> {
    let done = tasks.spawn(work).await;
    let answer = done.map_err(|error| RpcError::Internal(error.to_string()))?;
    Ok(Response::new(answer?))
}

/// Keeps the health protocol's answer true.
async fn report_health(reporter: HealthReporter, health: Health, stop: CancellationToken) {
    let mut serving = health.watch();
    let report = async |serving: bool| {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in std::iter::once(WHOLE_SERVER).chain(SERVICES) {
            reporter.set_service_status(service, status).await;
        }
    };
    loop {
        let now = *serving.borrow_and_update();
        report(now).await;
        tokio::select! {
            () = stop.cancelled() => return report(false).await,
            changed = serving.changed() => if changed.is_err() { return },
        }
    }
}
