//! A connection that came through TLS, and ends when its time is over.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::Peer;

/// Comes true when a connection is over, with the reason.
pub(super) type End = Pin<Box<dyn Future<Output = Over> + Send>>;

/// Why a connection is over although both ends would go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Over {
    #[error("no call was admitted in time")]
    Silent,
    #[error("it had to make room for another connection")]
    Evicted,
    #[error("its certificate was revoked")]
    Revoked,
    #[error("its certificate has expired")]
    Expired,
}

/// A connection as HTTP/2 sees it.
#[allow(missing_debug_implementations, reason = "a future has none")]
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    end: End,
    over: Option<Over>,
}

impl Connection {
    pub(super) fn new(stream: TlsStream<TcpStream>, peer: Peer, end: End) -> Self {
        Self { stream, peer, end, over: None }
    }

    /// An error once the connection is over. Asked before everything else that
    /// is done with it: a peer that does not read must not keep it alive.
    fn still_good(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.over.is_none()
            && let Poll::Ready(over) = self.end.as_mut().poll(context)
        {
            tracing::debug!(peer = self.peer.address(), agent = ?self.peer.agent(), reason = %over, "connection is cut");
            self.over = Some(over);
        }
        match self.over {
            None => Ok(()),
            Some(over) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, over)),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.still_good(context)?;
        Pin::new(&mut self.stream).poll_read(context, room)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.still_good(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.still_good(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.still_good(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.over.is_some() {
            // Its last words would wait for a peer that need not listen.
            return Pin::new(self.stream.get_mut().0).poll_shutdown(context);
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
