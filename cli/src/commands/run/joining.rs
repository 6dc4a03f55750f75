//! How the agent of this process gets its certificate: like any other, with a
//! join token, but without anybody carrying it from here to there.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use cofi_agent::Join;
use cofi_identity::{
    TrustBundle,
    files::{AgentFiles, AgentFilesError, AgentIdentity, FileError},
};
use cofi_proto::{
    AgentName,
    clock::{Clock as _, SystemClock},
};
use tokio::task::spawn_blocking;

use super::door::Door;
use crate::commands::connect;

/// Sees to it that `agent` has an identity in its folder that its controller
/// accepts.
pub(super) async fn join(door: &Door, data_dir: PathBuf, agent: AgentName) -> anyhow::Result<()> {
    let credentials = door.credentials().await?;
    let (identity, name, trust) = (data_dir.join("identity"), agent.clone(), credentials.trust.clone());
    let now_micros = SystemClock.now_micros();
    if spawn_blocking(move || has_joined(&identity, &name, &trust, now_micros)).await?? {
        return Ok(());
    }
    let client = connect(door.target(credentials)?).await?;
    let made = client.create_join_token(agent.to_string(), None).await.context("make a join token")?;
    let token = made.secret.reveal().parse().context("read a join token")?;
    // What is there is good for nothing.
    let join = Join { controller: door.control.into(), token, agent, data_dir, again: true };
    cofi_agent::join(join, Arc::new(SystemClock)).await?;
    Ok(())
}

/// Whether `folder` has an identity of `agent` that is good for the controller
/// that trusts `trust`.
fn has_joined(
    folder: &Path,
    agent: &AgentName,
    trust: &TrustBundle,
    now_micros: i64,
) -> Result<bool, FileError> {
    let Some(files) = AgentFiles::open(folder)? else { return Ok(false) };
    match files.load() {
        Ok(identity) => Ok(identity.is_some_and(|identity| is_good(&identity, agent, trust, now_micros))),
        Err(AgentFilesError::File(error)) => Err(error),
        // Whatever else is wrong with an identity, another takes its place.
        Err(_) => Ok(false),
    }
}

fn is_good(identity: &AgentIdentity, agent: &AgentName, trust: &TrustBundle, now_micros: i64) -> bool {
    identity.peer.agent == *agent
        && identity.credential.validity().holds_at(now_micros)
        // A data folder whose controller was made anew has another authority.
        && identity.trust == *trust
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cofi_identity::{AGENT_LIFETIME, Authority, files::Answer};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: i64 = 1_800_000_000_000_000;

    fn name() -> AgentName {
        "local".parse().unwrap()
    }

    fn trust_in(authority: &Authority) -> TrustBundle {
        TrustBundle::new([authority.certificate().clone()]).unwrap()
    }

    /// Gives the agent in `folder` a certificate of this lifetime.
    fn install(folder: &Path, authority: &Authority, lifetime: Duration) {
        let files = AgentFiles::open_or_create(folder).unwrap();
        let key = files.pending_key().unwrap();
        let issued = authority.issue_agent(&name(), key.public_key(), NOW, lifetime).unwrap();
        let answer = Answer { certificate: issued.der, trust: trust_in(authority) };
        files.install(answer, &name(), None, NOW).unwrap();
    }

    #[test]
    fn an_agent_joins_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("identity");
        let authority = Authority::create(NOW).unwrap();
        let joined = || has_joined(&folder, &name(), &trust_in(&authority), NOW + 1).unwrap();
        assert!(!joined());
        install(&folder, &authority, AGENT_LIFETIME);
        assert!(joined());
    }

    #[test]
    fn an_agent_joins_again_where_its_certificate_is_no_good() {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::create(NOW).unwrap();
        let later = NOW + i64::try_from(2 * DAY.as_micros()).unwrap();
        let joined = |folder: &Path| has_joined(folder, &name(), &trust_in(&authority), later).unwrap();

        let expired = home.path().join("expired");
        install(&expired, &authority, DAY);
        let foreign = home.path().join("foreign");
        install(&foreign, &Authority::create(NOW).unwrap(), AGENT_LIFETIME);
        let damaged = home.path().join("damaged");
        install(&damaged, &authority, AGENT_LIFETIME);
        assert!(joined(&damaged));
        std::fs::write(damaged.join("identity.pem"), "").unwrap();
        for folder in [expired, foreign, damaged] {
            assert!(!joined(&folder), "{}", folder.display());
        }
    }
}
