//! Certificates that were revoked.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::watch;

use crate::Serial;

/// The serial numbers that are revoked, for everything that must know at once:
/// the handshake and each call ask, open connections wait to be told.
///
/// What is kept of revocations across a restart is the ledger's; a certificate
/// that has expired needs no place here.
#[derive(Debug, Default)]
pub struct Revocations(watch::Sender<Arc<HashSet<Serial>>>);

impl Revocations {
    /// Revocations as they were recorded.
    #[must_use]
    pub fn new(serials: impl IntoIterator<Item = Serial>) -> Self {
        Self(watch::Sender::new(Arc::new(serials.into_iter().collect())))
    }

    /// Revokes more certificates.
    pub fn revoke(&self, serials: impl IntoIterator<Item = Serial>) {
        self.0.send_modify(|revoked| Arc::make_mut(revoked).extend(serials));
    }

    /// Keeps only these: for what the ledger was read anew for, and to let go
    /// of expired ones.
    pub fn replace(&self, serials: impl IntoIterator<Item = Serial>) {
        self.0.send_replace(Arc::new(serials.into_iter().collect()));
    }

    /// Whether the certificate with this serial number is revoked.
    #[must_use]
    pub fn is_revoked(&self, serial: Serial) -> bool {
        self.0.borrow().contains(&serial)
    }

    /// Waits until the certificate with this serial number is revoked: for a
    /// connection that was opened with it, to be closed then.
    pub async fn wait(&self, serial: Serial) {
        let revoked = |revoked: &Arc<HashSet<Serial>>| revoked.contains(&serial);
        // The sender is here, so that waiting cannot end otherwise.
        if self.0.subscribe().wait_for(revoked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told() {
        let (one, other) = (Serial::random().unwrap(), Serial::random().unwrap());
        let revocations = Revocations::default();
        let waits = async {
            revocations.wait(one).await;
            revocations.is_revoked(one)
        };
        let revokes = async {
            revocations.revoke([other]);
            tokio::task::yield_now().await;
            revocations.revoke([one]);
        };
        let (told, ()) = tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(waits, revokes) })
            .await
            .unwrap();
        assert!(told && revocations.is_revoked(other));
        revocations.replace([one]);
        assert!(!revocations.is_revoked(other));
    }
}
