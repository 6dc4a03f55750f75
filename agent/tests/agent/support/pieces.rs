//! Recordings as they travel.

use bytes::Bytes;
use cofi_proto::{BatchId, DeliveryId, Digest, RecordingId, pb::agent as pb};

/// A recording that a test sends.
#[derive(Debug, Clone)]
pub struct Recording {
    pub delivery: DeliveryId,
    pub id: RecordingId,
    pub name: String,
    pub content: Vec<u8>,
    pub round: i32,
    pub candidates: Vec<String>,
}

/// A recording of batch 7 with that place, as delivery of the same number.
pub fn recording(ordinal: i64, content: impl Into<Vec<u8>>) -> Recording {
    Recording {
        delivery: DeliveryId { generation: 1, sequence: u64::try_from(ordinal).unwrap() },
        id: RecordingId { batch: BatchId(7), ordinal },
        name: format!("call-{ordinal:04}.wav"),
        content: content.into(),
        round: 1,
        candidates: Vec::new(),
    }
}

impl Recording {
    pub fn digest(&self) -> Digest {
        Digest::of(&self.content)
    }

    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub fn in_batch(mut self, batch: i64) -> Self {
        self.id.batch = BatchId(batch);
        self
    }

    pub fn again(mut self, sequence: u64) -> Self {
        self.delivery.sequence = sequence;
        self
    }

    /// Its pieces, each with at most `piece_bytes` of content.
    pub fn pieces(&self, piece_bytes: usize) -> Vec<pb::Piece> {
        let head = pb::PieceHead {
            recording: Some(self.id.into()),
            audio_name: self.name.clone(),
            size_bytes: u64::try_from(self.content.len()).unwrap(),
            round: self.round,
            candidates: self.candidates.clone(),
        };
        let mut chunks: Vec<&[u8]> = self.content.chunks(piece_bytes).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let mut offset = 0;
        let mut pieces: Vec<pb::Piece> = chunks
            .iter()
            .map(|chunk| {
                let piece = pb::Piece {
                    delivery: Some(self.delivery.into()),
                    offset,
                    head: None,
                    tail: None,
                    data: Bytes::copy_from_slice(chunk),
                };
                offset += u64::try_from(chunk.len()).unwrap();
                piece
            })
            .collect();
        pieces.first_mut().unwrap().head = Some(head);
        let digest = Bytes::copy_from_slice(self.digest().as_bytes());
        pieces.last_mut().unwrap().tail = Some(pb::PieceTail { digest });
        pieces
    }

    /// It as one piece.
    pub fn piece(&self) -> pb::Piece {
        self.pieces(usize::MAX).remove(0)
    }
}
