//! The certificate that is shown, which can be replaced at any time.

use std::sync::Arc;

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::sync::watch;

use super::TlsError;
use crate::Credential;

/// The certificate and key that new handshakes show: of the controller or of
/// an agent. Connections that are open keep what they were opened with.
#[derive(Debug)]
pub struct CurrentCredential(watch::Sender<Arc<CertifiedKey>>);

impl CurrentCredential {
    /// Shows `credential`.
    pub fn new(credential: &Credential) -> Result<Self, TlsError> {
        Ok(Self(watch::Sender::new(credential.for_tls()?)))
    }

    /// Shows `credential` from the next handshake on.
    pub fn replace(&self, credential: &Credential) -> Result<(), TlsError> {
        self.0.send_replace(credential.for_tls()?);
        Ok(())
    }

    /// Tells of replacements: for connections that are to be opened anew then.
    #[must_use]
    pub fn replaced(&self) -> Replaced {
        Replaced(self.0.subscribe())
    }

    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.borrow())
    }
}

/// Tells when a [`CurrentCredential`] is replaced.
#[derive(Debug, Clone)]
pub struct Replaced(watch::Receiver<Arc<CertifiedKey>>);

impl Replaced {
    /// Waits for the first replacement since this was made or last told.
    /// Without anyone left to replace it, waits for ever.
    pub async fn wait(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl ResolvesServerCert for CurrentCredential {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl ResolvesClientCert for CurrentCredential {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
