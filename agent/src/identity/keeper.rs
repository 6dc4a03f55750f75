//! Keeps the identity good: renews the certificate in time, asks whom to trust,
//! and notices when somebody had this machine join anew.
//!
//! The time of day decides, and it can jump; so the keeper never sleeps for
//! long, and judges anew whenever it wakes.

use std::{convert::Infallible, sync::Arc, time::Duration};

use cofi_identity::{
    CertificateRequest, Renewal, RequestUnwritten,
    files::{AgentFiles, AgentFilesError, AgentIdentity, FileError, FolderLock},
    tls::TlsError,
};
use cofi_proto::clock::Clock;
use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
    time::{Instant, sleep},
};

use super::{
    Identity, moment,
    wire::{self, AskError},
};
use crate::{
    backoff::Backoff,
    chain::Chain,
    config::ControllerAddress,
    link::{Caller, Network, dial::Route, join_again},
};

/// The longest sleep: so late can a jump of the clock or another identity in
/// the files be noticed.
const STEP: Duration = Duration::from_secs(10);

/// The pause after a renewal, however short the new certificate's life, and
/// the first one after a renewal that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts to renew.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Between two questions whom to trust, and after one that failed.
const TRUST_INTERVAL: Duration = Duration::from_hours(1);
const TRUST_PAUSE: Duration = Duration::from_mins(1);

/// Keeps an identity good.
#[derive(Debug)]
pub(crate) struct Keeper {
    identity: Identity,
    network: Arc<dyn Network>,
    controller: ControllerAddress,
    clock: Arc<dyn Clock>,
    /// Sessions that were welcomed.
    sessions: watch::Receiver<u64>,
    backoff: Backoff,
    renew_from: Instant,
    trust_from: Option<Instant>,
    /// Whether it was said that the certificate has expired.
    expired: bool,
    told: Told,
}

/// What was said last, so that it is said once.
#[derive(Debug, Default)]
struct Told {
    renewal: Option<(Urgency, String)>,
    trust: Option<String>,
    files: Option<String>,
}

