//! The store of an agent: pieces go in, reports come out; a report says
//! "acknowledged" only when the recording is durable under its name.
//!
//! Two tasks, like the two threads of the real one: the first takes pieces and
//! compares, the second flushes, writes rows, gives places, and reports.

use std::collections::{BTreeMap, BTreeSet};

use cofi_agent::StreamId;
use cofi_proto::{
    DeliveryId, Digest, RecordingId,
    digest::Hasher,
    receive::{DeliveryOutcome, DeliveryReport, Piece, PieceHead, PieceTail, RefusalCode},
    session::Identify,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    disk::Disk,
    journal::Journal,
    rows::{Change, Recording},
};
use crate::{chance::Chance, mistake::Mistake};

/// Recordings that share one round of flushes.
const GROUP: usize = 32;

pub(super) type Reports = mpsc::Sender<DeliveryReport>;

/// What the first task is told.
#[derive(Debug)]
pub(super) enum Event {
    Opened(StreamId, Reports),
    Piece(StreamId, Piece),
    Settle(oneshot::Sender<()>),
}

/// What the second task is told.
#[derive(Debug)]
pub(super) enum Work {
    Stored(Arrived),
    Release(Vec<RecordingId>),
    Settle(oneshot::Sender<()>),
}

/// A recording that arrived whole; lost with a crash.
#[derive(Debug)]
pub(super) struct Arrived {
    delivery: DeliveryId,
    head: PieceHead,
    digest: Digest,
    reports: Reports,
}

impl Arrived {
    async fn acknowledge(&self) {
        let outcome = DeliveryOutcome::Acknowledged { size_bytes: self.head.size_bytes, digest: self.digest };
        // A stream that has ended needs none.
        self.reports.send(DeliveryReport { delivery: self.delivery, outcome }).await.ok();
    }

    fn identify(&self) -> Identify {
        let PieceHead { recording, round, candidates, .. } = &self.head;
        Identify { recording: *recording, round: *round, candidates: candidates.clone() }
    }
}

/// A recording of which pieces are still to come.
struct Arriving {
    delivery: DeliveryId,
    head: PieceHead,
    hasher: Hasher,
    written: u64,
}

/// Takes pieces and compares.
pub(super) struct Receiver {
    pub(super) disk: Disk,
    pub(super) work: mpsc::Sender<Work>,
    streams: BTreeMap<u64, (Reports, Option<Arriving>)>,
}

impl Receiver {
    pub(super) fn new(disk: Disk, work: mpsc::Sender<Work>) -> Self {
        Self { disk, work, streams: BTreeMap::new() }
    }

    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Opened(id, reports) => {
                    self.forget_ended();
                    self.streams.insert(id.0, (reports, None));
                }
                Event::Piece(id, piece) => self.piece(id, piece).await,
                Event::Settle(done) => {
                    self.forget_ended();
                    // Whoever asked may have gone.
                    done.send(()).ok();
                }
            }
        }
    }

    fn forget_ended(&mut self) {
        self.streams.retain(|_, (reports, _)| !reports.is_closed());
    }

    async fn piece(&mut self, id: StreamId, piece: Piece) {
        // A stream that has ended is forgotten before its last pieces are read.
        let Some((reports, state)) = self.streams.get_mut(&id.0) else { return };
        let Piece { delivery, offset, head, tail, data } = piece;
        if let Some(head) = head {
            self.disk.witness.arrives(&self.disk.agent, head.recording);
            *state = Some(Arriving { delivery, head, hasher: Hasher::new(), written: 0 });
        }
        let Some(mut arriving) = state.take().filter(|it| it.delivery == delivery) else { return };
        let in_order = offset == arriving.written;
        arriving.hasher.update(&data);
        arriving.written += u64::try_from(data.len()).unwrap_or(u64::MAX);
        let whole = match tail {
            None => {
                *state = Some(arriving);
                return;
            }
            Some(PieceTail::GivenUp) => return,
            Some(PieceTail::Whole(digest)) => {
                in_order && arriving.written == arriving.head.size_bytes && arriving.hasher.finish() == digest
            }
        };
        let Arriving { head, hasher, .. } = arriving;
        let reports = reports.clone();
        if whole {
            self.disk.witness.arrived(&self.disk.agent, head.recording);
            let arrived = Arrived { delivery, head, digest: hasher.finish(), reports };
            // The other task lives as long as this one.
            self.work.send(Work::Stored(arrived)).await.ok();
        } else {
            let reason = "not what its sender said".to_owned();
            let outcome = DeliveryOutcome::Refused { code: RefusalCode::Integrity, reason };
            reports.send(DeliveryReport { delivery, outcome }).await.ok();
        }
    }
}

