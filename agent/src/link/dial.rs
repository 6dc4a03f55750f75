//! Connections to the controller.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cofi_proto::limits::{RECEIVE_FRAME_BYTES, RECEIVE_WINDOW_BYTES};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::{Connection, Link, error::LinkError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A controller that does not answer pings for so long is gone, however quiet
/// the network is about it.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// A connection, and the agent's own address on it.
pub(super) struct Dialled {
    pub(super) channel: Channel,
    pub(super) local: Option<SocketAddr>,
}

/// A connection for the session.
pub(super) async fn control(link: &Link) -> Result<Dialled, LinkError> {
    connect(endpoint(link.config.controller)?, link).await
}

/// A connection for recordings.
pub(super) async fn bulk(link: &Link) -> Result<Dialled, LinkError> {
    let endpoint = endpoint(link.config.controller)?
        .max_frame_size(RECEIVE_FRAME_BYTES)
        .initial_stream_window_size(RECEIVE_WINDOW_BYTES)
        .initial_connection_window_size(RECEIVE_WINDOW_BYTES);
    connect(endpoint, link).await
}

fn endpoint(controller: SocketAddr) -> Result<Endpoint, LinkError> {
    Ok(Endpoint::from_shared(format!("http://{controller}"))
        .map_err(LinkError::Dial)?
        .user_agent(concat!("cofi-agent/", env!("CARGO_PKG_VERSION")))
        .map_err(LinkError::Dial)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(MAX_HEADER_BYTES))
}

/// Connects with a connector of our own, since the library's does not tell
/// which address it got.
async fn connect(endpoint: Endpoint, link: &Link) -> Result<Dialled, LinkError> {
    let local = Arc::new(OnceLock::new());
    let seen = local.clone();
    let (network, controller) = (link.network.clone(), link.config.controller);
    let connector = service_fn(move |_: Uri| {
        let (seen, network) = (seen.clone(), network.clone());
        async move {
            let Connection { stream, local } = network.connect(controller).await?;
            seen.get_or_init(|| local);
            std::io::Result::Ok(TokioIo::new(stream))
        }
    });
    let channel = endpoint.connect_with_connector(connector).await.map_err(LinkError::Dial)?;
    Ok(Dialled { channel, local: local.get().copied().flatten() })
}
