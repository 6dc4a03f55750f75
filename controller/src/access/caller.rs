//! Who makes a call, once that is settled.

use std::fmt;

use cofi_identity::token::{Role, TokenId};
use cofi_proto::{AgentName, clock::Clock};
use tonic::Request;

use crate::ledger::Deed;

/// Who makes a call. Each request that a service sees carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    /// From where, an IP address; empty if that is not known.
    pub(crate) peer: String,
    /// The call, as `Service.Method`.
    pub(crate) action: String,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Somebody who had nothing to show.
    Nobody,
    /// The bearer of a token.
    Bearer(Role, TokenId),
    /// An agent.
    Agent(AgentName),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Bearer(role, id) => write!(f, "{}:{id}", role.as_str()),
            Self::Agent(agent) => write!(f, "agent:{agent}"),
        }
    }
}

impl Caller {
    /// Who made this request: settled before any service saw it.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        // Without the guard in front of it a service takes everyone for nobody.
        request.extensions().get().cloned().unwrap_or_else(|| Self {
            who: Who::Nobody,
            peer: String::new(),
            action: String::new(),
        })
    }

    /// What it does, for the audit.
    pub(crate) fn deed(&self, clock: &dyn Clock) -> Deed {
        Deed::new(clock.now_micros(), self.who.to_string(), self.peer.as_str(), self.action.as_str())
    }
}
