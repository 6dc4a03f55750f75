//! The thread of a lane: reads recordings from their source, hashes them, and
//! hands them on as pieces. Blocking reads stay off the async threads, and a
//! full lane blocks here: flow control is the backpressure.

use bytes::Bytes;
use cofi_proto::{
    DeliveryId,
    receive::{Piece, PieceHead, PieceTail},
};
use tokio::sync::mpsc;

use crate::{
    delivery::Sent,
    ledger::PlannedRecording,
    scheduler::Cause,
    source::{SourceError, SourceFile},
};

/// A recording to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Under this name.
    pub delivery: DeliveryId,
    /// The recording.
    pub recording: PlannedRecording,
    /// Root of its batch.
    pub root: String,
    /// Codes its answer is restricted to.
    pub candidates: Vec<String>,
}

/// What the reader says of a delivery.
#[derive(Debug)]
pub(super) enum Progress {
    /// Its last piece is about to be handed to the network.
    Sent(DeliveryId, Sent),
    /// It could not be read as it was planned.
    Failed(DeliveryId, Cause),
}

/// The lane has closed.
struct Closed;

/// Sends what is ordered until the lane closes. Blocks.
pub(super) fn read(
    mut orders: mpsc::Receiver<Order>,
    pieces: &mpsc::Sender<Piece>,
    progress: &mpsc::Sender<Progress>,
) {
    while let Some(order) = orders.blocking_recv() {
        if send(&order, pieces, progress).is_err() {
            return;
        }
    }
}

fn send(
    order: &Order,
    pieces: &mpsc::Sender<Piece>,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), Closed> {
    let mut file = match SourceFile::open(&order.root, &order.recording) {
        Ok(file) => file,
        Err(error) => return give_up(order, 0, &error, pieces, progress),
    };
    loop {
        let offset = file.offset();
        let data = match file.read_piece() {
            Ok(data) => data,
            Err(error) => return give_up(order, offset, &error, pieces, progress),
        };
        let tail = if file.at_end() {
            match file.finish() {
                Ok(digest) => {
                    let recording = order.recording.recording;
                    let sent = Sent { recording, size: file.size(), digest };
                    // Before the piece: its acknowledgement must find this.
                    tell(progress, Progress::Sent(order.delivery, sent))?;
                    Some(PieceTail::Whole(digest))
                }
                Err(error) => return give_up(order, offset, &error, pieces, progress),
            }
        } else {
            None
        };
        let last = tail.is_some();
        let head = (offset == 0).then(|| head(order));
        hand_on(pieces, Piece { delivery: order.delivery, offset, head, tail, data })?;
        if last {
            return Ok(());
        }
    }
}

fn head(order: &Order) -> PieceHead {
    PieceHead {
        recording: order.recording.recording,
        audio_name: order.recording.audio_name.clone(),
        size_bytes: order.recording.size,
        round: order.recording.round,
        candidates: order.candidates.clone(),
    }
}

/// Says why, and ends the recording on the wire if it has begun there.
fn give_up(
    order: &Order,
    offset: u64,
    error: &SourceError,
    pieces: &mpsc::Sender<Piece>,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), Closed> {
    let cause = Cause::Source { code: error.code(), reason: error.to_string() };
    tell(progress, Progress::Failed(order.delivery, cause))?;
    if offset == 0 {
        return Ok(());
    }
    let tail = Some(PieceTail::GivenUp);
    hand_on(pieces, Piece { delivery: order.delivery, offset, head: None, tail, data: Bytes::new() })
}

fn hand_on(pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Closed> {
    pieces.blocking_send(piece).map_err(|_| Closed)
}

fn tell(progress: &mpsc::Sender<Progress>, said: Progress) -> Result<(), Closed> {
    progress.blocking_send(said).map_err(|_| Closed)
}
