//! Who the controller is: its authority, its certificate, and whom it trusts,
//! as they stand in the files of its folder.
//!
//! The files are looked at all the time, so that whoever changes them, an
//! administrator or the calendar, need not start the controller again. New
//! handshakes have what is new; connections that are open go on.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use cofi_identity::{
    AgentCertificate, Authority, Credential, IssueError, KeyHash, PublicKey, Revocations, ServerNames,
    TrustBundle,
    files::{ControllerFiles, ControllerFilesError, ControllerIdentity},
    tls::{self, AgentGate, CurrentCredential, TlsError},
    token::{AccessToken, JoinToken, Role},
};
use cofi_proto::{AgentName, clock::Clock};
use rustls::ServerConfig;
use tokio::{sync::watch, task::spawn_blocking, time::interval};
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, LedgerError, NewToken};

/// Between two looks at the files. A certificate that is due is renewed by such
/// a look.
const INTERVAL: Duration = Duration::from_secs(10);
/// Of the folder, in the state directory.
pub(crate) const FOLDER: &str = "identity";

/// What the controller is, for all that need it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    issuer: watch::Receiver<Issuer>,
    server: Arc<CurrentCredential>,
    gate: Arc<AgentGate>,
    pub(crate) revocations: Arc<Revocations>,
    agent_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

/// What certificates are issued with, and what is told to whom gets one.
#[derive(Debug, Clone)]
struct Issuer {
    authority: Arc<Authority>,
    trust: TrustBundle,
}

/// Keeps an [`Identity`] as its files say.
#[derive(Debug)]
pub(crate) struct Keeper {
    files: Arc<ControllerFiles>,
    names: ServerNames,
    issuer: watch::Sender<Issuer>,
    shown: Shown,
    identity: Identity,
}

/// What the files said when they were looked at last.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    authority: KeyHash,
    server: cofi_identity::Serial,
    trust: TrustBundle,
}

impl Shown {
    fn of(files: &ControllerIdentity) -> Self {
        Self {
            authority: files.authority.key_hash(),
            server: files.server.serial(),
            trust: files.trust.clone(),
        }
    }
}

impl Identity {
    /// Reads who the controller is, or makes it up at its first start.
    /// Certificates of agents are good for `agent_lifetime`.
    pub(crate) async fn open(
        state_dir: &Path,
        names: ServerNames,
        agent_lifetime: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<(Self, Keeper)> {
        let folder = state_dir.join(FOLDER);
        let (now, wanted) = (clock.now_micros(), names.clone());
        let reading = spawn_blocking(move || {
            let files = ControllerFiles::open_or_create(&folder)
                .with_context(|| format!("open the folder {}", folder.display()))?;
            let found = files.load_or_create(&wanted, now)?;
            anyhow::Ok((files, found))
        });
        let (files, found) = reading.await??;
        let shown = Shown::of(&found);
        let ControllerIdentity { authority, trust, server } = found;
        let revocations = Arc::new(Revocations::default());
        let gate = Arc::new(AgentGate::new(&trust, revocations.clone())?);
        let server = Arc::new(CurrentCredential::new(&server)?);
        let issuer = watch::Sender::new(Issuer { authority: Arc::new(authority), trust });
        let identity = Self { issuer: issuer.subscribe(), server, gate, revocations, agent_lifetime, clock };
        let keeper = Keeper { files: Arc::new(files), names, issuer, shown, identity: identity.clone() };
        Ok((identity, keeper))
    }

    /// TLS for the listener of the agents.
    pub(crate) fn for_agents(&self) -> Result<Arc<ServerConfig>, TlsError> {
        tls::agents_listener(self.server.clone(), self.gate.clone(), self.clock.clone())
    }

    /// TLS for the control listener.
    pub(crate) fn for_control(&self) -> Result<Arc<ServerConfig>, TlsError> {
        tls::control_listener(self.server.clone(), self.clock.clone())
    }

    /// Issues a certificate.
    pub(crate) fn issue(
        &self,
        agent: &AgentName,
        key: &PublicKey,
        now: i64,
    ) -> Result<AgentCertificate, IssueError> {
        let authority = self.issuer.borrow().authority.clone();
        authority.issue_agent(agent, key, now, self.agent_lifetime)
    }

    /// A new token with which a machine joins.
    pub(crate) fn join_token(&self) -> Result<JoinToken, cofi_identity::NoRandomness> {
        JoinToken::generate(self.issuer.borrow().authority.key_hash())
    }

    /// The trusted authorities in PEM.
    pub(crate) fn trust_pem(&self) -> String {
        self.issuer.borrow().trust.to_pem()
    }
}

impl Keeper {
    /// Makes sure that there is a good operator's token in the folder: whoever
    /// may read it there owns the controller anyway.
    pub(crate) async fn keep_operator_token(&self, ledger: &Ledger) -> anyhow::Result<()> {
        let now = self.identity.clock.now_micros();
        if let Some(token) = self.operator_token().await? {
            match ledger.token(token.id()).await {
                Ok(record)
                    if record.access_record().is_some_and(|record| record.role_of(&token, now).is_ok()) =>
                {
                    return Ok(());
                }
                // The database is another one than it was.
                Err(LedgerError::NoSuchToken(_)) => return record_token(ledger, &token, now).await,
                // It was revoked.
                Ok(_) => {}
                Err(error) => return Err(error).context("look for the operator's token"),
            }
        }
        let token = AccessToken::generate(Role::Operator)?;
        let (files, kept) = (self.files.clone(), token.clone());
        spawn_blocking(move || files.write_operator_token(&kept)).await??;
        record_token(ledger, &token, now).await
    }

    async fn operator_token(&self) -> anyhow::Result<Option<AccessToken>> {
        let files = self.files.clone();
        Ok(spawn_blocking(move || files.operator_token()).await??)
    }

    /// Runs until it is stopped.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        let mut told = String::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let failed = self.look().await.err().map(|error| format!("{error:#}")).unwrap_or_default();
            if !failed.is_empty() && failed != told {
                tracing::error!(
                    error = failed,
                    "cannot use the files of the controller's identity; what was read before goes on"
                );
            }
            told = failed;
        }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let (files, names, now) = (self.files.clone(), self.names.clone(), self.identity.clock.now_micros());
        let reading = spawn_blocking(move || files.load_or_create(&names, now));
        let found: Result<ControllerIdentity, ControllerFilesError> = reading.await?;
        let found = found?;
        let shown = Shown::of(&found);
        if shown == self.shown {
            return Ok(());
        }
        let ControllerIdentity { authority, trust, server } = found;
        self.show(&server, &trust)?;
        self.issuer.send_replace(Issuer { authority: Arc::new(authority), trust });
        tracing::info!(
            certificate = %shown.server,
            authority = %shown.authority,
            trusted = shown.trust.certificates().count(),
            "the controller's identity has changed"
        );
        self.shown = shown;
        Ok(())
    }

    fn show(&self, server: &Credential, trust: &TrustBundle) -> Result<(), TlsError> {
        self.identity.gate.replace_trust(trust)?;
        self.identity.server.replace(server)
    }
}

async fn record_token(ledger: &Ledger, token: &AccessToken, now: i64) -> anyhow::Result<()> {
    let new = NewToken::access(token, "made at a start, in the state directory", now, None);
    ledger.add_token(&new).await.context("record the operator's token")
}
