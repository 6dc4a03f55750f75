//! The engine: worker processes that identify languages.
//!
//! ```text
//!   journal --- jobs ---> feeder --- one at a time ---> slot 0 ... slot N-1
//!      ^                                                 |  worker process
//!      +------------------- results <--------------------+
//! ```
//!
//! A slot keeps one worker process up and gives it one recording after the
//! other. A process that dies, hangs or speaks nonsense costs that recording
//! one attempt and nobody else anything.

mod board;
mod exchange;
mod feeder;
mod heard;
mod keeper;
mod lines;
mod pool;
mod process;
mod slot;

pub use board::{Board, Worker};
pub(crate) use feeder::feed;
pub use heard::{Heard, heard};
pub(crate) use pool::{Pool, Program};
