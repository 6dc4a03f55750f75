//! Recordings in memory: those that wait, those that are under way, and how
//! far each batch has been read from the ledger. Memory is bounded by the
//! windows, not by the batches.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use cofi_proto::{AgentName, BatchId, DeliveryId, RecordingId};

use crate::ledger::PlannedRecording;

/// Below this many waiting recordings, more are read.
pub(super) const LOW_WATER: usize = 256;
/// Read at a time.
pub(super) const PAGE: i64 = 512;

/// Where a recording that is in memory stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the queue.
    Waiting,
    /// Put off until a time.
    Delayed,
    /// Under way.
    Live(DeliveryId),
    /// An agent says it holds it; that is being verified.
    Offered,
    /// Under way, although another agent holds it by now.
    Done(DeliveryId),
}

/// A recording in the queue, with its history since it was planned or retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) recording: PlannedRecording,
    /// Failed attempts that count against it.
    pub(super) attempts: i64,
    /// The agent that failed last: another one is tried first.
    pub(super) avoid: Option<AgentName>,
}

impl Job {
    pub(super) fn id(&self) -> RecordingId {
        self.recording.recording
    }
}

/// How far a batch has been read.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    after: i64,
    exhausted: bool,
}

/// What an agent says it holds.
#[derive(Debug, Clone)]
struct Offer {
    agent: AgentName,
    /// It is what the source holds; its rows are being written.
    compared: bool,
}

#[derive(Debug, Default)]
pub(super) struct Backlog {
    places: HashMap<RecordingId, Place>,
    queue: VecDeque<Job>,
    delayed: BTreeMap<(Duration, RecordingId), Job>,
    cursors: BTreeMap<BatchId, Cursor>,
    /// What agents say they hold, while that is being verified.
    offered: BTreeMap<RecordingId, Offer>,
    loading: Option<BatchId>,
    /// Left memory while a page was being read: the page may be older.
    left_while_loading: HashSet<RecordingId>,
}

impl Backlog {
    /// A batch has recordings to place, perhaps ones that were read before.
    pub(super) fn open_batch(&mut self, batch: BatchId) {
        self.cursors.insert(batch, Cursor { after: -1, exhausted: false });
    }

    /// Whether a batch was never opened, or read to its end and has nothing in
    /// memory.
    pub(super) fn is_idle(&self, batch: BatchId) -> bool {
        let read = self.cursors.get(&batch).is_none_or(|cursor| cursor.exhausted);
        read && self.places.keys().all(|recording| recording.batch != batch)
    }

    /// Forgets what waits of a batch. What is under way goes on.
    pub(super) fn cancel_batch(&mut self, batch: BatchId) {
        self.cursors.remove(&batch);
        self.queue.retain(|job| job.id().batch != batch);
        self.delayed.retain(|(_, recording), _| recording.batch != batch);
        self.places.retain(|recording, place| {
            recording.batch != batch || !matches!(place, Place::Waiting | Place::Delayed)
        });
    }

    /// The next page to read, if one is due: batch, and the ordinal it begins
    /// after.
    pub(super) fn next_page(&mut self) -> Option<(BatchId, i64)> {
        if self.loading.is_some() || self.queue.len() >= LOW_WATER {
            return None;
        }
        let (batch, cursor) = self.cursors.iter().find(|(_, cursor)| !cursor.exhausted)?;
        self.loading = Some(*batch);
        Some((*batch, cursor.after))
    }

    /// Takes a page that was read; an empty one ends its batch.
    pub(super) fn page(&mut self, batch: BatchId, after: i64, recordings: Vec<PlannedRecording>) {
        self.loading = None;
        let left = std::mem::take(&mut self.left_while_loading);
        // The batch was cancelled or opened anew meanwhile: the page is not
        // the one that is wanted now.
        let Some(cursor) = self.cursors.get_mut(&batch).filter(|cursor| cursor.after == after) else {
            return;
        };
        match recordings.last() {
            Some(last) => cursor.after = last.recording.ordinal,
            None => cursor.exhausted = true,
        }
        for recording in recordings {
            let id = recording.recording;
            if !left.contains(&id) && !self.places.contains_key(&id) {
                self.push_back(Job { recording, attempts: 0, avoid: None });
            }
        }
    }

    /// A page could not be read; it is asked for again.
    pub(super) fn page_failed(&mut self) {
        self.loading = None;
        self.left_while_loading.clear();
    }

    /// Whether a recording that comes back is still to be placed: its batch is
    /// open, and no other agent holds it by now.
    pub(super) fn wants(&self, job: &Job) -> bool {
        let done = matches!(self.places.get(&job.id()), Some(Place::Done(_)));
        self.cursors.contains_key(&job.id().batch) && !done
    }

    /// Puts a recording into a place, unless it is not wanted any more, or
    /// offered by an agent at this moment.
    fn put(&mut self, job: Job, place: Place) -> Option<Job> {
        if !self.wants(&job) {
            self.leave(job.id());
            return None;
        }
        if self.offered.contains_key(&job.id()) {
            self.places.insert(job.id(), Place::Offered);
            return None;
        }
        self.places.insert(job.id(), place);
        Some(job)
    }

    pub(super) fn push_back(&mut self, job: Job) {
        if let Some(job) = self.put(job, Place::Waiting) {
            self.queue.push_back(job);
        }
    }

