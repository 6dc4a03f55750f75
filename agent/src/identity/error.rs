//! Why an agent has no identity to start with.

use std::path::{Path, PathBuf};

use cofi_identity::{files::AgentFilesError, tls::TlsError};
use cofi_proto::AgentName;

use crate::{Config, config::ControllerAddress};

/// Why an agent has no identity to start with. It has to be mended before the
/// next start: the program ends with `EX_CONFIG` of sysexits.h.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The machine has not joined a controller.
    #[error(
        "there is no identity in {folder}: join first, with a token that `cofi token create --join {agent}` \
         makes at the controller, by `cofi-agent join --controller {host}:7400 --token-file FILE --name {agent} \
         --data-dir {data_dir}`", folder = folder.display(), data_dir = data_dir.display()
    )]
    NotJoined {
        /// Where it was looked for.
        folder: PathBuf,
        /// The data folder.
        data_dir: PathBuf,
        /// The name that the agent would have.
        agent: AgentName,
        /// The host of the controller, as part of an address.
        host: String,
    },
    /// The certificate is for an agent of another name.
    #[error(
        "name is {:?}, but the certificate in {folder} is for agent {found}: take `name` out of the \
         configuration, or join under the other name with `cofi-agent join --again`", configured.as_str(),
        folder = folder.display()
    )]
    OtherName {
        /// Where the certificate lies.
        folder: PathBuf,
        /// Whom it is for.
        found: AgentName,
        /// Whom it should be for.
        configured: AgentName,
    },
    /// The files cannot be used.
    #[error("read the identity in {folder}", folder = folder.display())]
    Files {
        /// Where they lie.
        folder: PathBuf,
        /// Why not.
        source: AgentFilesError,
    },
    /// Key, certificate or trusted authorities are not accepted.
    #[error("use the identity in {folder}", folder = folder.display())]
    Tls {
        /// Where they lie.
        folder: PathBuf,
        /// Why not.
        source: TlsError,
    },
}

impl IdentityError {
    pub(super) fn folder(folder: &Path, source: impl Into<AgentFilesError>) -> Self {
        Self::Files { folder: folder.to_owned(), source: source.into() }
    }

    pub(super) fn not_joined(config: &Config) -> Self {
        Self::NotJoined {
            folder: super::folder(&config.data_dir),
            data_dir: config.data_dir.clone(),
            agent: config.name.clone(),
            host: bracketed(&config.controller),
        }
    }
}

/// The host as it stands before a port.
fn bracketed(controller: &ControllerAddress) -> String {
    let text = controller.to_string();
    text.rsplit_once(':').map_or_else(String::new, |(host, _)| host.to_owned())
}
