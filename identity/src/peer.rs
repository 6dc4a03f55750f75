//! Who is at the other end of a connection, by its certificate alone.

use cofi_proto::AgentName;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::GeneralName;

use crate::{
    Serial,
    certificate::{Facts, Unreadable, parse},
};

/// What the name of an agent follows in the URI that its certificate carries.
const PREFIX: &str = "cofi://agent/";

/// The URI that stands for an agent in its certificate.
pub(crate) fn uri(agent: &AgentName) -> String {
    format!("{PREFIX}{agent}")
}

/// An agent, as its certificate names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its name.
    pub agent: AgentName,
    /// Serial number of the certificate: what revocation goes by.
    pub serial: Serial,
    /// The last moment at which the certificate is valid, in microseconds
    /// since 1970-01-01 UTC. A connection can outlive it.
    pub not_after_micros: i64,
}

/// Why a certificate names no agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAgent {
    /// The peer showed no certificate.
    #[error("peer without a certificate")]
    NoCertificate,
    /// The certificate cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The certificate has other alternative names than one URI.
    #[error("certificate with other names than the one of an agent")]
    OtherNames,
    /// The URI is not that of an agent.
    #[error("certificate for something else than an agent")]
    OtherUri,
    /// The URI names an agent that may not be called so.
    #[error("certificate for an agent whose name is not allowed")]
    Name,
}

impl PeerIdentity {
    /// Reads who the peer is from the certificates that it showed, its own
    /// first, as the TLS connection gives them. That they are to be trusted
    /// was settled by the handshake.
    pub fn from_certificates(chain: &[CertificateDer<'_>]) -> Result<Self, NotAnAgent> {
        Self::from_certificate(chain.first().ok_or(NotAnAgent::NoCertificate)?)
    }

    /// Reads the agent that `der` names: exactly one alternative name, and
    /// that one the URI `cofi://agent/NAME`.
    pub fn from_certificate(der: &CertificateDer<'_>) -> Result<Self, NotAnAgent> {
        let certificate = parse(der)?;
        let names = certificate.subject_alternative_name().map_err(|_| NotAnAgent::OtherNames)?;
        let [GeneralName::URI(uri)] = names.map_or(&[][..], |names| &names.value.general_names) else {
            return Err(NotAnAgent::OtherNames);
        };
        let agent = uri.strip_prefix(PREFIX).ok_or(NotAnAgent::OtherUri)?;
        let agent = agent.parse().map_err(|_| NotAnAgent::Name)?;
        let facts = Facts::from_parsed(&certificate)?;
        Ok(Self { agent, serial: facts.serial, not_after_micros: facts.validity.not_after_micros })
    }
}
