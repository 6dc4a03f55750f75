//! The rows of an agent's journal, without a database: what each change makes
//! of them, and what is read from them. Pure.

use std::collections::BTreeMap;

use cofi_agent::OutboxRow;
use cofi_proto::{
    Digest, RecordingId,
    session::{Held, Identify, LidOutcome, LidResult, ResultReceipt},
};

/// A recording that is held, or about to be.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    pub(super) audio_name: String,
    pub(super) size_bytes: u64,
    pub(super) digest: Digest,
    pub(super) round: i32,
    /// Its file on the way; none once it has its place.
    pub(super) incoming: Option<u64>,
    pub(super) recorded: bool,
}

/// A recording that waits for the engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) position: i64,
    pub(super) recording: RecordingId,
    pub(super) round: i32,
    pub(super) digest: Digest,
}

#[derive(Debug, Clone)]
struct Answer {
    position: i64,
    outcome: LidOutcome,
    receipted: bool,
}

/// A change.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Stored(Vec<(RecordingId, Recording)>),
    Placed(Vec<RecordingId>),
    Again(Vec<Identify>),
    Unrecorded,
    Recorded(Vec<RecordingId>),
    Receipted(Vec<ResultReceipt>),
    Identify(Vec<Identify>),
    Finished { recording: RecordingId, digest: Digest, round: i32, outcome: LidOutcome },
    Forgotten(Vec<RecordingId>),
}

/// All rows, as they are committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) recordings: BTreeMap<RecordingId, Recording>,
    /// Position and round.
    jobs: BTreeMap<RecordingId, (i64, i32)>,
    results: BTreeMap<(RecordingId, i32), Answer>,
}

impl Rows {
    /// The first position that was never used.
    pub(super) fn next_position(&self) -> i64 {
        let jobs = self.jobs.values().map(|job| job.0);
        jobs.chain(self.results.values().map(|result| result.position)).max().unwrap_or(0) + 1
    }

    pub(super) fn make(&mut self, change: Change, next: &mut i64) {
        match change {
            Change::Stored(recordings) => recordings.into_iter().for_each(|new| self.stored(new)),
            Change::Placed(recordings) => recordings.into_iter().for_each(|id| self.placed(id, next)),
            Change::Again(recordings) => {
                for identify in recordings {
                    if let Some(recording) = self.recordings.get_mut(&identify.recording) {
                        recording.recorded = false;
                    }
                    self.identify(&identify, next);
                }
            }
            Change::Unrecorded => {
                self.recordings.values_mut().for_each(|recording| recording.recorded = false);
                self.results.values_mut().for_each(|result| result.receipted = false);
            }
            Change::Recorded(recordings) => {
                for id in recordings {
                    if let Some(recording) = self.recordings.get_mut(&id) {
                        recording.recorded = true;
                    }
                }
            }
            Change::Receipted(receipts) => {
                for ResultReceipt { recording, round } in receipts {
                    if let Some(result) = self.results.get_mut(&(recording, round)) {
                        result.receipted = true;
                    }
                }
            }
            Change::Identify(recordings) => {
                for identify in &recordings {
                    self.identify(identify, next);
                }
            }
            Change::Finished { recording, digest, round, outcome } => {
                self.finished(recording, digest, (round, outcome), next);
            }
            Change::Forgotten(recordings) => recordings.into_iter().for_each(|id| self.forgotten(id)),
        }
    }

    fn stored(&mut self, (id, new): (RecordingId, Recording)) {
        if self.recordings.get(&id).is_some_and(|before| before.digest != new.digest) {
            self.forgotten(id);
        }
        self.recordings.insert(id, new);
    }

