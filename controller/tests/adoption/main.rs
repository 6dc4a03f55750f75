//! Adopting a database that others have filled for years: `migrate` and a
//! controller's work on it leave every column and every old row as they were,
//! byte for byte, however odd the tables are; what cannot work is refused with
//! the statement that mends it.
//!
//! On a real MariaDB; each test has a database of its own ([`place::Place`]).
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]
#![allow(unreachable_pub, reason = "what the tests share is public to them")]

mod adopted;
mod backup;
mod driving;
mod encrypted;
mod filling;
mod fingerprint;
mod grants;
mod interrupted;
#[path = "../ledger/machines.rs"]
#[allow(dead_code, reason = "the contract's tests use the rest")]
mod machines;
mod odd;
mod place;
mod program;
mod refused;
#[path = "../ledger/scene.rs"]
#[allow(dead_code, reason = "the contract's tests use the rest")]
mod scene;
mod servers;
mod view;
mod without_indexes;
mod writers;