/// Makes recordings durable, and removes them.
pub(super) struct Flusher {
    pub(super) disk: Disk,
    pub(super) journal: Journal,
    pub(super) chance: Chance,
    pub(super) next_file: u64,
    pub(super) mistake: Option<Mistake>,
}

impl Flusher {
    pub(super) async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        let mut carried = None;
        loop {
            let next = match carried.take() {
                Some(next) => next,
                None => match work.recv().await {
                    Some(next) => next,
                    None => return,
                },
            };
            match next {
                Work::Stored(first) => {
                    let group;
                    (group, carried) = collect(first, &mut work);
                    self.store(group).await;
                }
                Work::Release(recordings) => self.release(recordings).await,
                // Whoever asked may have gone.
                Work::Settle(done) => drop(done.send(())),
            }
        }
    }

    async fn store(&mut self, group: Vec<Arrived>) {
        let is_held = |arrived: &Arrived| {
            let id = arrived.head.recording;
            let content = self.disk.content();
            content.placed.get(&id).is_some_and(|(_, digest)| *digest == arrived.digest)
                && content.journal.recordings.get(&id).is_some_and(|row| row.digest == arrived.digest)
        };
        let (again, fresh): (Vec<_>, Vec<_>) = group.into_iter().partition(is_held);
        self.answer_again(again).await;
        if fresh.is_empty() {
            return;
        }
        if self.mistake == Some(Mistake::AcknowledgeEarly) {
            for arrived in &fresh {
                arrived.acknowledge().await;
            }
        }
        sleep(self.chance.latency()).await;
        let mut files = Vec::with_capacity(fresh.len());
        for arrived in &fresh {
            self.next_file += 1;
            files.push(self.next_file);
            self.disk.content().incoming.insert(self.next_file, arrived.digest);
        }
        let row = |(arrived, file): (&Arrived, &u64)| {
            let head = &arrived.head;
            let row = Recording {
                audio_name: head.audio_name.clone(),
                size_bytes: head.size_bytes,
                digest: arrived.digest,
                round: head.round,
                incoming: Some(*file),
                recorded: false,
            };
            (head.recording, row)
        };
        self.journal.commit(Change::Stored(fresh.iter().zip(&files).map(row).collect())).await;
        sleep(self.chance.latency()).await;
        for (arrived, file) in fresh.iter().zip(&files) {
            self.disk.place(arrived.head.recording, *file, &arrived.head.audio_name);
        }
        // Posted before the acknowledgements leave, committed after.
        let placed = fresh.iter().map(|arrived| arrived.head.recording).collect();
        drop(self.journal.post(Change::Placed(placed)).await);
        for arrived in &fresh {
            arrived.acknowledge().await;
        }
    }

    async fn answer_again(&self, held: Vec<Arrived>) {
        if held.is_empty() {
            return;
        }
        for arrived in &held {
            self.disk.witness.again(&self.disk.agent, arrived.head.recording);
        }
        self.journal.commit(Change::Again(held.iter().map(Arrived::identify).collect())).await;
        for arrived in &held {
            arrived.acknowledge().await;
        }
    }

    async fn release(&self, recordings: Vec<RecordingId>) {
        let held: Vec<RecordingId> = {
            let content = self.disk.content();
            recordings.into_iter().filter(|id| content.journal.recordings.contains_key(id)).collect()
        };
        sleep(self.chance.latency()).await;
        if self.mistake == Some(Mistake::KeepReleased) {
            return;
        }
        for recording in &held {
            self.disk.remove(*recording);
        }
        self.journal.commit(Change::Forgotten(held)).await;
    }
}

/// What waits beside the first, and the work that must come after it.
fn collect(first: Arrived, work: &mut mpsc::Receiver<Work>) -> (Vec<Arrived>, Option<Work>) {
    let mut ids = BTreeSet::from([first.head.recording]);
    let mut group = vec![first];
    while group.len() < GROUP {
        match work.try_recv() {
            Ok(Work::Stored(next)) if ids.insert(next.head.recording) => group.push(next),
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}
