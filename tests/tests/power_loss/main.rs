//! The power of an agent's machine is cut: nothing that it had acknowledged
//! may be missing or short, and no result that the controller has.
//!
//! ```text
//!   agent under load -> file system -> Recorder: log of writes and flushes
//!                                         |  at random instants: what was promised?
//!                                         v
//!                         Replay: what the disk holds if the power goes then
//!                                         |
//!                         mount (the file system replays its journal)
//!                                         v
//!                         everything promised is there, whole; the agent mends the rest
//! ```
//!
//! The model of a disk: what was written before the last flush is there, and of
//! what was written after it nothing, all, or any blocks of 4 KiB. That is
//! stricter than to copy the image at the instant, where everything that was
//! ever written to the disk would be there, flushed or not. Blocks are not torn.
//!
//! All of this needs root, for mounts and loop devices: `./test --root`.

mod cuts;
mod instants;
mod promises;
mod recorder;
mod replay;
mod scene;
mod volume;
