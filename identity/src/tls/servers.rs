//! Which server certificates the ends that dial accept.

use std::{fmt, sync::Arc};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::sync::watch;

use super::{TlsError, provider};
use crate::TrustBundle;

/// Where a handshake takes the authorities from that it trusts.
pub(super) trait Roots: fmt::Debug + Send + Sync {
    /// Verification against the authorities, given the certificates that the
    /// server `sent` behind its own.
    fn verification(&self, sent: &[CertificateDer<'_>]) -> Result<Arc<WebPkiServerVerifier>, Error>;
}

/// The authorities whose servers are trusted, which can be replaced at any
/// time.
#[derive(Debug)]
pub struct TrustedServers(watch::Sender<Arc<WebPkiServerVerifier>>);

impl TrustedServers {
    /// Trusts the authorities in `trust`.
    pub fn new(trust: &TrustBundle) -> Result<Self, TlsError> {
        Ok(Self(watch::Sender::new(verification(trust)?)))
    }

    /// Trusts the authorities in `trust`, and no others, from the next
    /// handshake on.
    pub fn replace_trust(&self, trust: &TrustBundle) -> Result<(), TlsError> {
        self.0.send_replace(verification(trust)?);
        Ok(())
    }
}

fn verification(trust: &TrustBundle) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    Ok(WebPkiServerVerifier::builder_with_provider(trust.for_tls()?, provider()).build()?)
}

impl Roots for Arc<TrustedServers> {
    fn verification(&self, _: &[CertificateDer<'_>]) -> Result<Arc<WebPkiServerVerifier>, Error> {
        Ok(Arc::clone(&self.0.borrow()))
    }
}

/// Accepts certificates of the controller: issued by a trusted authority, for
/// a server, for the name that was dialled, valid now.
#[derive(Debug)]
pub(super) struct Verifier<R> {
    roots: R,
    algorithms: WebPkiSupportedAlgorithms,
}

impl<R: Roots> Verifier<R> {
    pub(super) fn new(roots: R) -> Self {
        Self { roots, algorithms: provider().signature_verification_algorithms }
    }
}

impl<R: Roots> ServerCertVerifier for Verifier<R> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verification = self.roots.verification(intermediates)?;
        verification.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
