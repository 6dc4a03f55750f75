//! One recording while its pieces arrive: written, counted and hashed.

use std::{
    fs::File,
    io::{self, Write as _},
    num::NonZeroU64,
    sync::Arc,
};

use cofi_proto::{DeliveryId, Digest, digest::Hasher, limits::PIECE_BYTES, receive::PieceHead};
use rustix::{
    fs::{Advice, FallocateFlags, fadvise, fallocate},
    io::Errno,
};

use super::{error::Refused, layout::Layout, room::Room};

/// Write-back begins each time so much of a large recording is written, so
/// that little is left to flush at its end.
const WRITE_BACK_BYTES: u64 = 8 * 1024 * 1024;

/// A file in `incoming/`. It is removed when this is dropped, unless it was
/// moved to its place.
#[derive(Debug)]
pub(super) struct Incoming {
    layout: Arc<Layout>,
    pub(super) name: String,
    pub(super) file: File,
    /// Up to here write-back was begun.
    pub(super) written_back: u64,
    moved: bool,
}

impl Incoming {
    fn create(layout: &Arc<Layout>, name: String) -> io::Result<Self> {
        let file = layout.create_incoming(&name)?;
        Ok(Self { layout: layout.clone(), name, file, written_back: 0, moved: false })
    }

    /// Says that the file lies in its place now.
    pub(super) fn moved(mut self) {
        self.moved = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.moved {
            return;
        }
        if let Err(error) = self.layout.incoming.remove_file(&self.name) {
            tracing::warn!(file = self.name, %error, "could not remove an incoming file");
        }
    }
}

/// A recording of which pieces are still to come.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) delivery: DeliveryId,
    pub(super) head: PieceHead,
    incoming: Incoming,
    hasher: Hasher,
    written: u64,
}

/// A recording that arrived whole and is what its sender said, not yet durable.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) delivery: DeliveryId,
    pub(super) head: PieceHead,
    pub(super) digest: Digest,
    pub(super) incoming: Incoming,
}

impl Arriving {
    /// Reserves the room and makes the file.
    pub(super) fn begin(
        layout: &Arc<Layout>,
        room: &Room,
        name: String,
        delivery: DeliveryId,
        head: PieceHead,
    ) -> Result<Self, Refused> {
        let free = room.free_bytes().map_err(|error| Refused::io("ask for free room", &error))?;
        if head.size_bytes > free {
            return Err(Refused::disk_full(format!("{} bytes needed, {free} free", head.size_bytes)));
        }
        let incoming = Incoming::create(layout, name).map_err(|error| Refused::io("make a file", &error))?;
        // A small file is written at once; reserving it first would only cost.
        if head.size_bytes > u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX) {
            match fallocate(&incoming.file, FallocateFlags::empty(), 0, head.size_bytes) {
                // Not every file system can; the write then says that the disk is full.
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(error) => return Err(Refused::io("reserve room", &error.into())),
            }
        }
        Ok(Self { delivery, head, incoming, hasher: Hasher::new(), written: 0 })
    }

    /// Bytes that arrived so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Takes the next piece.
    pub(super) fn take(&mut self, offset: u64, data: &[u8]) -> Result<(), Refused> {
        if offset != self.written {
            return Err(Refused::integrity(format!("piece at offset {offset}, expected {}", self.written)));
        }
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        if length > self.head.size_bytes - self.written {
            return Err(Refused::integrity(format!(
                "more than the {} bytes announced",
                self.head.size_bytes
            )));
        }
        self.incoming.file.write_all(data).map_err(|error| Refused::io("write", &error))?;
        failpoint!(PIECE_WRITTEN => return Err(Refused::io("write", &cofi_failpoint::io_error())));
        self.hasher.update(data);
        self.written += length;
        self.begin_write_back();
        Ok(())
    }

    /// Compares what arrived with what the sender says of it.
    pub(super) fn check(&self, said: Digest) -> Result<(), Refused> {
        if self.written != self.head.size_bytes {
            let announced = self.head.size_bytes;
            return Err(Refused::integrity(format!("{} of {announced} bytes arrived", self.written)));
        }
        let digest = self.hasher.finish();
        if digest != said {
            return Err(Refused::integrity(format!("content has digest {digest}, announced was {said}")));
        }
        Ok(())
    }

    /// The recording, whose content was checked to have this digest.
    pub(super) fn arrived(self, digest: Digest) -> Arrived {
        Arrived { delivery: self.delivery, head: self.head, digest, incoming: self.incoming }
    }

    fn begin_write_back(&mut self) {
        let incoming = &mut self.incoming;
        let length = self.written - incoming.written_back;
        if length < WRITE_BACK_BYTES {
            return;
        }
        // Only an attempt to be early: the flush at the end is what counts.
        // Pages that are dirty stay in memory, so that the engine finds them.
        if fadvise(&incoming.file, incoming.written_back, NonZeroU64::new(length), Advice::DontNeed).is_ok() {
            incoming.written_back = self.written;
        }
    }
}