/// How much a renewal that fails matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// There is time.
    None,
    /// Less than a third of the certificate's life is left.
    Soon,
}

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
enum Unrenewed {
    #[error("somebody else is asking for a certificate")]
    Busy,
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Files(#[from] AgentFilesError),
    #[error(transparent)]
    Folder(#[from] FileError),
    #[error(transparent)]
    Request(#[from] RequestUnwritten),
    #[error("use another certificate")]
    Tls(#[from] TlsError),
    #[error("a thread ended unexpectedly")]
    Thread(#[from] JoinError),
}

impl Keeper {
    /// A keeper of `identity`, which asks the controller that the agent has its
    /// sessions with.
    pub(crate) fn new(
        identity: Identity,
        network: Arc<dyn Network>,
        controller: ControllerAddress,
        clock: Arc<dyn Clock>,
        sessions: watch::Receiver<u64>,
    ) -> Self {
        Self {
            identity,
            network,
            controller,
            clock,
            sessions,
            backoff: Backoff::new(PAUSE, LONGEST_PAUSE),
            renew_from: Instant::now(),
            trust_from: None,
            expired: false,
            told: Told::default(),
        }
    }

    /// Keeps the identity good for ever.
    pub(crate) async fn run(mut self) -> Infallible {
        loop {
            self.reload().await;
            let pause = self.look().await;
            if self.trust_from.is_some_and(|due| due <= Instant::now()) {
                self.ask_for_trust().await;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = begun(&mut self.sessions) => self.trust_from = Some(Instant::now()),
            }
        }
    }

    /// Does what the certificate calls for. Gives how long nothing else is to
    /// be done.
    async fn look(&mut self) -> Duration {
        let now = self.clock.now_micros();
        let renewal = self.identity.validity().renewal(self.identity.serial(), now);
        if renewal != Renewal::TooLate {
            self.expired = false;
        }
        match renewal {
            Renewal::At(then) => micros(then.saturating_sub(now)).min(STEP),
            Renewal::Due if self.renew_from <= Instant::now() => {
                let pause = match self.renew().await {
                    Ok(()) => PAUSE,
                    Err(error) => self.not_renewed(&error),
                };
                self.renew_from = Instant::now() + pause;
                pause.min(STEP)
            }
            Renewal::Due => self.renew_from.saturating_duration_since(Instant::now()).min(STEP),
            Renewal::TooLate => {
                self.too_late();
                STEP
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Unrenewed> {
        let (_lock, request) = on_files(&self.identity, prepare).await??;
        let answer = wire::renew(self.route(), request).await?;
        let (agent, clock) = (self.identity.agent().clone(), self.clock.clone());
        let install = move |files: &AgentFiles| files.install(answer, &agent, None, clock.now_micros());
        let renewed = on_files(&self.identity, install).await??;
        self.use_renewed(renewed)
    }

    fn use_renewed(&mut self, renewed: AgentIdentity) -> Result<(), Unrenewed> {
        self.identity.adopt(renewed)?;
        self.told.renewal = None;
        self.backoff.reset();
        tracing::info!(
            serial = %self.identity.serial(),
            until = moment(self.identity.validity().not_after_micros),
            "certificate renewed"
        );
        Ok(())
    }

    /// Says why a renewal failed, and gives how long to wait with the next: not
    /// so long that there would be fewer than some ten attempts in what is
    /// left.
    fn not_renewed(&mut self, error: &Unrenewed) -> Duration {
        let validity = self.identity.validity();
        let left = micros(validity.not_after_micros.saturating_sub(self.clock.now_micros()));
        let life = micros(validity.not_after_micros.saturating_sub(validity.not_before_micros));
        let urgency = if left < life / 3 { Urgency::Soon } else { Urgency::None };
        let told = Some((urgency, Chain(error).to_string()));
        if told != self.told.renewal
            && let Some((_, reason)) = &told
        {
            let until = moment(validity.not_after_micros);
            match urgency {
                Urgency::None => tracing::info!(reason, until, "certificate is not renewed yet"),
                Urgency::Soon => tracing::warn!(reason, until, "certificate is not renewed and expires soon"),
            }
            self.told.renewal = told;
        }
        self.backoff.pause().min(left / 10).max(PAUSE)
    }

    /// Says that it is too late, once, and has connections end that were
    /// opened with a certificate which is good no more.
    fn too_late(&mut self) {
        if self.expired {
            return;
        }
        self.expired = true;
        tracing::error!(
            since = moment(self.identity.validity().not_after_micros),
            todo = join_again(self.identity.agent()),
            "certificate has expired"
        );
        if let Err(error) = self.identity.show_again() {
            tracing::error!(error = %Chain(&error), "could not end connections");
        }
    }

    async fn ask_for_trust(&mut self) {
        let pause = match self.refresh_trust().await {
            Ok(()) => {
                self.told.trust = None;
                TRUST_INTERVAL
            }
            Err(error) => {
                let reason = Some(Chain(&error).to_string());
                if self.told.trust != reason {
                    tracing::info!(reason, "could not ask whom to trust");
                    self.told.trust = reason;
                }
                TRUST_PAUSE
            }
        };
        self.trust_from = Some(Instant::now() + pause);
    }

    async fn refresh_trust(&mut self) -> Result<(), Unrenewed> {
        let trust = wire::trust(self.route()).await?;
        if trust == self.identity.current.trust {
            return Ok(());
        }
        let next = trust.clone();
        on_files(&self.identity, move |files| {
            // Who joins at this moment is answered whom to trust.
            let _lock = files.lock()?.ok_or(Unrenewed::Busy)?;
            Ok::<_, Unrenewed>(files.replace_trust(&next)?)
        })
        .await??;
        self.identity.adopt_trust(trust)?;
        tracing::info!(authorities = ?self.identity.current.trust, "other controllers are trusted");
        Ok(())
    }

    /// Uses what is in the files, if that is something else by now.
    async fn reload(&mut self) {
        let reason = match on_files(&self.identity, AgentFiles::load).await {
            Ok(Ok(Some(found))) if found.peer.agent != *self.identity.agent() => {
                Some(format!("it is agent {} now: start this one anew", found.peer.agent))
            }
            Ok(Ok(Some(found))) => self.use_found(found).err().map(|error| Chain(&error).to_string()),
            Ok(Ok(None)) => Some("there is none any more".to_owned()),
            Ok(Err(error)) => Some(Chain(&error).to_string()),
            Err(error) => Some(Chain(&error).to_string()),
        };
        if let Some(reason) = &reason
            && self.told.files.as_ref() != Some(reason)
        {
            tracing::warn!(reason, "identity on the disk cannot be used, and the one in memory is");
        }
        self.told.files = reason;
    }

    fn use_found(&mut self, found: AgentIdentity) -> Result<(), TlsError> {
        if self.identity.adopt(found)? {
            self.told.renewal = None;
            tracing::info!(
                serial = %self.identity.serial(),
                until = moment(self.identity.validity().not_after_micros),
                "agent has joined anew"
            );
        }
        Ok(())
    }

    fn route(&self) -> Route {
        Route {
            network: self.network.clone(),
            controller: self.controller.clone(),
            caller: Caller::Agent(self.identity.agent().clone()),
        }
    }
}

/// Locks the files, and writes a request for the pending key.
fn prepare(files: &AgentFiles) -> Result<(FolderLock, Vec<u8>), Unrenewed> {
    let lock = files.lock()?.ok_or(Unrenewed::Busy)?;
    Ok((lock, CertificateRequest::write(&files.pending_key()?)?))
}

/// Does something with the files on a thread that may wait for a disk.
async fn on_files<T: Send + 'static>(
    identity: &Identity,
    work: impl FnOnce(&AgentFiles) -> T + Send + 'static,
) -> Result<T, JoinError> {
    let files = identity.files.clone();
    spawn_blocking(move || work(&files)).await
}

/// Waits for the next session to be welcomed.
async fn begun(sessions: &mut watch::Receiver<u64>) {
    if sessions.changed().await.is_err() {
        // The link has ended, and with it the agent.
        std::future::pending::<()>().await;
    }
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
