//! Agents as the ledger knows them.

use cofi_proto::AgentName;

/// An agent as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Its name.
    pub name: AgentName,
    /// UUID of its store.
    pub storage_id: String,
    /// What the tables call ip.
    pub advertise_address: String,
    /// The program's version.
    pub version: String,
    /// Whether it had a session when this was written.
    pub connected: bool,
    /// Microseconds since 1970-01-01 UTC.
    pub last_seen: i64,
}
