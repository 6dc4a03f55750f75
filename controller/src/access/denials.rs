//! What was refused, counted before it is written down: whoever is refused a
//! thousand times a second must not fill the database with it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cofi_proto::clock::Clock;
use tokio::{sync::mpsc, time::interval};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::error_chain,
    ledger::{AuditEntry, Ledger},
};

/// Refusals that wait to be counted. More than that come in only under attack,
/// and are counted as lost.
const QUEUE: usize = 1024;
/// Between two times that refusals are written down.
const INTERVAL: Duration = Duration::from_secs(10);
/// Kinds of refusals that are told apart in that time; the rest is one kind.
const KINDS: usize = 64;

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Denial {
    /// Who, as the audit has it.
    pub(crate) actor: String,
    /// From where.
    pub(crate) peer: String,
    /// What was asked for.
    pub(crate) action: String,
    /// About what.
    pub(crate) target: String,
    /// Why it was refused.
    pub(crate) detail: String,
}

/// Takes refusals, and never waits.
#[derive(Debug, Clone)]
pub struct Denials(mpsc::Sender<Denial>);

/// Counts refusals and has them written down.
#[derive(Debug)]
pub(crate) struct DenialLog {
    heard: mpsc::Receiver<Denial>,
    counts: HashMap<Denial, u32>,
}

impl Denials {
    pub(crate) fn new() -> (Self, DenialLog) {
        let (sender, heard) = mpsc::channel(QUEUE);
        (Self(sender), DenialLog { heard, counts: HashMap::new() })
    }

    /// Has nobody hear: for where nothing is written down.
    #[must_use]
    pub fn unheard() -> Self {
        Self::new().0
    }

    /// Has a refusal written down, soon and together with others.
    pub(crate) fn note(&self, denial: Denial) {
        tracing::debug!(?denial, "refused");
        // Under attack some are not counted; that there was one is.
        self.0.try_send(denial).ok();
    }
}

impl DenialLog {
    /// Runs until it is stopped; what it has heard is written down then.
    pub(crate) async fn run(mut self, ledger: Ledger, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    while let Ok(denial) = self.heard.try_recv() {
                        self.count(denial);
                    }
                    return self.write(&ledger, &*clock).await;
                }
                Some(denial) = self.heard.recv() => self.count(denial),
                _ = ticks.tick() => self.write(&ledger, &*clock).await,
            }
        }
    }

    fn count(&mut self, denial: Denial) {
        let kinds = self.counts.len();
        let count = match self.counts.get_mut(&denial) {
            Some(count) => count,
            None if kinds < KINDS => self.counts.entry(denial).or_default(),
            None => self.counts.entry(others()).or_default(),
        };
        *count = count.saturating_add(1);
    }

    async fn write(&mut self, ledger: &Ledger, clock: &dyn Clock) {
        if self.counts.is_empty() {
            return;
        }
        let at = clock.now_micros();
        let entries = self.counts.iter().map(|(denial, count)| {
            let Denial { actor, peer, action, target, detail } = denial.clone();
            AuditEntry { at, actor, peer, action, target, denied: true, detail, count: *count }
        });
        let entries: Vec<AuditEntry> = entries.collect();
        match ledger.note_denials(&entries).await {
            Ok(()) => self.counts.clear(),
            // They are kept, and counted together with the next ones.
            Err(error) => tracing::warn!(error = error_chain(&error), "cannot write down what was refused"),
        }
    }
}

/// All kinds beyond those that are told apart.
fn others() -> Denial {
    Denial {
        actor: "nobody".to_owned(),
        peer: String::new(),
        action: "many things".to_owned(),
        target: String::new(),
        detail: "more kinds of refusals than are told apart".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(number: usize) -> Denial {
        Denial {
            actor: "nobody".to_owned(),
            peer: format!("10.0.0.{number}"),
            action: "BatchService.GetBatch".to_owned(),
            target: String::new(),
            detail: "no token".to_owned(),
        }
    }

    #[test]
    fn refusals_that_are_alike_are_counted_and_kinds_are_bounded() {
        let (_, mut log) = Denials::new();
        for _ in 0..5 {
            (0..KINDS * 3).for_each(|number| log.count(denial(number)));
        }
        assert_eq!(log.counts.len(), KINDS + 1);
        assert_eq!(log.counts.get(&denial(0)), Some(&5));
        let total: u32 = log.counts.values().sum();
        assert_eq!(usize::try_from(total).unwrap(), KINDS * 3 * 5);
    }

    #[tokio::test]
    async fn whoever_is_refused_too_often_is_not_waited_for() {
        let (denials, mut log) = Denials::new();
        (0..QUEUE * 2).for_each(|_| denials.note(denial(0)));
        let mut heard = 0;
        while log.heard.try_recv().is_ok() {
            heard += 1;
        }
        assert_eq!(heard, QUEUE);
    }
}
