//! What controller, agent and command line have in common: the generated gRPC
//! types, the domain types that the programs work with, and the conversions
//! between the two.
//!
//! Messages from outside are checked where they become domain types
//! (`TryFrom`), and only there; the way back cannot fail (`From`).

pub mod clock;
pub mod digest;
pub mod ids;
pub mod limits;
pub mod receive;
pub mod session;
pub mod verify;

pub use digest::{Digest, Hasher};
pub use ids::{AgentName, BatchId, DeliveryId, RecordingId};

/// The generated types. They appear in this crate and in the files that speak
/// gRPC, nowhere else.
pub mod pb {
    #![allow(
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes_without_reason,
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm,
        missing_debug_implementations,
        reason = "generated code"
    )]

    /// For operators and downstream stages.
    pub mod v1 {
        tonic::include_proto!("cofi.v1");
    }

    /// Between agents and the controller.
    pub mod agent {
        tonic::include_proto!("cofi.agent.v1");
    }

    /// The compiled definitions, for server reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

/// A message that cannot be turned into a domain type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field holds what it may not hold.
    #[error("field {field} is {value}, expected {expected}")]
    Invalid {
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: &'static str,
    },
}

impl Malformed {
    /// A field that holds what it may not hold.
    #[allow(clippy::needless_pass_by_value, reason = "numbers and fresh strings read better by value")]
    pub fn invalid(field: &'static str, value: impl ToString, expected: &'static str) -> Self {
        // It goes back to whoever sent it, in a header.
        Self::Invalid { field, value: limits::cut_reason(value.to_string()), expected }
    }
}
