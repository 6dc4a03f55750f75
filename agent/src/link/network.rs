//! The network that a link dials over: the machine's own, or in the simulation
//! a simulated one.

use std::{fmt::Debug, io, net::SocketAddr};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

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
}

/// Makes connections.
#[async_trait]
pub trait Network: Debug + Send + Sync {
    /// Connects to the controller.
    async fn connect(&self, controller: SocketAddr) -> io::Result<Connection>;
}

/// The machine's network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

#[async_trait]
impl Network for Tcp {
    async fn connect(&self, controller: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(controller).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr().ok();
        Ok(Connection { stream: Box::new(stream), local })
    }
}
