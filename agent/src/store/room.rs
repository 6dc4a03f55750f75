//! How much may still be stored: nothing while the disk does not work.

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use cofi_proto::{limits::cut_reason, receive::RefusalCode, session::Storage};
use rustix::fs::fstatvfs;

use super::{
    StoreError,
    disk::remove,
    error::Refused,
    layout::{Layout, sync_folder},
};
use crate::journal::Journal;

/// What is kept for the journal and its results on a large disk.
const RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// The share of a small disk that is kept instead.
const RESERVE_DIVISOR: u64 = 100;

/// The file with which a disk that failed is tried.
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 4_096;

/// Counts the room for recordings. What the agent keeps for its journal is not
/// part of it, so that a finished result can always be written down.
#[derive(Debug)]
pub(crate) struct Room {
    layout: Arc<Layout>,
    journal: Journal,
    /// What failed last, until the disk was seen to work again. A lock: the
    /// threads of the store set it, heartbeats ask for it, nobody holds it.
    trouble: Mutex<Option<String>>,
}

impl Room {
    /// Takes the room for the journal: `reserve_bytes`, or what suits the size
    /// of the disk.
    pub(super) fn new(
        layout: Arc<Layout>,
        journal: Journal,
        reserve_bytes: Option<u64>,
    ) -> Result<Self, StoreError> {
        let keeping =
            |source| StoreError::Io { doing: "keep room", what: "for the journal".to_owned(), source };
        let disk = fstatvfs(&layout.incoming).map_err(|error| keeping(error.into()))?;
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let reserve = reserve_bytes.unwrap_or_else(|| RESERVE_BYTES.min(total / RESERVE_DIVISOR));
        journal.ballast().hold(reserve).map_err(keeping)?;
        Ok(Self { layout, journal, trouble: Mutex::default() })
    }

    /// Bytes that recordings may still take.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        if self.trouble().is_some() {
            return Ok(0);
        }
        let disk = fstatvfs(&self.layout.incoming)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(free.saturating_sub(self.journal.ballast().lacks()))
    }

    /// As [`Self::free_bytes`], after an attempt to have more: what was given
    /// to the journal is taken up again, a disk that failed is tried. With it
    /// how the disk is.
    pub(super) fn look(&self) -> (u64, Storage) {
        if self.trouble().is_some() {
            match self.probe() {
                Ok(()) => self.set_trouble(None),
                Err(error) => tracing::debug!(%error, "disk still fails"),
            }
        }
        let looked = self.journal.ballast().fill().and_then(|()| self.free_bytes());
        let free = looked.unwrap_or_else(|error| {
            self.set_trouble(Some(format!("ask for free room: {error}")));
            0
        });
        let storage = match self.trouble() {
            Some(why) => Storage::Failed(cut_reason(why)),
            None if free == 0 => Storage::Full("no room but what is kept for results".to_owned()),
            None => Storage::Ready,
        };
        (free, storage)
    }

    /// Notes what a refusal says of the disk: until it was tried with success
    /// no recording is, since each would be blamed for the disk.
    pub(super) fn note(&self, refused: &Refused) {
        match refused.code {
            RefusalCode::Io => self.set_trouble(Some(refused.reason.clone())),
            RefusalCode::DiskFull | RefusalCode::Integrity | RefusalCode::NameTaken => {}
        }
    }

    /// What failed last, if the disk has not worked since.
    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, now: Option<String>) {
        let before =
            std::mem::replace(&mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        match (before, now) {
            (None, Some(why)) => tracing::error!(why, "disk fails: no more recordings are taken"),
            (Some(_), None) => tracing::info!("disk works again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Writes, flushes and removes a file, as a recording would.
    fn probe(&self) -> io::Result<()> {
        let incoming = &self.layout.incoming;
        remove(incoming, PROBE)?;
        let written = self.layout.create_incoming(PROBE).and_then(|mut file| {
            file.write_all(&[0x5A; PROBE_BYTES])?;
            file.sync_data()
        });
        let removed = remove(incoming, PROBE);
        written.and(removed).and_then(|()| sync_folder(incoming))
    }
}
