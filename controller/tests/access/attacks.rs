//! Whoever comes to do harm: over raw sockets, with a token and without, while
//! an operator and an agent go about their work.

mod abandoned;
mod crowds;
mod floods;
pub(crate) mod frames;
pub(crate) mod program;
mod scene;
mod silence;
mod starved;

pub(crate) use self::program::hello;
