//! How batches get on: one poller looks at the rows of every batch that has
//! work left or is watched, settles its stages, and shares what it saw with
//! all watchers.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cofi_proto::BatchId;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::error_chain,
    dispatch::{AgentStatus, Dispatch},
    health::Health,
    ledger::{BatchRecord, Highlights, Ledger, LedgerError},
    scheduler::Event,
};

/// Between two looks at a batch.
const INTERVAL: Duration = Duration::from_secs(1);
/// A database that takes longer to write nothing does not answer.
const ANSWER: Duration = Duration::from_secs(3);
/// A look may take this share of the time: a large batch is looked at less
/// often.
const SHARE: u32 = 10;
/// Longest pause between two looks, however long one took: the database may
/// have stood still.
const LONGEST: Duration = Duration::from_secs(10);
/// Looks that rates are taken over.
const SAMPLES: usize = 6;

/// A batch as it was at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its rows.
    pub record: BatchRecord,
    /// Languages and newest failures.
    pub highlights: Highlights,
    /// How fast it gets on.
    pub rates: Rates,
    /// Why work that is left does not go on.
    pub waiting_for: Option<String>,
}

/// How fast a batch gets on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// Recordings placed a second.
    pub stored_per_second: f64,
    /// Bytes placed a second.
    pub stored_bytes_per_second: f64,
    /// Recordings identified, or given up, a second.
    pub identified_per_second: f64,
}

type Shared = watch::Sender<Option<Arc<View>>>;

/// Looks at batches, and lets others look.
#[derive(Debug, Clone)]
pub struct Progress {
    ledger: Ledger,
    dispatch: Dispatch,
    health: Health,
    /// A lock and no task: it is held for one look-up, by watchers that come
    /// and go.
    watched: Arc<Mutex<HashMap<BatchId, Shared>>>,
}

impl Progress {
    /// Nobody watches yet.
    #[must_use]
    pub fn new(ledger: Ledger, dispatch: Dispatch, health: Health) -> Self {
        Self { ledger, dispatch, health, watched: Arc::default() }
    }

    /// The batch at this moment; rates are known only to the poller.
    pub async fn view(&self, batch: BatchId) -> Result<View, LedgerError> {
        self.view_of(self.ledger.batch(batch).await?).await
    }

    /// A batch that was just read, with what is told beside its counts.
    pub async fn view_of(&self, record: BatchRecord) -> Result<View, LedgerError> {
        let highlights = self.ledger.highlights(record.batch).await?;
        let waiting_for = self.waiting_for(&record).await?;
        Ok(View { record, highlights, rates: Rates::default(), waiting_for })
    }

    /// Why what is left of a batch does not go on: nobody takes what is unsent,
    /// or those who hold what is unidentified are away.
    async fn waiting_for(&self, record: &BatchRecord) -> Result<Option<String>, LedgerError> {
        if record.rests() {
            return Ok(None);
        }
        if record.counts.planned > 0 {
            return Ok(self.dispatch.waiting_for(record.batch).await);
        }
        let holders = self.ledger.lid_holders(record.batch).await?;
        let agents: BTreeMap<String, AgentStatus> = self
            .dispatch
            .agents()
            .await
            .into_iter()
            .map(|(name, status)| (name.to_string(), status))
            .collect();
        let mut why = Vec::new();
        for (name, recordings) in holders {
            match agents.get(&name) {
                None => why.push(format!("{name} to connect (it holds {recordings} recordings to identify)")),
                Some(AgentStatus { unfit: Some(unfit), .. }) => why.push(format!("{name}, which {unfit}")),
                // One that works is enough for the batch to get on.
                Some(_) => return Ok(None),
            }
        }
        Ok((!why.is_empty()).then(|| why.join("; ")))
    }

