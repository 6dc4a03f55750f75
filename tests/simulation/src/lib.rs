//! Deterministic simulation of the protocol between controller and agents.
//!
//! ```text
//!   real: scheduler, dispatcher, lanes, group commits,     real: the agent's link: dialling, session,
//!         custody, sessions and reconciliation                    receive streams, outbox, heartbeats
//!                    |              '------- tonic, h2 -------'            |
//!                    |               over simulated TCP (turmoil)          |
//!   played:   the ledger (pure rows, outages,             played:   store, journal and engine
//!             lost answers to COMMIT)                               (what is not flushed dies in a crash)
//! ```
//!
//! Everything runs in one thread, in simulated time, and all chance comes from
//! the seed: crashes of the controller and of agents, disks that are lost,
//! machines that never come back, links that are cut, one way or both, held or
//! slow, a database that goes away. A witness holds everything that happens
//! against the promises. The same seed tells the same story.

pub mod agent;
pub mod chance;
pub mod controller;
pub mod corpus;
pub mod faults;
pub mod ledger;
pub mod log;
pub mod mistake;
pub mod net;
pub mod report;
pub mod rest;
pub mod witness;
pub mod world;
