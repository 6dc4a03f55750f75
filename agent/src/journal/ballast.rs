//! Room that is kept for the journal by taking it: a file of nothing that gives
//! way when the disk is full, so that a finished result can be written down
//! whoever filled the disk.
//!
//! ```text
//!   held == wanted --- the journal finds no room ---> a step less, and again
//!        ^                                                      |
//!        '--------- there is room for all that lacks <----------'
//! ```
//!
//! As long as less than all of it is held the agent has no room for recordings.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rustix::{
    fs::{FallocateFlags, fallocate, fstatvfs},
    io::Errno,
};

use crate::own;

/// The file, beside the journal.
const NAME: &str = "journal.ballast";

/// It gives way in so many steps: what it gives up at once may be taken by
/// whoever filled the disk.
const STEPS: u64 = 8;

/// The least that a step is worth: what one commit may write.
const LEAST_STEP_BYTES: u64 = 64 * 1024;

/// What opening a journal takes, its index in shared memory above all.
const OPENING_BYTES: u64 = 1024 * 1024;

/// The room that is kept.
#[derive(Debug)]
pub(crate) struct Ballast {
    // A lock: the journal's writer lets go and the store takes up again, each
    // with one call to the file system.
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    file: File,
    held: u64,
    wanted: u64,
}

impl Ballast {
    /// Finds the ballast of the journal in `folder`, making an empty one if
    /// there is none.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = own::open(&mut options, &folder.join(NAME))?;
        let held = file.metadata()?.len();
        Ok(Self { kept: Mutex::new(Kept { file, held, wanted: held }) })
    }

    /// Makes room for opening the journal.
    pub(super) fn give_way_to_opening(&self) -> io::Result<()> {
        while self.kept.lock().unwrap_or_else(PoisonError::into_inner).free()? < OPENING_BYTES
            && self.give_way()?
        {}
        Ok(())
    }

    /// Gives up a step; false if there is nothing left to give up.
    pub(super) fn give_way(&self) -> io::Result<bool> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.held == 0 {
            return Ok(false);
        }
        let step = (kept.wanted / STEPS).max(LEAST_STEP_BYTES);
        let left = kept.held.saturating_sub(step);
        kept.file.set_len(left)?;
        kept.held = left;
        tracing::warn!(left, "the disk is full: room that was kept is given to the journal");
        Ok(true)
    }

    /// Holds `wanted` bytes from now on, as far as there is room.
    pub(crate) fn hold(&self, wanted: u64) -> io::Result<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.wanted = wanted;
        if kept.held > wanted {
            kept.file.set_len(wanted)?;
            kept.held = wanted;
        }
        kept.fill()
    }

    /// Takes up again what it has given up, if there is room for it.
    pub(crate) fn fill(&self) -> io::Result<()> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).fill()
    }

    /// Bytes that are wanted and not held.
    pub(crate) fn lacks(&self) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.wanted - kept.held
    }
}

impl Kept {
    fn free(&self) -> io::Result<u64> {
        let disk = fstatvfs(&self.file)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// All or nothing: while the journal still needs room, a part that is taken
    /// from it would only be given back.
    fn fill(&mut self) -> io::Result<()> {
        let lacks = self.wanted - self.held;
        if lacks == 0 || self.free()? < lacks.saturating_add(OPENING_BYTES) {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), self.held, lacks) {
            Ok(()) => {
                self.held = self.wanted;
                tracing::debug!(bytes = self.held, "room is kept for the journal");
            }
            // Somebody was quicker, or it is a file system that cannot keep
            // room: then what is wanted is only left free. A part may be taken.
            Err(Errno::NOSPC | Errno::DQUOT | Errno::OPNOTSUPP) => self.held = self.file.metadata()?.len(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use tempfile::TempDir;

    use super::*;

    const WANTED: u64 = 1024 * 1024;

    fn blocks(folder: &TempDir) -> u64 {
        folder.path().join(NAME).metadata().unwrap().blocks() * 512
    }

    #[test]
    fn what_is_held_is_taken_from_the_disk_and_survives_a_restart() {
        let folder = TempDir::new().unwrap();
        Ballast::open(folder.path()).unwrap().hold(WANTED).unwrap();
        assert!(blocks(&folder) >= WANTED);
        let ballast = Ballast::open(folder.path()).unwrap();
        assert_eq!(ballast.lacks(), 0);
        ballast.hold(WANTED / 2).unwrap();
        assert!(blocks(&folder) < WANTED);
    }

    #[test]
    fn it_gives_way_in_steps_until_nothing_is_left_and_fills_up_again() {
        let folder = TempDir::new().unwrap();
        let ballast = Ballast::open(folder.path()).unwrap();
        ballast.hold(WANTED).unwrap();
        let mut before = blocks(&folder);
        for _ in 0..STEPS {
            assert!(ballast.give_way().unwrap());
            assert!(blocks(&folder) < before);
            before = blocks(&folder);
        }
        assert!(!ballast.give_way().unwrap());
        ballast.fill().unwrap();
        assert_eq!(ballast.lacks(), 0);
        assert!(blocks(&folder) >= WANTED);
    }

    #[test]
    fn more_than_the_disk_has_is_not_begun() {
        let folder = TempDir::new().unwrap();
        let ballast = Ballast::open(folder.path()).unwrap();
        ballast.hold(u64::MAX).unwrap();
        assert_eq!((ballast.lacks(), blocks(&folder)), (u64::MAX, 0));
    }
}
