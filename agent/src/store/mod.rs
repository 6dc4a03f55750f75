//! The recordings on disk. Pieces go in, reports come out; a report says
//! "acknowledged" only when the recording is durable under its name.
//!
//! ```text
//!   receive streams --- pieces ---> writer thread --- whole files ---> flusher thread
//!                                   incoming/NNN                       1 flush the files of a group
//!                                                                      2 commit their journal rows
//!                                                                      3 rename, publish, flush folders
//!                                                                      4 report, queue for the engine
//! ```
//!
//! After a crash between any two steps, `recovery` finishes what has a row and
//! removes what has none.

mod arriving;
mod debts;
mod disk;
mod error;
mod flusher;
mod group;
mod inspect;
mod layout;
mod place;
mod placing;
#[cfg(test)]
mod planted;
mod publish;
mod recovery;
mod release;
mod room;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cofi_proto::{
    RecordingId,
    receive::{DeliveryReport, Piece},
    session::Storage,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use debts::Debts;
pub(crate) use error::StoreError;
use flusher::{Flusher, Work};
pub(crate) use layout::Layout;
pub use place::Shelf;
use room::Room;
pub use writer::StreamId;
use writer::{Event, Writer};

use crate::{
    journal::Journal,
    thread::{self, End},
};

/// Pieces that may wait for the writer: 8 MiB of large ones.
const PIECES: usize = 32;

/// Reports that may wait for a stream. A stream that does not take them holds
/// up the flusher, and with it this agent, until its connection is given up.
const REPORTS: usize = 2_048;

/// Files that share one round of flushes, and files that may wait for the
/// next, if the limit on open files allows it.
const GROUP_FILES: u64 = 1_024;

/// The store, for any number of users.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pieces: mpsc::Sender<Event>,
    work: mpsc::Sender<Work>,
    room: Arc<Room>,
    next_stream: Arc<AtomicU64>,
}

impl Store {
    /// Mends what a crash has left, starts the threads, and returns with the
    /// store what answers when one of them ends.
    pub(crate) async fn start(
        layout: Arc<Layout>,
        journal: Journal,
        reserve_bytes: Option<u64>,
    ) -> Result<(Self, [End; 2]), StoreError> {
        let mending = {
            let (layout, journal, runtime) = (layout.clone(), journal.clone(), Handle::current());
            let span = tracing::Span::current();
            tokio::task::spawn_blocking(move || {
                span.in_scope(|| runtime.block_on(recovery::recover(&layout, &journal)))
            })
        };
        let recovered = mending.await.map_err(|_| StoreError::Closed)??;
        if recovered != recovery::Recovered::default() {
            tracing::info!(?recovered, "store mended");
        }

        let room = Arc::new(Room::new(layout.clone(), journal.clone(), reserve_bytes)?);
        let most_files = files_in_a_group();
        let (work, waiting_work) = mpsc::channel(most_files);
        let (pieces, waiting_pieces) = mpsc::channel(PIECES);
        let flusher = Flusher {
            layout: layout.clone(),
            journal: journal.clone(),
            room: room.clone(),
            runtime: Handle::current(),
            most_files,
            debts: Debts::new(journal.clone(), Handle::current()),
            released: Vec::new(),
        };
        let writer = Writer::new(layout, room.clone(), journal, work.clone(), Handle::current());
        let starting =
            |source| StoreError::Io { doing: "start", what: "a thread of the store".to_owned(), source };
        let ends = [
            thread::spawn("cofi-flusher", move || {
                flusher.run(waiting_work);
                Ok(())
            })
            .map_err(starting)?,
            thread::spawn("cofi-writer", move || writer.run(waiting_pieces)).map_err(starting)?,
        ];
        Ok((Self { pieces, work, room, next_stream: Arc::default() }, ends))
    }

    /// Begins a receive stream: its name, and where its reports come from. It has
    /// ended when the reports are dropped.
    pub(crate) async fn stream(&self) -> Result<(StreamId, mpsc::Receiver<DeliveryReport>), StoreError> {
        let stream = StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed));
        let (reports, taken) = mpsc::channel(REPORTS);
        self.pieces.send(Event::Opened(stream, reports)).await.map_err(|_| StoreError::Closed)?;
        Ok((stream, taken))
    }

    /// Takes a piece of a stream, waiting while the store is busy.
    pub(crate) async fn put(&self, stream: StreamId, piece: Piece) -> Result<(), StoreError> {
        self.pieces.send(Event::Piece(stream, piece)).await.map_err(|_| StoreError::Closed)
    }

    /// Waits until everything that came in before is durable or refused.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.pieces.send(Event::Settle(done)).await.map_err(|_| StoreError::Closed)?;
        written.await.map_err(|_| StoreError::Closed)?;
        let (done, flushed) = oneshot::channel();
        self.work.send(Work::Settle(done)).await.map_err(|_| StoreError::Closed)?;
        flushed.await.map_err(|_| StoreError::Closed)
    }

    /// Has these recordings removed, after all that came in before.
    pub(crate) async fn release(&self, recordings: Vec<RecordingId>) -> Result<(), StoreError> {
        self.work.send(Work::Release(recordings)).await.map_err(|_| StoreError::Closed)
    }

    /// Bytes that recordings may still take, and how the disk is; none while it
    /// fails, which is tried again before this returns.
    pub(crate) async fn look(&self) -> Result<(u64, Storage), StoreError> {
        let room = self.room.clone();
        let span = tracing::Span::current();
        let looking = tokio::task::spawn_blocking(move || span.in_scope(|| room.look()));
        looking.await.map_err(|_| StoreError::Closed)
    }
}

/// A quarter of the files that may be open: one group is flushed while the next
/// waits, and the rest of the program needs some too.
fn files_in_a_group() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = limit.map_or(GROUP_FILES, |limit| (limit / 4).clamp(16, GROUP_FILES));
    usize::try_from(files).unwrap_or(16)
}
