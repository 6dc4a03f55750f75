//! Who is at the other end of a connection.

use std::{net::IpAddr, sync::Arc};

use cofi_identity::{PeerIdentity, Serial};
use cofi_proto::AgentName;
use tokio_util::sync::CancellationToken;

use super::guests::Place;

/// Who is at the other end, as the connection itself shows it. Each request
/// carries it.
#[derive(Debug, Clone)]
pub struct Peer {
    address: Option<IpAddr>,
    agent: Option<AgentName>,
    serial: Option<Serial>,
    standing: Option<Arc<Standing>>,
}

/// What a connection has to show for itself.
#[derive(Debug)]
struct Standing {
    place: Place,
    admitted: CancellationToken,
}

impl Peer {
    /// An agent whose connections are its own by the way they are made: in the
    /// simulation there is no TLS.
    #[must_use]
    pub fn agent_by_itself(agent: AgentName) -> Self {
        Self { address: None, agent: Some(agent), serial: None, standing: None }
    }

    #[cfg(test)]
    pub(crate) fn with_certificate(agent: AgentName, serial: Serial) -> Self {
        Self { serial: Some(serial), ..Self::agent_by_itself(agent) }
    }

    /// The other end of a connection that came through TLS.
    pub(super) fn of_connection(address: IpAddr, identity: Option<&PeerIdentity>, place: Place) -> Self {
        Self {
            address: Some(address),
            agent: identity.map(|identity| identity.agent.clone()),
            serial: identity.map(|identity| identity.serial),
            standing: Some(Arc::new(Standing { place, admitted: CancellationToken::new() })),
        }
    }

    /// The agent that it is by its certificate.
    pub(crate) fn agent(&self) -> Option<&AgentName> {
        self.agent.as_ref()
    }

    /// The serial number of its certificate.
    pub(crate) fn serial(&self) -> Option<Serial> {
        self.serial
    }

    /// Its address, in words; empty if it has none.
    pub(crate) fn address(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }

    /// A call was admitted: the connection is somebody's, and need not make
    /// room for others any more.
    pub(crate) fn admit(&self) {
        if let Some(standing) = &self.standing {
            standing.admitted.cancel();
            standing.place.know(self.agent.as_ref());
        }
    }

    /// Cancelled once a call was admitted.
    pub(super) fn admitted(&self) -> Option<CancellationToken> {
        self.standing.as_ref().map(|standing| standing.admitted.clone())
    }
}
