//! Joining: how a machine gets the certificate that makes an agent of it.
//!
//! Everything can be done again after a crash or a lost reply: the key is on
//! the disk before a certificate is asked for it, and the controller answers
//! the same token with the same key in the same way.

mod error;
mod wire;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cofi_identity::{
    CertificateRequest,
    files::{AgentFiles, AgentFilesError, AgentIdentity, Answer, FolderLock, read_secret},
    tls::joining_client,
    token::JoinToken,
};
use cofi_proto::{AgentName, clock::Clock};
use tokio::task::spawn_blocking;

pub use self::error::JoinError;
use crate::{
    config::ControllerAddress,
    identity,
    link::{Caller, Tls, dial::Route},
};

/// A machine that is to become an agent.
#[derive(Debug, Clone)]
pub struct Join {
    /// The controller's control listener, by default port 7400.
    pub controller: ControllerAddress,
    /// What the controller made for this agent.
    pub token: JoinToken,
    /// The agent's name.
    pub agent: AgentName,
    /// The agent's data folder.
    pub data_dir: PathBuf,
    /// Whether to join although there is an identity that is good, or of
    /// another agent.
    pub again: bool,
}

/// A machine that has become an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The agent's name.
    pub agent: AgentName,
    /// The last moment at which its certificate is good, in microseconds since
    /// 1970-01-01 UTC. The agent renews it long before.
    pub not_after_micros: i64,
}

/// Reads a join token from `file`, or from standard input where that is `-`.
/// Blocks.
pub fn read_token(file: &Path) -> Result<JoinToken, JoinError> {
    let path = if file == Path::new("-") { Path::new("/dev/stdin") } else { file };
    let secret = read_secret(path).map_err(JoinError::TokenFile)?;
    JoinToken::try_from(secret.as_slice())
        .map_err(|source| JoinError::Token { file: file.to_owned(), source })
}

/// Makes this machine an agent. The server is verified by the token before
/// that is sent.
pub async fn join(join: Join, clock: Arc<dyn Clock>) -> Result<Joined, JoinError> {
    let client = joining_client(join.token.authority(), clock.clone())?;
    let (prepared, now) = (join.clone(), clock.now_micros());
    let (files, _lock, request) = spawn_blocking(move || prepare(&prepared, now)).await??;
    let route = Route {
        network: Arc::new(Tls::new(client, None)),
        controller: join.controller.clone(),
        caller: Caller::Joining(join.agent.clone()),
    };
    let answer = wire::enrol(route, &join, request).await?;
    let identity = spawn_blocking(move || install(&files, answer, &join, clock.now_micros())).await??;
    Ok(Joined { agent: identity.peer.agent, not_after_micros: identity.peer.not_after_micros })
}

/// Looks whether this machine may join, and writes the request for its key.
/// Nobody else asks for a certificate until the lock is dropped.
fn prepare(join: &Join, now_micros: i64) -> Result<(AgentFiles, FolderLock, Vec<u8>), JoinError> {
    let folder = identity::folder(&join.data_dir);
    let files = AgentFiles::open_or_create(&folder).map_err(AgentFilesError::from)?;
    let lock = files.lock().map_err(AgentFilesError::from)?.ok_or(JoinError::Busy(folder))?;
    if !join.again {
        not_joined(&files, join, now_micros)?;
    }
    let request = CertificateRequest::write(&files.pending_key()?)?;
    Ok((files, lock, request))
}

/// Refuses where there is an identity that another would take the place of.
fn not_joined(files: &AgentFiles, join: &Join, now_micros: i64) -> Result<(), JoinError> {
    let AgentIdentity { peer, credential, .. } = match files.load() {
        Ok(Some(identity)) => identity,
        // It may be good, and cannot be looked at.
        Err(error @ AgentFilesError::File(_)) => return Err(error.into()),
        // There is none, or one that is good for nothing: joining is the way.
        Ok(None)
        | Err(
            AgentFilesError::Identity(_)
            | AgentFilesError::NotAnAgent(_)
            | AgentFilesError::Trust(_)
            | AgentFilesError::TrustLost
            | AgentFilesError::Pending(_)
            | AgentFilesError::Key(_)
            | AgentFilesError::Answer(_),
        ) => return Ok(()),
    };
    if peer.agent != join.agent {
        return Err(JoinError::OtherAgent { found: peer.agent, asked: join.agent.clone() });
    }
    if credential.validity().holds_at(now_micros) {
        return Err(JoinError::Already { agent: peer.agent, not_after_micros: peer.not_after_micros });
    }
    Ok(())
}

fn install(
    files: &AgentFiles,
    answer: Answer,
    join: &Join,
    now_micros: i64,
) -> Result<AgentIdentity, AgentFilesError> {
    files.install(answer, &join.agent, Some(join.token.authority()), now_micros)
}
