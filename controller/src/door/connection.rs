//! A connection that came through TLS, and ends when its time is over.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::Peer;

/// Bytes that a connection may bring before others have their turn: thousands of
/// small frames, which take long to handle, without a wait in between.
const TURN: usize = 32 * 1024;

/// For a peer to read some of what waits for it. HTTP/2 asks by then whether it
/// lives, but would say farewell to it before the connection ends.
const PATIENCE: Duration = Duration::from_secs(20);

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
    #[error("it does not read what it is told")]
    Deaf,
}

/// A connection as HTTP/2 sees it.
#[allow(missing_debug_implementations, reason = "a future has none")]
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    end: End,
    over: Option<Over>,
    /// Bytes read since others had their turn.
    read: usize,
    /// Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(stream: TlsStream<TcpStream>, peer: Peer, end: End) -> Self {
        Self { stream, peer, end, over: None, read: 0, waiting: None }
    }

    fn ended(&mut self, context: &mut Context<'_>) -> Option<Over> {
        if let Some(waiting) = &mut self.waiting
            && waiting.as_mut().poll(context).is_ready()
        {
            return Some(Over::Deaf);
        }
        match self.end.as_mut().poll(context) {
            Poll::Ready(over) => Some(over),
            Poll::Pending => None,
        }
    }

    /// Notes whether a write waits for the peer.
    fn note<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        self.waiting.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        self.still_good(context)?;
        Poll::Pending
    }

    /// An error once the connection is over. Asked before everything else that
    /// is done with it: a peer that does not read must not keep it alive.
    fn still_good(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.over.is_none() {
            self.over = self.ended(context);
            if let Some(over) = self.over {
                tracing::debug!(peer = self.peer.address(), agent = ?self.peer.agent(), reason = %over, "connection is cut");
            }
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
        if self.read >= TURN {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = room.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, room);
        self.read = if polled.is_ready() { self.read + room.filled().len() - before } else { 0 };
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.still_good(context)?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.still_good(context)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.still_good(context)?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.note(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.over.is_some() {
            // Its last words would wait for a peer that need not listen.
            return Pin::new(self.stream.get_mut().0).poll_shutdown(context);
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
