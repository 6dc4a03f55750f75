//! Harness of the end-to-end tests: the built programs as real processes on
//! loopback, a corpus with known answers, and those who look at what came out.
//!
//! ```text
//!   Corpus ---> Cluster: cofi-controller, cofi-agent ..., answer-worker ...
//!                  |            |              |                |
//!                  |        Database        Journal       Desk (requests)
//!                  |         Tables            |
//!                  |            |              |
//!               Client,      Reader         audit  <--- files, logs
//!               cofi         (all the time)  (at the end of every scenario)
//! ```
//!
//! The programs are looked for beside the test: `./test` builds them first, by
//! hand it is `cargo build --workspace --bins`. With `COFI_TEST_KEEP=1` the
//! folders of the tests stay, with logs and databases, and their paths are
//! printed; `COFI_FULL=1` runs the long scenarios with more seeds.

pub mod audit;
pub mod client;
pub mod cluster;
pub mod corpus;
pub mod crash;
pub mod database;
pub mod dial;
pub mod disk;
pub mod failpoints;
pub mod fault;
pub mod foreign;
pub mod given;
pub mod journal;
pub mod logs;
pub mod played;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod reader;
pub mod seeds;
pub mod tables;
pub mod torture;
pub mod wait;
pub mod worker;
