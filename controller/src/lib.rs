//! The controller: plans batches, places their recordings on agents, records
//! every step.

#[cfg(feature = "failpoints")]
#[macro_use(failpoint)]
extern crate cofi_failpoint;

#[macro_use]
pub mod failpoint;

pub mod access;
pub mod agent_side;
pub mod authority;
pub mod chain;
mod check;
pub mod commit;
pub mod config;
pub mod custody;
pub mod delivery;
pub mod dispatch;
pub mod door;
pub mod dumps;
mod entry;
pub mod explain;
pub mod health;
mod identity;
pub mod lane;
pub mod ledger;
pub mod migrate;
pub mod name;
pub mod plan;
pub mod progress;
pub mod release;
mod rpc;
pub mod run;
pub mod scheduler;
pub mod source;
pub mod telemetry;
pub mod verify;
