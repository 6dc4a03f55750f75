//! The simulated network, as controller and agents see it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use cofi_agent::{
    config::ControllerAddress,
    link::{Connection, Network},
};
use cofi_controller::door::Peer;
use futures_util::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use turmoil::net::{TcpListener, TcpStream};

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    stream: TcpStream,
    peer: Peer,
}

impl Connected for Accepted {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Connections as they come in at a port of this host.
pub async fn incoming(port: u16) -> io::Result<impl Stream<Item = io::Result<Accepted>>> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, port)).await?;
    Ok(stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await.and_then(|(stream, from)| {
            // Hosts are called like their agents.
            let name = turmoil::reverse_lookup(from.ip()).and_then(|host| host.parse().ok());
            let name = name.ok_or_else(|| io::Error::other("a connection of no agent"))?;
            Ok(Accepted { stream, peer: Peer::agent_by_itself(name) })
        });
        Some((accepted, listener))
    }))
}

/// Dials over the simulated network.
#[derive(Debug, Clone, Copy)]
pub struct Simulated;

#[async_trait]
impl Network for Simulated {
    async fn connect(&self, controller: &ControllerAddress) -> io::Result<Connection> {
        let stream = TcpStream::connect((controller.host(), controller.port())).await?;
        let local = stream.local_addr().ok();
        Ok(Connection::plain(Box::new(stream), local))
    }
}
