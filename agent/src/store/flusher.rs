//! The thread that makes recordings durable, puts them in their places and
//! removes them again: it alone changes `recordings/`.

use std::{sync::Arc, time::Duration};

use cofi_proto::{
    RecordingId,
    receive::{DeliveryOutcome, DeliveryReport, RefusalCode},
    session::Identify,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    arriving::Arrived,
    debts::Debts,
    disk,
    error::Refused,
    group::{collect, flush},
    layout::Layout,
    placing::{Place, Placing},
    release::release,
    room::Room,
    writer::{refuse, report},
};
use crate::chain::Chain;
use crate::journal::{Again, Change, Journal, JournalError, NewRecording, Standing};

/// How long work may be waited for before the journal is asked whether it has
/// everything, or given again what it did not take.
const PAUSE: Duration = Duration::from_secs(1);

/// What the flusher is told.
#[derive(Debug)]
pub(super) enum Work {
    /// Make this recording durable.
    Stored(Stored),
    /// Remove these recordings.
    Release(Vec<RecordingId>),
    /// Answered when everything before is done.
    Settle(oneshot::Sender<()>),
}

/// A recording that arrived whole, and where its report goes.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) arrived: Arrived,
    pub(super) reports: mpsc::Sender<DeliveryReport>,
}

impl Stored {
    fn refuse(self, room: &Room, refused: Refused) {
        refuse(room, &self.reports, self.arrived.delivery, refused);
    }

    fn acknowledge(&self) {
        let Arrived { delivery, head, digest, .. } = &self.arrived;
        let outcome = DeliveryOutcome::Acknowledged { size_bytes: head.size_bytes, digest: *digest };
        report(&self.reports, DeliveryReport { delivery: *delivery, outcome });
    }

    fn place(&self) -> Place<'_> {
        Place {
            recording: self.arrived.head.recording,
            audio_name: &self.arrived.head.audio_name,
            digest: self.arrived.digest,
            incoming: &self.arrived.incoming.name,
        }
    }
}

pub(super) struct Flusher {
    pub(super) layout: Arc<Layout>,
    pub(super) journal: Journal,
    pub(super) room: Arc<Room>,
    pub(super) runtime: tokio::runtime::Handle,
    /// Files that share one round of flushes at most.
    pub(super) most_files: usize,
    /// What the journal must have before the next group.
    pub(super) debts: Debts,
    /// What is to be removed, and is not yet because the journal could not be
    /// asked where it lies. The controller says it once a session.
    pub(super) released: Vec<RecordingId>,
}

impl Flusher {
    /// Works until the writer and all users of the store are gone.
    pub(super) fn run(mut self, mut work: mpsc::Receiver<Work>) {
        let mut carried = None;
        while let Some(next) = carried.take().or_else(|| self.next(&mut work)) {
            match next {
                Work::Stored(first) => {
                    let (group, rest) = collect(first, &mut work, self.most_files);
                    carried = rest;
                    self.store(group);
                }
                Work::Release(recordings) => {
                    self.debts.pay_or_say();
                    self.released.extend(recordings);
                    self.release();
                }
                Work::Settle(done) => {
                    self.debts.pay_or_say();
                    // Whoever asked may have gone.
                    done.send(()).ok();
                }
            }
        }
        self.debts.pay_or_say();
    }

    /// Waits for work. Until the journal has everything it is asked again: what
    /// it does not have would be acknowledged and never identified.
    fn next(&mut self, work: &mut mpsc::Receiver<Work>) -> Option<Work> {
        while !self.debts.are_none() || !self.released.is_empty() {
            if let Ok(next) = self.runtime.block_on(async { timeout(PAUSE, work.recv()).await }) {
                return next;
            }
            self.debts.pay_or_say();
            self.release();
        }
        work.blocking_recv()
    }

    /// Removes what is released. What cannot be removed now is tried again.
    fn release(&mut self) {
        if self.released.is_empty() {
            return;
        }
        match self.runtime.block_on(release(&self.layout, &self.journal, &self.released)) {
            Ok(gone) => {
                self.released.clear();
                self.debts.commit(Change::Forgotten(gone));
            }
            Err(error) => {
                let waiting = self.released.len();
                tracing::error!(error = %Chain(&error), waiting, "could not release recordings yet");
            }
        }
    }

    fn store(&mut self, group: Vec<Stored>) {
        if let Err(error) = self.debts.pay() {
            self.refuse_all(group, &error);
            return;
        }
        // What comes anew is wanted here, whatever was said before.
        self.released.retain(|released| group.iter().all(|s| s.arrived.head.recording != *released));
        let group = self.without_standing(group);
        let group = self.durable(group);
        let group = self.written_down(group);
        if group.is_empty() {
            return;
        }
        let (placed, taken_back) = self.put(group);
        if !taken_back.is_empty() {
            self.debts.commit(Change::Forgotten(taken_back));
        }
        // Posted before the acknowledgements leave, so that whatever they
        // bring about comes after it; its commit shares the next one's flush.
        // A crash in between is mended at the next start.
        self.debts.post(Change::Placed(placed.iter().map(|stored| stored.arrived.head.recording).collect()));
        for stored in placed {
            stored.acknowledge();
            stored.arrived.incoming.moved();
        }
    }

