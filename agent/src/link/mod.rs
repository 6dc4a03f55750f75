//! The connection to the controller: one session and its receive streams,
//! dialled again whenever any of them is lost.
//!
//! ```text
//!   dial -> hello -> welcome -> session, N receive streams
//!    ^                              |
//!    +--- pause <--- store settled <+
//! ```
//!
//! Before it dials again the store has made durable what had come in, so that
//! the next session offers it as held: an acknowledgement that was lost with a
//! stream is never the reason to send a recording twice.

pub(crate) mod dial;
mod error;
mod network;
mod outbox;
mod pulse;
mod receive;
mod refused;
mod removal;
mod session;
mod tls;
mod verify;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{Stop, backoff::Backoff, chain::Chain, config::Config, engine::Board, holdings::Holdings};
use error::LinkError;
pub use network::{Connection, Duplex, Network};
pub(crate) use refused::{Caller, Refused, join_again};
pub use tls::Tls;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where a person has to do something first.
const FIRST_PAUSE_REFUSED: Duration = Duration::from_secs(1);
const LONGEST_PAUSE_REFUSED: Duration = Duration::from_secs(30);

/// After a session that lived so long the next is dialled soon.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// What sessions work with.
#[derive(Debug, Clone)]
pub struct Link {
    /// How the agent is configured.
    pub config: Arc<Config>,
    /// What the agent holds.
    pub holdings: Arc<dyn Holdings>,
    /// Where the controller is dialled.
    pub network: Arc<dyn Network>,
    /// The engine's state, told in heartbeats.
    pub board: watch::Receiver<Board>,
    /// Position of the last result that the session has sent.
    pub sent: Arc<watch::Sender<i64>>,
    /// Counts the sessions that the controller has welcomed.
    pub sessions: Arc<watch::Sender<u64>>,
    /// Tells the agent to end.
    pub stop: Stop,
    /// Everything that can be sent was sent.
    pub close: CancellationToken,
}

impl Link {
    /// The way to the controller.
    fn route(&self) -> dial::Route {
        dial::Route {
            network: self.network.clone(),
            controller: self.config.controller.clone(),
            caller: Caller::Agent(self.config.name.clone()),
        }
    }

    /// Keeps a session up until it is closed, or lost while draining.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut usual = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut refused = Backoff::new(FIRST_PAUSE_REFUSED, LONGEST_PAUSE_REFUSED);
        let mut told = String::new();
        loop {
            let begun = Instant::now();
            let mut renewed = self.network.renewed();
            let lost = match session::hold(&self, &mut renewed).await {
                Ok(session::Closed) => return Ok(()),
                Err(lost) => lost,
            };
            self.sent.send_replace(0);
            self.holdings.settle().await?;
            if self.stop.is_draining() {
                tracing::info!(reason = %Chain(&lost), "session lost while draining");
                return Ok(());
            }
            if begun.elapsed() >= GOOD_SESSION {
                usual.reset();
                refused.reset();
            }
            tell(&lost, &mut told);
            if matches!(lost, LinkError::Renewed) {
                continue;
            }
            let backoff = if matches!(lost, LinkError::Refused(_)) { &mut refused } else { &mut usual };
            let pause = backoff.pause();
            tokio::select! {
                () = sleep(pause) => {}
                () = &mut renewed => {}
                () = self.stop.draining() => return Ok(()),
            }
        }
    }
}

/// Says why a session was lost, once while it stays the same.
fn tell(lost: &LinkError, told: &mut String) {
    let reason = Chain(lost).to_string();
    if reason == *told {
        tracing::debug!(reason, "session lost again");
    } else if lost.needs_a_person() {
        tracing::warn!(reason, "no session until a person has done something");
    } else {
        tracing::info!(reason, "session lost");
    }
    *told = reason;
}
