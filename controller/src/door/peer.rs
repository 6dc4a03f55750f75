//! Who is at the other end of a connection.

use std::{net::IpAddr, sync::Arc};

use cofi_identity::{Facts, Serial};
use cofi_proto::AgentName;
use rustls_pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

use super::guests::Place;
use crate::access::Who;

/// Who is at the other end, as the connection itself shows it. Each request
/// carries it.
#[derive(Debug, Clone)]
pub struct Peer {
    address: Option<IpAddr>,
    agent: Option<AgentName>,
    certificate: Option<Arc<Certificate>>,
    standing: Option<Arc<Standing>>,
}

/// The certificate that an agent shows.
#[derive(Debug)]
pub struct Certificate {
    /// What stands in it.
    pub facts: Facts,
    /// As it was shown, in DER.
    pub der: CertificateDer<'static>,
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
        Self { address: None, agent: Some(agent), certificate: None, standing: None }
    }

    #[cfg(test)]
    pub(crate) fn with_certificate(agent: AgentName, certificate: Certificate) -> Self {
        Self { certificate: Some(Arc::new(certificate)), ..Self::agent_by_itself(agent) }
    }

    /// The other end of a connection that came through TLS.
    pub(super) fn of_connection(
        address: IpAddr,
        known: Option<(AgentName, Certificate)>,
        place: Place,
    ) -> Self {
        let (agent, certificate) = known.unzip();
        Self {
            address: Some(address),
            agent,
            certificate: certificate.map(Arc::new),
            standing: Some(Arc::new(Standing { place, admitted: CancellationToken::new() })),
        }
    }

    /// The agent that it is by its certificate.
    pub(crate) fn agent(&self) -> Option<&AgentName> {
        self.agent.as_ref()
    }

    /// The serial number of its certificate.
    pub(crate) fn serial(&self) -> Option<Serial> {
        self.certificate().map(|certificate| certificate.facts.serial)
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Its address, in words; empty if it has none.
    pub(crate) fn address(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }

    /// A call of `who` was admitted: the connection is somebody's, and need not
    /// make room for strangers any more.
    pub(crate) fn admit(&self, who: &Who) {
        if let Some(standing) = &self.standing {
            standing.admitted.cancel();
            standing.place.know(who);
        }
    }

    /// Tells its connection from others of the listener.
    pub(crate) fn connection(&self) -> Option<u64> {
        self.standing.as_ref().map(|standing| standing.place.number())
    }

    /// Cancelled once a call was admitted.
    pub(super) fn admitted(&self) -> Option<CancellationToken> {
        self.standing.as_ref().map(|standing| standing.admitted.clone())
    }
}
