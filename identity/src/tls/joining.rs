//! The end of a machine that joins: it has a token and nothing else.

use std::sync::Arc;

use cofi_proto::clock::Clock;
use rustls::{
    CertificateError, ClientConfig, Error, OtherError, RootCertStore, client::WebPkiServerVerifier,
};
use rustls_pki_types::CertificateDer;

use super::{
    TlsError,
    client::{dialling, trusting},
    provider,
    servers::{Roots, Verifier},
};
use crate::{KeyHash, certificate::parse};

/// The server's certificate does not come with the authority that the token
/// names: it is another controller, the authority was replaced since the token
/// was made, or someone is in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("server of another authority than the token's")]
pub struct OtherAuthority;

/// TLS for a machine that joins with a token that names `authority`. The
/// handshake ends before anything is sent unless the server has a certificate
/// for the name that was dialled, issued by that authority.
pub fn joining_client(authority: KeyHash, clock: Arc<dyn Clock>) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(dialling(trusting(Verifier::new(Pinned { authority }), clock)?.with_no_client_auth()))
}

/// Trusts the one authority whose public key has this hash.
#[derive(Debug)]
struct Pinned {
    authority: KeyHash,
}

impl Pinned {
    /// The certificate of the authority, out of those that the server sent.
    /// Its key is what counts: what else stands in it is the server's claim,
    /// and a signature by that key is asked of the server's own certificate.
    fn root(&self, sent: &[CertificateDer<'_>]) -> Option<CertificateDer<'static>> {
        let has_the_key = |certificate: &&CertificateDer<'_>| {
            parse(certificate).is_ok_and(|parsed| KeyHash::of_spki(parsed.public_key().raw) == self.authority)
        };
        sent.iter().find(has_the_key).map(|root| root.clone().into_owned())
    }
}

impl Roots for Pinned {
    fn verification(&self, sent: &[CertificateDer<'_>]) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let root = self.root(sent).ok_or(CertificateError::Other(OtherError(Arc::new(OtherAuthority))))?;
        let mut roots = RootCertStore::empty();
        roots.add(root)?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| Error::Other(OtherError(Arc::new(error))))
    }
}
