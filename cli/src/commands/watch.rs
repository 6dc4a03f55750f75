//! Following a batch on the terminal.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::{
    client::{Watch, WatchEvent},
    error::Error,
    exit::Exit,
    output::{Console, Progress},
    view::{Batch, Counts, EarlierBatch},
};

/// Follows a batch until it rests, and prints where it stands then.
pub(super) async fn follow(watch: Watch, console: Console) -> Result<Exit, Error> {
    let mut progress = console.progress();
    let followed = until_rest(watch, &mut progress).await;
    progress.clear();
    if let Seen::Earlier(batch) = followed? {
        let identified = batch.tables.identified.is_some() && batch.tables.identified == batch.tables.calls;
        console.earlier_snapshot(&batch)?;
        return Ok(if identified { Exit::Done } else { Exit::WithFailures });
    }
    let Some(batch) = progress.last() else { return Ok(Exit::Done) };
    if !console.is_json() {
        console.batch(batch)?;
    }
    Ok(exit_of(batch))
}

/// What a watch turned out to be about.
#[derive(Debug)]
pub(super) enum Seen {
    /// A batch whose snapshots were shown.
    Own,
    /// A batch that an earlier service wrote, not shown yet.
    Earlier(Box<EarlierBatch>),
}

/// Shows the snapshots of a batch as they come, until it rests.
pub(super) async fn until_rest(mut watch: Watch, progress: &mut Progress) -> Result<Seen, Error> {
    while let Some(event) = watch.next().await? {
        if let Seen::Earlier(batch) = show(event, progress)? {
            return Ok(Seen::Earlier(batch));
        }
    }
    Ok(Seen::Own)
}

/// As [`until_rest`], but no longer than `limit` while the batch waits for
/// something and nothing changes.
pub(super) async fn while_it_gets_on(
    mut watch: Watch,
    progress: &mut Progress,
    limit: Duration,
) -> Result<(), Error> {
    let mut headway = Headway::begin();
    loop {
        let waiting_for = progress.last().and_then(|batch| batch.waiting_for.clone());
        let event = tokio::select! {
            event = watch.next() => event?,
            reason = headway.lost(waiting_for, limit) => return Err(Error::NoHeadway { limit, reason }),
        };
        let Some(event) = event else { return Ok(()) };
        // Who waits for headway has planned the batch.
        show(event, progress)?;
        if let Some(batch) = progress.last() {
            headway.counts(batch.counts);
        }
    }
}

/// Since when nothing has changed.
struct Headway {
    counts: Option<Counts>,
    since: Instant,
}

impl Headway {
    fn begin() -> Self {
        Self { counts: None, since: Instant::now() }
    }

    fn counts(&mut self, counts: Counts) {
        if self.counts != Some(counts) {
            *self = Self { counts: Some(counts), since: Instant::now() };
        }
    }

    /// Comes true when the batch has waited too long; never while it does not
    /// wait.
    async fn lost(&self, waiting_for: Option<String>, limit: Duration) -> String {
        match waiting_for {
            Some(reason) => {
                sleep_until(self.since + limit).await;
                reason
            }
            None => std::future::pending().await,
        }
    }
}

fn show(event: WatchEvent, progress: &mut Progress) -> Result<Seen, Error> {
    match event {
        WatchEvent::Snapshot { batch, after_outage } => {
            if after_outage {
                progress.note("the controller is back");
            }
            progress.snapshot(&batch)?;
        }
        WatchEvent::Earlier(batch) => return Ok(Seen::Earlier(batch)),
        WatchEvent::Lost { reason } => {
            progress.note(&format!("lost the controller, trying to come back: {reason}"));
        }
    }
    Ok(Seen::Own)
}

/// A batch went well if every recording of it has a language.
pub(super) fn exit_of(batch: &Batch) -> Exit {
    if batch.counts.all_identified() { Exit::Done } else { Exit::WithFailures }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(3);

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_waits_too_long_is_given_up_with_what_it_waits_for() {
        let (begun, headway) = (Instant::now(), Headway::begin());
        assert_eq!(headway.lost(Some("a model".to_owned()), LIMIT).await, "a model");
        assert_eq!(begun.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_does_not_wait_may_take_its_time() {
        let lost = tokio::time::timeout(LIMIT * 100, Headway::begin().lost(None, LIMIT)).await;
        assert!(lost.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn only_changed_counts_are_headway() {
        let (begun, mut headway) = (Instant::now(), Headway::begin());
        let stored = Counts { stored: 1, ..Counts::default() };
        headway.counts(stored);
        tokio::time::advance(LIMIT / 2).await;
        headway.counts(stored);
        assert_eq!(headway.since, begun);
        headway.counts(Counts { stored: 2, ..stored });
        assert_eq!(headway.since, begun + LIMIT / 2);
    }
}
