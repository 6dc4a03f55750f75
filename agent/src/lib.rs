//! The daemon on each GPU host: it takes recordings from its controller,
//! stores them durably, has their languages identified by worker processes and
//! reports what came out.
//!
//! ```text
//!            controller
//!           |          ^
//!   pieces, |          | reports, held recordings,
//!   receipts|          | results, heartbeats
//!           v          |
//!          link -----------+
//!           |              |
//!         store ---> journal <--- engine (worker processes)
//!           |
//!       recordings/BATCH/NAME
//! ```
//!
//! Everything that must survive is in the journal or in `recordings/`; the
//! rest is made anew at each start and each session.

#[cfg(feature = "failpoints")]
#[macro_use(failpoint)]
extern crate cofi_failpoint;

#[macro_use]
pub mod failpoint;

mod backoff;
mod chain;
pub mod config;
mod engine;
pub mod holdings;
mod identity;
pub mod join;
mod journal;
pub mod link;
mod own;
mod run;
mod stop;
mod store;
pub mod telemetry;
mod thread;

pub use config::Config;
pub use engine::{Board, Worker};
pub use identity::{IdentityError, moment};
pub use join::{Join, JoinError, Joined, join};
pub use journal::{News, OutboxRow, Standing};
pub use run::run;
pub use stop::Stop;
pub use store::StreamId;

/// Ways from the outside into the agent that are private otherwise: the fuzz
/// targets go along them, and nobody else.
#[doc(hidden)]
pub mod fuzz {
    pub use crate::{
        engine::{Heard, heard},
        journal::journalled,
        store::Shelf,
    };
}
