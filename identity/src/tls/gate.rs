//! Which client certificates the agents' listener accepts.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::watch;

use super::{TlsError, provider};
use crate::{PeerIdentity, Revocations, TrustBundle};

/// Accepts the certificates of agents: issued by a trusted authority, for a
/// client, valid now, naming exactly one agent, and not revoked. Trust and
/// revocations are looked up at each handshake.
#[derive(Debug)]
pub struct AgentGate {
    chains: watch::Sender<Arc<dyn ClientCertVerifier>>,
    revocations: Arc<Revocations>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AgentGate {
    /// Accepts what the authorities in `trust` issued and `revocations` do not
    /// name.
    pub fn new(trust: &TrustBundle, revocations: Arc<Revocations>) -> Result<Self, TlsError> {
        Ok(Self {
            chains: watch::Sender::new(chains(trust)?),
            revocations,
            algorithms: provider().signature_verification_algorithms,
        })
    }

    /// Trusts the authorities in `trust`, and no others, from the next
    /// handshake on.
    pub fn replace_trust(&self, trust: &TrustBundle) -> Result<(), TlsError> {
        self.chains.send_replace(chains(trust)?);
        Ok(())
    }
}

fn chains(trust: &TrustBundle) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    Ok(WebPkiClientVerifier::builder_with_provider(trust.for_tls()?, provider()).build()?)
}

impl ClientCertVerifier for AgentGate {
    /// None: the set changes while this borrows, and an agent has one
    /// certificate to show anyway.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chains = Arc::clone(&self.chains.borrow());
        let verified = chains.verify_client_cert(end_entity, intermediates, now)?;
        let peer = PeerIdentity::from_certificate(end_entity)
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))))?;
        if self.revocations.is_revoked(peer.serial) {
            return Err(CertificateError::Revoked.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
