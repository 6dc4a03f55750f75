//! Who this agent is: its certificate, the controllers that it trusts, and how
//! both stay good while it runs.
//!
//! ```text
//!   data_dir/identity ──> Identity ──> Tls ──> link
//!        ^      ^            ^
//!        |      └─ cofi-agent join
//!        └─────── keeper ────┘   renews, asks whom to trust, sees who joined anew
//! ```

mod error;
mod keeper;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cofi_identity::{
    Serial, TrustBundle, Validity,
    files::{AgentFiles, AgentIdentity},
    tls::{CurrentCredential, TlsError, TrustedServers, agent_client},
};
use cofi_proto::{AgentName, clock::Clock};

pub use self::error::IdentityError;
pub(crate) use self::keeper::Keeper;
use crate::{Config, link::Tls};

/// Who this agent is, as it is used by now and kept on the disk.
#[derive(Debug)]
pub(crate) struct Identity {
    files: Arc<AgentFiles>,
    current: AgentIdentity,
    shown: Arc<CurrentCredential>,
    servers: Arc<TrustedServers>,
}

impl Identity {
    /// Reads the identity that `config` leads to. Blocks.
    pub(crate) fn load(config: &Config) -> Result<Self, IdentityError> {
        let folder = self::folder(&config.data_dir);
        let files = AgentFiles::open(&folder).map_err(|source| IdentityError::folder(&folder, source))?;
        let not_joined = || IdentityError::not_joined(config);
        let files = files.ok_or_else(not_joined)?;
        let current = files.load().map_err(|source| IdentityError::folder(&folder, source))?;
        let current = current.ok_or_else(not_joined)?;
        if config.named && current.peer.agent != config.name {
            let (found, configured) = (current.peer.agent, config.name.clone());
            return Err(IdentityError::OtherName { folder, found, configured });
        }
        Self::new(files, current).map_err(|source| IdentityError::Tls { folder, source })
    }

    fn new(files: AgentFiles, current: AgentIdentity) -> Result<Self, TlsError> {
        let shown = Arc::new(CurrentCredential::new(&current.credential)?);
        let servers = Arc::new(TrustedServers::new(&current.trust)?);
        Ok(Self { files: Arc::new(files), current, shown, servers })
    }

    /// The agent's name.
    pub(crate) fn agent(&self) -> &AgentName {
        &self.current.peer.agent
    }

    /// Connections as this agent.
    pub(crate) fn network(&self, clock: Arc<dyn Clock>) -> Result<Tls, TlsError> {
        let client = agent_client(self.shown.clone(), self.servers.clone(), clock)?;
        Ok(Tls::new(client, Some(self.shown.clone())))
    }

    fn serial(&self) -> Serial {
        self.current.peer.serial
    }

    fn validity(&self) -> Validity {
        self.current.credential.validity()
    }

    /// Uses what `next` holds from the next handshake on. Tells whether the
    /// certificate is another one.
    fn adopt(&mut self, next: AgentIdentity) -> Result<bool, TlsError> {
        if next.trust != self.current.trust {
            self.servers.replace_trust(&next.trust)?;
        }
        let renewed = next.peer.serial != self.serial();
        if renewed {
            self.shown.replace(&next.credential)?;
        }
        self.current = next;
        Ok(renewed)
    }

    fn adopt_trust(&mut self, trust: TrustBundle) -> Result<(), TlsError> {
        self.servers.replace_trust(&trust)?;
        self.current.trust = trust;
        Ok(())
    }

    /// Has connections opened anew, although they will show the same.
    fn show_again(&self) -> Result<(), TlsError> {
        self.shown.replace(&self.current.credential)
    }
}

/// Where the identity lies in a data folder.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("identity")
}

/// A moment in microseconds since 1970-01-01 UTC, for people.
#[must_use]
pub fn moment(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |moment| moment.to_string())
}