    pub(super) fn push_front(&mut self, job: Job) {
        if let Some(job) = self.put(job, Place::Waiting) {
            self.queue.push_front(job);
        }
    }

    pub(super) fn delay(&mut self, job: Job, until: Duration) {
        if let Some(job) = self.put(job, Place::Delayed) {
            self.delayed.insert((until, job.id()), job);
        }
    }

    /// Puts what was delayed until now back into the queue.
    pub(super) fn wake(&mut self, now: Duration) {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let job = entry.remove();
            if self.places.get(&job.id()) == Some(&Place::Delayed) {
                self.push_back(job);
            }
        }
    }

    /// The next one in the queue.
    pub(super) fn peek(&mut self) -> Option<&Job> {
        while let Some(job) = self.queue.front() {
            if self.places.get(&job.id()) == Some(&Place::Waiting) {
                break;
            }
            self.queue.pop_front();
        }
        self.queue.front()
    }

    /// Takes the one that [`Backlog::peek`] shows under way.
    pub(super) fn start(&mut self, delivery: DeliveryId) -> Option<Job> {
        let job = self.queue.pop_front()?;
        self.places.insert(job.id(), Place::Live(delivery));
        Some(job)
    }

    /// An agent offers a recording: it is not to be sent while that is
    /// verified. What is under way to another agent meanwhile stays so.
    pub(super) fn offer(&mut self, recording: RecordingId, agent: &AgentName) {
        let offer = Offer { agent: agent.clone(), compared: false };
        agent.clone_into(&mut self.offered.entry(recording).or_insert(offer).agent);
        if !matches!(self.places.get(&recording), Some(Place::Live(_) | Place::Done(_))) {
            self.places.insert(recording, Place::Offered);
        }
    }

    /// An offer came to nothing. Whether the recording is to be placed.
    pub(super) fn offer_failed(&mut self, recording: RecordingId) -> bool {
        self.offered.remove(&recording).is_some() && self.places.get(&recording) == Some(&Place::Offered)
    }

    /// What was offered is what the source holds: the ledger is to settle it.
    pub(super) fn compared(&mut self, recording: RecordingId) {
        if let Some(offer) = self.offered.get_mut(&recording) {
            offer.compared = true;
        }
    }

    /// An agent does not stand by what it offered and nobody compared: it has
    /// gone, or has said in another session all that it holds.
    pub(super) fn drop_offers(&mut self, agent: &AgentName) {
        let dropped = self.offered.iter().filter(|(_, offer)| !offer.compared && offer.agent == *agent);
        for recording in dropped.map(|(recording, _)| *recording).collect::<Vec<_>>() {
            if self.offer_failed(recording) {
                // Its row says whether it is still to be placed.
                self.leave(recording);
            }
        }
    }

    /// The ledger has settled the recording. What is under way of it is of no
    /// use any more, but not at its end either.
    pub(super) fn settle(&mut self, recording: RecordingId) {
        self.offered.remove(&recording);
        match self.places.get(&recording) {
            Some(Place::Live(delivery) | Place::Done(delivery)) => {
                let delivery = *delivery;
                self.places.insert(recording, Place::Done(delivery));
            }
            Some(Place::Waiting | Place::Delayed | Place::Offered) | None => self.leave(recording),
        }
    }

    pub(super) fn place(&self, recording: RecordingId) -> Option<Place> {
        self.places.get(&recording).copied()
    }

    /// The recording needs nothing more.
    pub(super) fn leave(&mut self, recording: RecordingId) {
        self.offered.remove(&recording);
        self.places.remove(&recording);
        if self.loading == Some(recording.batch) {
            self.left_while_loading.insert(recording);
        }
    }

    /// Whether recordings of this batch are still to be sent.
    pub(super) fn has_unsent(&self, batch: BatchId) -> bool {
        self.cursors.get(&batch).is_some_and(|cursor| !cursor.exhausted)
            || self.queue.iter().any(|job| job.id().batch == batch)
            || self.delayed.keys().any(|(_, recording)| recording.batch == batch)
    }

    /// Recordings in the queue in front of the first that is wanted; none if
    /// it is not in the queue.
    pub(super) fn ahead(&self, is_wanted: impl Fn(RecordingId) -> bool) -> u64 {
        let position = self.queue.iter().position(|job| is_wanted(job.id()));
        position.and_then(|position| u64::try_from(position).ok()).unwrap_or_default()
    }

    /// How many recordings of a batch are put off, and when the first is due.
    pub(super) fn delays(&self, batch: BatchId) -> (u64, Option<Duration>) {
        let mut of_batch = self.delayed.keys().filter(|(_, recording)| recording.batch == batch);
        let first = of_batch.next().map(|(until, _)| *until);
        let rest = u64::try_from(of_batch.count()).unwrap_or(u64::MAX);
        (rest.saturating_add(u64::from(first.is_some())), first)
    }

    /// Until when a recording is put off, and after how many attempts.
    pub(super) fn delay_of(&self, recording: RecordingId) -> Option<(Duration, i64)> {
        let mut delayed = self.delayed.iter();
        let ((until, _), job) = delayed.find(|((_, delayed), _)| *delayed == recording)?;
        Some((*until, job.attempts))
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.places.values().filter(|place| **place == Place::Waiting).count()
    }
}
