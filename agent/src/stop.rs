//! How the agent is told to end: in order, or at once.

use tokio_util::sync::CancellationToken;

/// The two tokens that end the agent. The first one drains: nothing new is
/// begun, what is in hand is finished. The second one stops.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Stop {
    /// Neither was asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for an end in order.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Asks for an end at once.
    pub fn stop(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }

    /// Waits until an end in order is asked for.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits until an end at once is asked for.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether an end in order was asked for.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Turns signals into tokens, for ever: the first SIGTERM or SIGINT drains,
    /// the second stops.
    pub async fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if self.is_draining() {
                tracing::info!("second signal, stopping");
                self.stop();
            } else {
                tracing::info!("draining, a second signal stops at once");
                self.drain();
            }
        }
    }
}
