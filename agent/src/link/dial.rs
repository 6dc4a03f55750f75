//! Connections to the controller.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use cofi_identity::tls::{Note, Refusal};
use cofi_proto::limits::{RECEIVE_FRAME_BYTES, RECEIVE_WINDOW_BYTES};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::{
    Connection, Network,
    refused::{Caller, Refused},
};
use crate::config::ControllerAddress;

/// How long the way to the controller may take: its name, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A controller that does not answer pings for so long is gone, however quiet
/// the network is about it.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Memory for the compression of headers, in bytes: what HTTP/2 begins with.
const HEADER_TABLE_BYTES: u32 = 4 * 1024;

/// HTTP/2 frame size on a connection for messages: what HTTP/2 begins with.
const CONTROL_FRAME_BYTES: u32 = 16 * 1024;

/// Flow-control window of a connection for messages: as much as the largest
/// one has.
const CONTROL_WINDOW_BYTES: u32 = 1024 * 1024;

/// Calls at a time on one connection: there is never more than one.
const MAX_CALLS: usize = 8;

/// Streams that this side has ended early and still knows, so that what was
/// under way on them is no error; for how long; and how many errors of the
/// other side are borne before the connection ends.
const MAX_RESETS: usize = 16;
const RESET_MEMORY: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// One of the two sides does not accept the other.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The way to it failed.
    #[error("dial the controller at {0}")]
    Io(ControllerAddress, #[source] io::Error),
    /// It took too long.
    #[error("dial the controller at {0}: no answer within {CONNECT_TIMEOUT:?}")]
    Silent(ControllerAddress),
    /// HTTP/2 did not come up.
    #[error("speak with the controller")]
    Http(#[from] tonic::transport::Error),
}

/// The way to the controller, and who takes it.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) network: Arc<dyn Network>,
    pub(crate) controller: ControllerAddress,
    pub(crate) caller: Caller,
}

impl Route {
    fn refused(&self, refusal: Refusal) -> Refused {
        Refused { refusal, controller: self.controller.clone(), caller: self.caller.clone() }
    }

    fn failed(&self, error: io::Error) -> DialError {
        match Refusal::find(&error) {
            Some(refusal) => self.refused(refusal).into(),
            None => DialError::Io(self.controller.clone(), error),
        }
    }
}

/// A connection, and the agent's own address on it.
pub(crate) struct Dialled {
    pub(crate) channel: Channel,
    pub(crate) local: Option<SocketAddr>,
    note: Note,
    route: Route,
}

impl Dialled {
    /// Why the controller refused it, once that is known: with TLS 1.3 it says
    /// so after this side believes that all is well.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.note.refusal().map(|refusal| self.route.refused(refusal))
    }
}

/// A connection for messages.
pub(crate) async fn control(route: Route) -> Result<Dialled, DialError> {
    let endpoint = endpoint(&route.controller)?
        .max_frame_size(CONTROL_FRAME_BYTES)
        .initial_stream_window_size(CONTROL_WINDOW_BYTES)
        .initial_connection_window_size(CONTROL_WINDOW_BYTES);
    connect(endpoint, route).await
}

/// A connection for recordings.
pub(crate) async fn bulk(route: Route) -> Result<Dialled, DialError> {
    let endpoint = endpoint(&route.controller)?
        .max_frame_size(RECEIVE_FRAME_BYTES)
        .initial_stream_window_size(RECEIVE_WINDOW_BYTES)
        .initial_connection_window_size(RECEIVE_WINDOW_BYTES);
    connect(endpoint, route).await
}

/// What all connections have in common. The library is told that TLS is none
/// of its business, and what to call the controller in requests all the same.
fn endpoint(controller: &ControllerAddress) -> Result<Endpoint, tonic::transport::Error> {
    let origin = Endpoint::from_shared(controller.url())?.uri().clone();
    Ok(Endpoint::from_shared(format!("http://{controller}"))?
        .origin(origin)
        .user_agent(concat!("cofi-agent/", env!("CARGO_PKG_VERSION")))?
        .concurrency_limit(MAX_CALLS)
        .buffer_size(MAX_CALLS)
        .http2_adaptive_window(false)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_header_table_size(HEADER_TABLE_BYTES)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_concurrent_reset_streams(MAX_RESETS)
        .http2_reset_stream_duration(RESET_MEMORY)
        .http2_max_local_error_reset_streams(MAX_RESETS))
}

/// Connects once: a connection that is lost is dialled again by the link, not
/// by the library behind its back.
async fn connect(endpoint: Endpoint, route: Route) -> Result<Dialled, DialError> {
    let connecting = timeout(CONNECT_TIMEOUT, route.network.connect(&route.controller)).await;
    let connected = connecting.map_err(|_| DialError::Silent(route.controller.clone()))?;
    let Connection { stream, local, note } = connected.map_err(|error| route.failed(error))?;
    let mut stream = Some(TokioIo::new(stream));
    let connector = service_fn(move |_: Uri| {
        std::future::ready(stream.take().ok_or(io::Error::from(io::ErrorKind::ConnectionAborted)))
    });
    let channel = endpoint.connect_with_connector(connector).await?;
    Ok(Dialled { channel, local, note, route })
}
