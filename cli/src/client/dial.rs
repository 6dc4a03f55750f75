//! Connections: TCP, then TLS that verifies whom it reached.

use std::{io, sync::Arc, time::Duration};

use cofi_identity::tls::{Note, Noted, Refusal};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::{ClientError, Target};

/// How long a connection may take to open. A controller is a machine on the
/// same network, or this one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon a connection that went dead without a word is noticed: after the
/// interval and the timeout together.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Streams that this side has reset and still takes frames for, and resets
/// that the other side may provoke: a call or two are under way at a time.
const MAX_RESET_STREAMS: usize = 64;

/// A connection, which dials again by itself when it is lost.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) channel: Channel,
    notes: Notes,
}

/// Of the connection that was dialled last, why it was refused.
#[derive(Debug, Clone, Default)]
struct Notes(Arc<watch::Sender<Note>>);

impl Connection {
    /// Connects, so that a controller that is not there is told apart from one
    /// that refuses.
    pub(super) async fn open(target: &Target) -> Result<Self, ClientError> {
        let notes = Notes::default();
        let (address, tls) = (target.address.clone(), TlsConnector::from(Arc::clone(&target.tls)));
        let seen = notes.clone();
        let connector = service_fn(move |_: Uri| {
            let (address, tls, seen) = (address.clone(), tls.clone(), seen.clone());
            async move {
                let tcp = TcpStream::connect(address.host_and_port()).await?;
                tcp.set_nodelay(true)?;
                let (stream, note) = Noted::new(tls.connect(address.server_name(), tcp).await?);
                seen.0.send_replace(note);
                io::Result::<TokioIo<Noted<TlsStream<TcpStream>>>>::Ok(TokioIo::new(stream))
            }
        });
        let channel = endpoint(target)?.connect_with_connector(connector).await;
        let channel = channel.map_err(|error| match Refusal::find(&error).or_else(|| notes.refusal()) {
            Some(refusal) => target.distrusted(refusal),
            None => target.unreachable(error),
        })?;
        Ok(Self { channel, notes })
    }

    /// Why the other side or this one did not want the connection, if it was
    /// lost for that.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.notes.refusal()
    }
}

impl Notes {
    fn refusal(&self) -> Option<Refusal> {
        self.0.borrow().refusal()
    }
}

fn endpoint(target: &Target) -> Result<Endpoint, ClientError> {
    let limit = target.timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.min(CONNECT_TIMEOUT));
    Ok(Endpoint::from_shared(target.address.url().to_owned())
        .and_then(|endpoint| endpoint.user_agent(concat!("cofi/", env!("CARGO_PKG_VERSION"))))
        .map_err(|error| target.unreachable(error))?
        .connect_timeout(limit)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .http2_max_local_error_reset_streams(MAX_RESET_STREAMS))
}
