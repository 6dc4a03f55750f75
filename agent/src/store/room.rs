//! How much may still be stored.

use std::io;

use cap_std::fs::Dir;
use rustix::fs::fstatvfs;

/// What is kept free for the journal and its results on a large disk.
const RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// The share of a small disk that is kept free instead.
const RESERVE_DIVISOR: u64 = 100;

/// Counts the room for recordings. What the agent keeps for itself is not part
/// of it, so that a finished result can always be written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Configured; otherwise it follows the size of the disk.
    reserve_bytes: Option<u64>,
}

impl Room {
    pub(super) fn new(reserve_bytes: Option<u64>) -> Self {
        Self { reserve_bytes }
    }

    /// Bytes that recordings may still take on the disk of `folder`.
    pub(super) fn free_bytes(self, folder: &Dir) -> io::Result<u64> {
        let disk = fstatvfs(folder)?;
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let reserve = self.reserve_bytes.unwrap_or_else(|| RESERVE_BYTES.min(total / RESERVE_DIVISOR));
        Ok(free.saturating_sub(reserve))
    }
}