    /// What the poller sees of a batch from now on.
    #[must_use]
    pub fn watch(&self, batch: BatchId) -> watch::Receiver<Option<Arc<View>>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.entry(batch).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    fn watched(&self) -> Vec<BatchId> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, shared| shared.receiver_count() > 0);
        watched.keys().copied().collect()
    }

    fn share(&self, view: View) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = watched.get(&view.record.batch) {
            shared.send_replace(Some(Arc::new(view)));
        }
    }

    /// Polls until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut poller = Poller { progress: self, histories: HashMap::new() };
        let mut pause = INTERVAL;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let begun = Instant::now();
            let looked = poller.look().await;
            // While the database is away, looks take long for no good reason.
            pause = match looked {
                Ok(true) => (begun.elapsed() * SHARE).clamp(INTERVAL, LONGEST),
                Ok(false) | Err(_) => INTERVAL,
            };
            match looked {
                Ok(true) => poller.progress.health.database_answered(),
                Ok(false) => poller.progress.health.database_silent(),
                Err(error) if error.is_transient() => poller.progress.health.database_failed(&error),
                Err(error) => tracing::error!(error = error_chain(&error), "look at the batches"),
            }
        }
    }
}

/// What the poller remembers of a batch.
#[derive(Debug, Default)]
struct History {
    samples: VecDeque<(Instant, [u64; 3])>,
    settled: Option<[u64; 6]>,
}

#[derive(Debug)]
struct Poller {
    progress: Progress,
    histories: HashMap<BatchId, History>,
}

impl Poller {
    /// Looks at every batch; false if the database does not answer.
    async fn look(&mut self) -> Result<bool, LedgerError> {
        let Ok(answer) = tokio::time::timeout(ANSWER, self.progress.ledger.probe()).await else {
            return Ok(false);
        };
        answer?;
        let mut batches = self.progress.ledger.unfinished_batches().await?;
        batches.extend(self.progress.watched());
        batches.sort_unstable();
        batches.dedup();
        self.histories.retain(|batch, _| batches.contains(batch));
        for batch in batches {
            match LedgerError::or_silence(self.look_at(batch)).await {
                Err(LedgerError::NoSuchBatch(_) | LedgerError::EarlierBatch(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn look_at(&mut self, batch: BatchId) -> Result<(), LedgerError> {
        let mut view = self.progress.view(batch).await?;
        let history = self.histories.entry(batch).or_default();
        if history.settled != Some(deciding(&view.record)) {
            let settled = self.progress.ledger.settle_batch(batch).await?;
            failpoint!(async STAGES_COMMITTED => return Err(LedgerError::failpoint()));
            history.settled = Some(deciding(&settled));
        }
        // The rows decide: whoever changed them may not have been heard.
        let dispatch = &self.progress.dispatch;
        if view.record.cancelled {
            dispatch.event(Event::BatchCancelled(batch)).await;
        } else if view.record.counts.planned > 0 {
            dispatch.batch_waits(view.record.clone()).await;
        }
        view.rates = history.rates(&view.record);
        self.progress.share(view);
        Ok(())
    }
}

/// What decides about the stages: only that is worth a writing transaction.
fn deciding(record: &BatchRecord) -> [u64; 6] {
    let counts = &record.counts;
    [
        u64::from(counts.stored > 0) + u64::from(counts.stored == counts.recordings),
        u64::from(counts.identified == counts.recordings),
        u64::from(record.rests()),
        counts.placement_failed,
        counts.lid_failed,
        counts.cancelled,
    ]
}

impl History {
    fn rates(&mut self, record: &BatchRecord) -> Rates {
        let counts = &record.counts;
        let now =
            (Instant::now(), [counts.stored, counts.stored_bytes, counts.identified + counts.lid_failed]);
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(now);
        let Some(first) = self.samples.front().filter(|first| first.0 < now.0) else {
            return Rates::default();
        };
        let seconds = (now.0 - first.0).as_secs_f64();
        let rate = |index: usize| {
            let done: u64 = now.1[index].saturating_sub(first.1[index]);
            // Exact below 2^32 a few seconds, and only told to people above.
            u32::try_from(done).map_or(f64::from(u32::MAX), f64::from) / seconds
        };
        Rates { stored_per_second: rate(0), stored_bytes_per_second: rate(1), identified_per_second: rate(2) }
    }
}
