//! Letting go of recordings on hosts: on an operator's word, and by itself if
//! the configuration says how long they are kept.
//!
//! Page by page: what can be released is looked for without a lock, and then
//! released by a transaction that looks again. Nothing is remembered between
//! two pages, so that whatever ends this goes on with the next call, or the
//! next start.

use std::{sync::Arc, time::Duration};

use cofi_proto::clock::Clock;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::error_chain,
    ledger::{Deed, Ledger, LedgerError, ReleaseCause, ReleaseCounts, ReleaseScope, ReleaseTerms, Released},
};

/// Recordings that are looked at together.
const PAGE: i64 = 500;
/// Longest rest after a page: whoever works for recordings comes first.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Between two walks through everything that agents hold, a quarter of the time
/// that recordings are kept, within these.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// What recordings are released for.
const KEPT: &str = "kept for release_after_seconds";

/// Releases recordings, and has agents told.
#[derive(Debug, Clone)]
pub struct Releaser {
    /// Holds the rows.
    pub ledger: Ledger,
    /// Gives the time of day.
    pub clock: Arc<dyn Clock>,
    /// Rung when recordings were released: sessions tell their agents.
    pub due: Arc<watch::Sender<()>>,
}

impl Releaser {
    /// The same, acting for a deed.
    #[must_use]
    pub fn acting(&self, deed: Deed) -> Self {
        Self { ledger: self.ledger.acting(deed), ..self.clone() }
    }

    /// Looks through all of `scope` and releases what can be released, unless
    /// it is only to be counted.
    pub async fn release(
        &self,
        scope: &ReleaseScope,
        terms: &ReleaseTerms,
        dry_run: bool,
        stop: &CancellationToken,
    ) -> Result<ReleaseCounts, LedgerError> {
        let (now, mut counts, mut after) = (self.clock.now_micros(), ReleaseCounts::default(), None);
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let page = self.ledger.releasable(scope, after, PAGE, terms, now).await?;
            if page.last.is_none() {
                break;
            }
            after = page.last;
            if dry_run || page.recordings.is_empty() {
                counts.merge(page.counts);
            } else {
                let Released { counts: released, agents } =
                    self.ledger.release(&page.recordings, terms, now).await?;
                counts.merge(ReleaseCounts { released: 0, released_bytes: 0, ..page.counts });
                counts.merge(released);
                if !agents.is_empty() {
                    self.due.send_replace(());
                }
            }
            sleep(begun.elapsed().min(LONGEST_REST)).await;
        }
        Ok(counts)
    }
}

/// Releases what has been kept for long enough.
#[derive(Debug)]
pub struct Retention {
    /// Releases it.
    pub releaser: Releaser,
    /// How long recordings are kept once later stages are done with them.
    pub keep_seconds: u32,
}

impl Retention {
    /// Runs until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let kept = Duration::from_secs(self.keep_seconds.into());
        let pause = (kept / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
            match self.look(&stop).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    tracing::debug!(error = error_chain(&error), "nothing is released yet");
                }
                Err(error) => tracing::error!(error = error_chain(&error), "release old recordings"),
            }
        }
    }

    async fn look(&self, stop: &CancellationToken) -> Result<(), LedgerError> {
        let terms = ReleaseTerms {
            cause: ReleaseCause::Retention,
            reason: KEPT.to_owned(),
            older_than_seconds: self.keep_seconds,
        };
        for agent in self.releaser.ledger.all_agents().await? {
            let scope = ReleaseScope::Agent(agent.name.clone());
            let counts = self.releaser.release(&scope, &terms, false, stop).await?;
            if counts.released > 0 {
                let (recordings, bytes) = (counts.released, counts.released_bytes);
                tracing::info!(agent = %agent.name, recordings, bytes, "recordings are released");
            }
        }
        Ok(())
    }
}