    /// Answers those that are held already and refuses those whose place
    /// belongs to another recording.
    fn without_standing(&self, group: Vec<Stored>) -> Vec<Stored> {
        let places = group.iter().map(|stored| {
            let head = &stored.arrived.head;
            (head.recording, head.audio_name.as_str())
        });
        let standing = match self.runtime.block_on(self.journal.standing(places)) {
            Ok(standing) if standing.is_empty() => return group,
            Ok(standing) => standing,
            Err(error) => return self.refuse_all(group, &error),
        };
        let (mut fresh, mut again) = (Vec::with_capacity(group.len()), Vec::new());
        for stored in group {
            match self.compare(&stored, &standing) {
                Ok(Compared::Fresh) => fresh.push(stored),
                Ok(Compared::Held) => again.push(stored),
                Err(refused) => stored.refuse(&self.room, refused),
            }
        }
        self.answer_again(again);
        fresh
    }

    fn compare(&self, stored: &Stored, standing: &[Standing]) -> Result<Compared, Refused> {
        let head = &stored.arrived.head;
        let same_name =
            |s: &&Standing| s.recording.batch == head.recording.batch && s.audio_name == head.audio_name;
        if standing.iter().filter(same_name).any(|s| s.recording != head.recording) {
            return Err(Refused::name_taken("another recording of the batch has that name"));
        }
        let Some(there) = standing.iter().find(|s| s.recording == head.recording) else {
            return Ok(Compared::Fresh);
        };
        if there.audio_name != head.audio_name {
            return Err(Refused::integrity(format!("the recording is held as {:?}", there.audio_name)));
        }
        let has_file = match self.layout.open_batch(head.recording.batch) {
            Ok(Some(folder)) => disk::has_file(&folder, &head.audio_name),
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        let has_file = has_file.map_err(|error| Refused::io("look for what is held", &error))?;
        Ok(if has_file && there.digest == stored.arrived.digest { Compared::Held } else { Compared::Fresh })
    }

    fn answer_again(&self, group: Vec<Stored>) {
        if group.is_empty() {
            return;
        }
        let again = group.iter().map(|stored| {
            let head = &stored.arrived.head;
            let (recording, round, candidates) = (head.recording, head.round, head.candidates.clone());
            Again { size_bytes: head.size_bytes, identify: Identify { recording, round, candidates } }
        });
        match self.runtime.block_on(self.journal.commit(Change::Again(again.collect()))) {
            Ok(()) => group.iter().for_each(Stored::acknowledge),
            Err(error) => drop(self.refuse_all(group, &error)),
        }
    }

    /// Those whose rows are in the journal.
    fn written_down(&self, group: Vec<Stored>) -> Vec<Stored> {
        if group.is_empty() {
            return group;
        }
        let rows = group.iter().map(|stored| {
            let Arrived { head, digest, incoming, .. } = &stored.arrived;
            NewRecording {
                recording: head.recording,
                audio_name: head.audio_name.clone(),
                size_bytes: head.size_bytes,
                digest: *digest,
                round: head.round,
                candidates: head.candidates.clone(),
                incoming: incoming.name.clone(),
            }
        });
        failpoint!(FILES_FLUSHED => return self.refuse_all(group, &JournalError::Closed));
        match self.runtime.block_on(self.journal.commit(Change::Stored(rows.collect()))) {
            Ok(()) => group,
            Err(error) => self.refuse_all(group, &error),
        }
    }

    /// Those that have their places for good, and the ids of those that lost
    /// theirs again.
    fn put(&self, group: Vec<Stored>) -> (Vec<Stored>, Vec<RecordingId>) {
        let mut placing = Placing::new(&self.layout);
        let (mut placed, mut lost) = (Vec::with_capacity(group.len()), Vec::new());
        for stored in group {
            match placing.put(stored.place()) {
                Ok(()) => placed.push(stored),
                Err(refused) => {
                    lost.push(stored.arrived.head.recording);
                    stored.refuse(&self.room, refused);
                }
            }
        }
        if let Err(batches) = placing.sync() {
            let fails = |stored: &mut Stored| batches.contains(&stored.arrived.head.recording.batch);
            for stored in placed.extract_if(.., fails) {
                let head = &stored.arrived.head;
                placing.take_back(head.recording.batch, &head.audio_name);
                lost.push(head.recording);
                let refused = Refused { code: RefusalCode::Io, reason: "flush the folder".to_owned() };
                stored.refuse(&self.room, refused);
            }
        }
        (placed, lost)
    }

    /// Those whose content is durable. The others are dropped with their files:
    /// a descriptor whose flush failed cannot be believed again.
    fn durable(&self, group: Vec<Stored>) -> Vec<Stored> {
        let outcomes = flush(&group);
        let mut durable = Vec::with_capacity(group.len());
        for (stored, outcome) in group.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => durable.push(stored),
                Err(error) => stored.refuse(&self.room, Refused::io("flush", &error)),
            }
        }
        durable
    }

    fn refuse_all(&self, group: Vec<Stored>, error: &JournalError) -> Vec<Stored> {
        tracing::error!(error = %Chain(error), "the journal does not take recordings");
        for stored in group {
            stored.refuse(&self.room, Refused::journal(error));
        }
        Vec::new()
    }
}

/// Whether a recording is held already.
enum Compared {
    Fresh,
    Held,
}
