//! Which controller is called, and how.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cofi_identity::tls::{Refusal, TrustedServers, operator_client};
use cofi_proto::clock::SystemClock;
use tokio_rustls::rustls::ClientConfig;

use super::{Address, ClientError, bearer::Bearer};
use crate::credentials::Credentials;

/// Where the controller is, by what it is known, with what it is called, and
/// how patient to be with it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(super) address: Address,
    /// For every call; without it a default, and what goes through a whole
    /// batch may take as long as it takes.
    pub(super) timeout: Option<Duration>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) bearer: Bearer,
    /// Where the trusted authorities and the token were found, for words.
    trust_path: PathBuf,
    token_path: PathBuf,
}

impl Target {
    pub(crate) fn new(
        address: Address,
        timeout: Option<Duration>,
        credentials: Credentials,
    ) -> Result<Self, ClientError> {
        let Credentials { trust, trust_path, token, token_path } = credentials;
        let servers = Arc::new(TrustedServers::new(&trust)?);
        let tls = operator_client(servers, Arc::new(SystemClock))?;
        Ok(Self { address, timeout, tls, bearer: Bearer::new(&token), trust_path, token_path })
    }

    pub(super) fn url(&self) -> String {
        self.address.url().to_owned()
    }

    pub(super) fn token_path(&self) -> String {
        self.token_path.display().to_string()
    }

    pub(super) fn unreachable(&self, source: tonic::transport::Error) -> ClientError {
        ClientError::Unreachable { url: self.url(), source }
    }

    pub(super) fn distrusted(&self, refusal: Refusal) -> ClientError {
        ClientError::Distrusted { url: self.url(), refusal, trust_path: self.trust_path.clone() }
    }
}
