//! A stream that remembers why it was refused.
//!
//! An alert is the error of a read, and what reads here is HTTP/2, which keeps
//! no more of it than its words. Between the two this stream takes note.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Refusal;

/// A TLS stream, of an end that dials, that takes note of its refusal.
#[derive(Debug)]
pub struct Noted<S> {
    stream: S,
    note: Note,
}

/// Why a connection was refused, once that is known.
#[derive(Debug, Clone, Default)]
pub struct Note(Arc<OnceLock<Refusal>>);

impl Note {
    /// The refusal, if there was one.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.get().copied()
    }

    fn take_down(&self, error: &io::Error) {
        if let Some(refusal) = Refusal::find(error) {
            // The first one is the cause of all others.
            self.0.get_or_init(|| refusal);
        }
    }
}

impl<S> Noted<S> {
    /// Takes note of what happens to `stream`. The note outlives it.
    pub fn new(stream: S) -> (Self, Note) {
        let note = Note::default();
        (Self { stream, note: note.clone() }, note)
    }
}

impl<S: AsyncRead + Unpin> Noted<S> {
    /// Passes on `failure`, with which the stream ends. Where a write failed,
    /// the other side is gone, and its last words may lie unread.
    fn failed(&mut self, context: &mut Context<'_>, failure: io::Error) -> io::Error {
        self.note.take_down(&failure);
        let mut ignored = [0; 1024];
        while self.note.refusal().is_none() {
            let mut room = ReadBuf::new(&mut ignored);
            match Pin::new(&mut self.stream).poll_read(context, &mut room) {
                Poll::Ready(Ok(())) if !room.filled().is_empty() => {}
                Poll::Ready(Err(error)) => {
                    self.note.take_down(&error);
                    break;
                }
                Poll::Ready(Ok(())) | Poll::Pending => break,
            }
        }
        failure
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, room));
        Poll::Ready(read.inspect_err(|error| self.note.take_down(error)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        Poll::Ready(written.map_err(|failure| self.failed(context, failure)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices));
        Poll::Ready(written.map_err(|failure| self.failed(context, failure)))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        Poll::Ready(flushed.map_err(|failure| self.failed(context, failure)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