    fn placed(&mut self, id: RecordingId, next: &mut i64) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        recording.incoming = None;
        let round = recording.round;
        self.queue(id, round, next);
    }

    /// Queues a recording for the engine, unless it has a result of that round.
    fn queue(&mut self, id: RecordingId, round: i32, next: &mut i64) {
        let answered = self.results.range((id, round)..=(id, i32::MAX)).next().is_some();
        let queued = self.jobs.get(&id).is_some_and(|job| job.1 >= round);
        if round > 0 && !answered && !queued {
            self.jobs.insert(id, (take(next), round));
        }
    }

    fn identify(&mut self, identify: &Identify, next: &mut i64) {
        let Identify { recording: id, round, .. } = identify;
        // A result that answers is sent again.
        if let Some((key, result)) = self.results.range_mut((*id, i32::MIN)..=(*id, i32::MAX)).next_back()
            && key.1 >= *round
        {
            (result.receipted, result.position) = (false, take(next));
        }
        let Some(recording) = self.recordings.get_mut(id) else { return };
        if recording.incoming.is_none() {
            self.queue(*id, *round, next);
        } else {
            recording.round = recording.round.max(*round);
        }
    }

    fn finished(
        &mut self,
        id: RecordingId,
        digest: Digest,
        (round, outcome): (i32, LidOutcome),
        next: &mut i64,
    ) {
        if self.recordings.get(&id).is_none_or(|recording| recording.digest != digest) {
            return;
        }
        let position = take(next);
        self.results.entry((id, round)).or_insert(Answer { position, outcome, receipted: false });
        if self.jobs.get(&id).is_some_and(|job| job.1 <= round) {
            self.jobs.remove(&id);
        }
    }

    fn forgotten(&mut self, id: RecordingId) {
        self.recordings.remove(&id);
        self.jobs.remove(&id);
        self.results.retain(|key, _| key.0 != id);
    }

    /// See `Holdings::held`.
    pub(super) fn held(&self, cursor: Option<RecordingId>, most: usize) -> Vec<Held> {
        self.recordings
            .iter()
            .filter(|(id, row)| !row.recorded && row.incoming.is_none() && Some(**id) > cursor)
            .take(most)
            .map(|(id, row)| Held {
                recording: *id,
                audio_name: row.audio_name.clone(),
                size_bytes: row.size_bytes,
                digest: row.digest,
            })
            .collect()
    }

    /// See `Holdings::outbox`.
    pub(super) fn outbox(&self, cursor: i64, most: usize) -> Vec<OutboxRow> {
        let waiting = self.results.iter().filter(|(_, row)| !row.receipted && row.position > cursor);
        let mut rows: Vec<OutboxRow> = waiting
            .map(|((id, round), row)| OutboxRow {
                position: row.position,
                result: LidResult {
                    recording: *id,
                    round: *round,
                    outcome: row.outcome.clone(),
                    digest: self.recordings.get(id).map(|recording| recording.digest),
                },
            })
            .collect();
        rows.sort_by_key(|row| row.position);
        rows.truncate(most);
        rows
    }

    /// See `Holdings::receipts`.
    pub(super) fn receipts(&self) -> (usize, usize) {
        let recorded = || self.recordings.iter().filter(|(_, row)| row.recorded && row.incoming.is_none());
        let receipted = |id: &RecordingId| {
            self.results.range((*id, i32::MIN)..=(*id, i32::MAX)).any(|(_, result)| result.receipted)
        };
        (recorded().count(), recorded().filter(|(id, _)| receipted(id)).count())
    }

    /// See `Holdings::waiting`.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// The next recording for the engine.
    pub(super) fn next_job(&self, cursor: i64) -> Option<Job> {
        let jobs = self.jobs.iter().filter_map(|(id, (position, round))| {
            let held = self.recordings.get(id).filter(|row| row.incoming.is_none())?;
            Some(Job { position: *position, recording: *id, round: *round, digest: held.digest })
        });
        jobs.filter(|job| job.position > cursor).min_by_key(|job| job.position)
    }
}

fn take(next: &mut i64) -> i64 {
    let position = *next;
    *next += 1;
    position
}
