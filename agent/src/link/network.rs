//! The network that a link dials over: TLS on the machine's own, or in the
//! simulation a simulated one.

use std::{fmt::Debug, future::pending, io, net::SocketAddr};

use async_trait::async_trait;
use cofi_identity::tls::Note;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::ControllerAddress;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A connection, and the agent's own address on it.
#[allow(missing_debug_implementations, reason = "a stream of bytes has none")]
pub struct Connection {
    /// What goes over it.
    pub stream: Box<dyn Duplex>,
    /// The agent's own address, if it is known.
    pub local: Option<SocketAddr>,
    /// Why the other side refused it, once that is known.
    pub note: Note,
}

impl Connection {
    /// A connection over which no refusal comes, since it has no TLS.
    #[must_use]
    pub fn plain(stream: Box<dyn Duplex>, local: Option<SocketAddr>) -> Self {
        Self { stream, local, note: Note::default() }
    }
}

/// Makes connections.
#[async_trait]
pub trait Network: Debug + Send + Sync {
    /// Connects to the controller.
    async fn connect(&self, controller: &ControllerAddress) -> io::Result<Connection>;

    /// Waits until connections that are open by now should be opened anew,
    /// since the agent shows another certificate. Where it shows none, for
    /// ever.
    fn renewed(&self) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }
}
