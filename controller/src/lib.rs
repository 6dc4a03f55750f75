//! The controller: plans batches, places their recordings on agents, records
//! every step.

pub mod delivery;
pub mod ledger;
pub mod plan;
pub mod scheduler;
pub mod source;
