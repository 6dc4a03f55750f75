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
    /// With what a write failed, until the other side's last words are heard.
    failure: Option<io::Error>,
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
        (Self { stream, note: note.clone(), failure: None }, note)
    }
}

impl<S: AsyncRead + Unpin> Noted<S> {
    /// Passes on `failure`, with which the stream ends. Where a write failed
    /// since the other side is gone, its last words may lie unread, or the
    /// system may not have said yet that they can be read: the failure is
    /// held back until they are heard.
    fn failed(&mut self, context: &mut Context<'_>, failure: io::Error) -> Poll<io::Error> {
        self.note.take_down(&failure);
        if self.note.refusal().is_some() || !is_gone(&failure) {
            return Poll::Ready(failure);
        }
        self.failure = Some(failure);
        self.last_words(context)
    }

    /// Hears the last words, if a write has failed, and gives its failure.
    fn last_words(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let mut ignored = [0; 1024];
        while self.note.refusal().is_none() {
            let mut room = ReadBuf::new(&mut ignored);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut room)) {
                Ok(()) if room.filled().is_empty() => break,
                Ok(()) => {}
                Err(error) => {
                    self.note.take_down(&error);
                    break;
                }
            }
        }
        Poll::Ready(self.failure.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()))
    }

    /// Does `write`, or what is left to do after one that failed.
    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.failure.is_some() {
            return self.last_words(context).map(Err);
        }
        match ready!(write(Pin::new(&mut self.stream), context)) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(failure) => self.failed(context, failure).map(Err),
        }
    }
}

/// Whether a write failed because nobody is there: then reading ends as well.
fn is_gone(failure: &io::Error) -> bool {
    matches!(
        failure.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
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
        self.write(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
