//! The reader of a lane: reads recordings from their source, hashes them, and
//! hands them on as pieces. Its reads block, so that it is run off the async
//! threads ([`super::Readers`]); a full lane waits here: flow control is the
//! backpressure.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use cofi_proto::{
    DeliveryId,
    receive::{Piece, PieceHead, PieceTail},
};
use tokio::sync::mpsc;

use super::Outgoing;
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

/// Sends what is ordered until the lane closes. Blocks while it reads.
pub(super) async fn read(
    mut orders: mpsc::Receiver<Order>,
    pieces: Outgoing,
    progress: mpsc::Sender<Progress>,
) {
    while let Some(order) = orders.recv().await {
        if send(&order, &pieces, &progress).await.is_err() {
            return;
        }
    }
}

async fn send(order: &Order, pieces: &Outgoing, progress: &mpsc::Sender<Progress>) -> Result<(), Closed> {
    failpoint!(RECORDING_ORDERED => return Err(Closed));
    let mut file = match SourceFile::open(&order.root, &order.recording) {
        Ok(file) => file,
        Err(error) => return give_up(order, 0, &error, pieces, progress).await,
    };
    loop {
        let offset = file.offset();
        let data = match file.read_piece() {
            Ok(data) => data,
            Err(error) => return give_up(order, offset, &error, pieces, progress).await,
        };
        let tail = if file.at_end() {
            match file.finish() {
                Ok(digest) => {
                    let recording = order.recording.recording;
                    let sent = Sent { recording, size: file.size(), digest };
                    // Before the piece: its acknowledgement must find this.
                    tell(progress, Progress::Sent(order.delivery, sent)).await?;
                    Some(PieceTail::Whole(digest))
                }
                Err(error) => return give_up(order, offset, &error, pieces, progress).await,
            }
        } else {
            None
        };
        let last = tail.is_some();
        let head = (offset == 0).then(|| head(order));
        hand_on(pieces, Piece { delivery: order.delivery, offset, head, tail, data }).await?;
        if last {
            failpoint!(LAST_PIECE_SENT => return Err(Closed));
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
async fn give_up(
    order: &Order,
    offset: u64,
    error: &SourceError,
    pieces: &Outgoing,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), Closed> {
    let cause = Cause::Source { code: error.code(), reason: error.to_string() };
    tell(progress, Progress::Failed(order.delivery, cause)).await?;
    if offset == 0 {
        return Ok(());
    }
    let tail = Some(PieceTail::GivenUp);
    hand_on(pieces, Piece { delivery: order.delivery, offset, head: None, tail, data: Bytes::new() }).await
}

async fn hand_on(pieces: &Outgoing, piece: Piece) -> Result<(), Closed> {
    pieces.pieces.send(piece).await.map_err(|_| Closed)?;
    pieces.given.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn tell(progress: &mpsc::Sender<Progress>, said: Progress) -> Result<(), Closed> {
    progress.send(said).await.map_err(|_| Closed)
}
