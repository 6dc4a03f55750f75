//! Language identification: the line protocol between the agent and its engine, and the built-in engine.
//!
//! The agent sees [`protocol`] alone. `cofi-agent lid-worker` and `cofi lid-worker` run the built-in engine
//! with [`worker::run`].

mod audio;
mod engine;
pub mod protocol;
pub mod worker;

pub use engine::Device;
