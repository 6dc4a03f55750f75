//! The thread that takes the pieces of all streams, writes and hashes them.

use std::{collections::HashMap, sync::Arc};

use cofi_proto::{
    DeliveryId, RecordingId,
    limits::cut_reason,
    receive::{DeliveryOutcome, DeliveryReport, Piece, PieceHead, PieceTail},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    arriving::{Arrived, Arriving},
    error::Refused,
    flusher::{Stored, Work},
    layout::Layout,
    room::Room,
};
use crate::journal::{Change, Journal};

/// Names a receive stream for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(
    /// Counts up.
    pub u64,
);

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Event {
    /// A stream begins; its reports go there. It has ended when they are not
    /// taken any more.
    Opened(StreamId, mpsc::Sender<DeliveryReport>),
    Piece(StreamId, Piece),
    /// Answered when everything before has gone to the flusher and streams
    /// that have ended are forgotten.
    Settle(oneshot::Sender<()>),
}

/// One receive stream as the writer sees it.
struct Stream {
    reports: mpsc::Sender<DeliveryReport>,
    state: State,
}

/// What is expected next on a stream.
enum State {
    /// The first piece of a recording.
    Between,
    /// The next piece of this one.
    Within(Box<Arriving>),
    /// Pieces of a delivery that was refused, not to be kept.
    Skipping(DeliveryId),
}

pub(super) struct Writer {
    layout: Arc<Layout>,
    room: Arc<Room>,
    journal: Journal,
    runtime: tokio::runtime::Handle,
    flusher: mpsc::Sender<Work>,
    streams: HashMap<StreamId, Stream>,
    next_file: u64,
}

impl Writer {
    pub(super) fn new(
        layout: Arc<Layout>,
        room: Arc<Room>,
        journal: Journal,
        flusher: mpsc::Sender<Work>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self { layout, room, journal, runtime, flusher, streams: HashMap::new(), next_file: 0 }
    }

    /// Works until all users of the store are gone.
    pub(super) fn run(mut self, mut events: mpsc::Receiver<Event>) -> anyhow::Result<()> {
        while let Some(event) = events.blocking_recv() {
            match event {
                Event::Opened(id, reports) => {
                    self.forget_ended();
                    self.streams.insert(id, Stream { reports, state: State::Between });
                }
                Event::Piece(id, piece) => self.piece(id, piece)?,
                Event::Settle(done) => {
                    self.forget_ended();
                    // Whoever asked may have gone.
                    done.send(()).ok();
                }
            }
        }
        Ok(())
    }

    fn forget_ended(&mut self) {
        let ended: Vec<_> =
            self.streams.iter().filter(|(_, s)| s.reports.is_closed()).map(|(id, _)| *id).collect();
        for id in ended {
            if let Some(stream) = self.streams.remove(&id) {
                self.waste(stream.state);
            }
        }
    }

    fn piece(&mut self, id: StreamId, piece: Piece) -> anyhow::Result<()> {
        let Some(stream) = self.streams.get_mut(&id) else {
            // Its end was seen before its last pieces.
            return Ok(());
        };
        let reports = stream.reports.clone();
        let state = std::mem::replace(&mut stream.state, State::Between);
        let delivery = piece.delivery;
        let next = match self.advance(state, piece, &reports) {
            Ok(Advanced::Goes(state)) => state,
            Ok(Advanced::Arrived(arrived)) => {
                let stored = Stored { arrived: *arrived, reports };
                self.flusher
                    .blocking_send(Work::Stored(stored))
                    .map_err(|_| anyhow::anyhow!("flusher ended"))?;
                State::Between
            }
            Err(Stopped { refused, more }) => {
                refuse(&self.room, &reports, delivery, refused);
                if more { State::Skipping(delivery) } else { State::Between }
            }
        };
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.state = next;
        }
        Ok(())
    }

    /// Takes a piece in a state.
    fn advance(
        &mut self,
        state: State,
        piece: Piece,
        reports: &mpsc::Sender<DeliveryReport>,
    ) -> Result<Advanced, Stopped> {
        let Piece { delivery, offset, head, tail, data } = piece;
        let stopped = |refused| Stopped { refused, more: tail.is_none() };
        let mut arriving = match (state, head) {
            (State::Within(arriving), None) if arriving.delivery == delivery => arriving,
            (State::Skipping(skipped), None) if skipped == delivery => {
                let state = if tail.is_none() { State::Skipping(skipped) } else { State::Between };
                return Ok(Advanced::Goes(state));
            }
            (before, Some(head)) => {
                self.cut_short(before, reports);
                let begun = self.begin(delivery, head);
                Box::new(begun.map_err(stopped)?)
            }
            (before, None) => {
                self.cut_short(before, reports);
                return Err(stopped(Refused::integrity("the first piece has no head")));
            }
        };
        let refused = match tail {
            None => match arriving.take(offset, &data) {
                Ok(()) => return Ok(Advanced::Goes(State::Within(arriving))),
                Err(refused) => refused,
            },
            Some(PieceTail::Whole(digest)) => {
                let taken = arriving.take(offset, &data);
                match taken.and_then(|()| arriving.check(digest)) {
                    Ok(()) => return Ok(Advanced::Arrived(Box::new(arriving.arrived(digest)))),
                    Err(refused) => refused,
                }
            }
            Some(PieceTail::GivenUp) => {
                self.waste(State::Within(arriving));
                return Ok(Advanced::Goes(State::Between));
            }
        };
        self.waste(State::Within(arriving));
        Err(stopped(refused))
    }

    fn begin(&mut self, delivery: DeliveryId, head: PieceHead) -> Result<Arriving, Refused> {
        let name = format!("{:012x}", self.next_file);
        self.next_file += 1;
        Arriving::begin(&self.layout, &self.room, name, delivery, head)
    }

    /// A recording whose last piece never came is refused.
    fn cut_short(&mut self, state: State, reports: &mpsc::Sender<DeliveryReport>) {
        if let State::Within(arriving) = &state {
            let refused = Refused::integrity("another recording began before its last piece");
            refuse(&self.room, reports, arriving.delivery, refused);
        }
        self.waste(state);
    }

    /// Drops what arrived of a recording, and counts it.
    fn waste(&mut self, state: State) {
        match state {
            State::Within(arriving) => self.count_wasted(arriving.head.recording, arriving.written()),
            State::Between | State::Skipping(_) => {}
        }
    }

    fn count_wasted(&self, recording: RecordingId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        // Only a count: its commit is not waited for, and the journal says
        // itself when it cannot be written.
        drop(self.runtime.block_on(self.journal.post(Change::Wasted(recording, bytes))));
    }
}

/// How a piece ended.
enum Advanced {
    Goes(State),
    Arrived(Box<Arrived>),
}

/// A delivery is refused.
struct Stopped {
    refused: Refused,
    /// Whether more of its pieces are to be expected.
    more: bool,
}

/// Reports that a delivery is not stored.
pub(super) fn refuse(
    room: &Room,
    reports: &mpsc::Sender<DeliveryReport>,
    delivery: DeliveryId,
    refused: Refused,
) {
    room.note(&refused);
    let Refused { code, reason } = refused;
    tracing::info!(%delivery, code = code.as_str(), reason, "recording refused");
    let outcome = DeliveryOutcome::Refused { code, reason: cut_reason(reason) };
    report(reports, DeliveryReport { delivery, outcome });
}

/// Hands on a report. A stream that has ended needs none: what is held is
/// offered at the next session.
pub(super) fn report(reports: &mpsc::Sender<DeliveryReport>, report: DeliveryReport) {
    drop(reports.blocking_send(report));
}
