//! The rows of the ledger, without a database: pure. Time goes in.

use std::collections::{BTreeMap, HashMap};

use cofi_controller::{
    delivery::StoredRecording,
    ledger::{
        AgentRecord, Applied, BatchRecord, Counts, Custody, GiveUp, GiveUpScope, GivenUp, Lid,
        ManifestRecord, PendingLid, Placement, PlacementFailure, PlannedRecording, QuarantineRecord,
        Recorded, ReportedResult, StandingRecord,
    },
};
use cofi_proto::{AgentName, BatchId, Digest, RecordingId, session::LidOutcome};

/// A recording.
#[derive(Debug, Clone)]
pub struct Row {
    /// As it was planned; its round is the one that is open or was last.
    pub planned: PlannedRecording,
    /// Where its file stands.
    pub placement: Placement,
    /// Who holds it.
    pub agent: Option<AgentName>,
    /// Of its content, once stored.
    pub digest: Option<Digest>,
    /// Where its identification stands.
    pub lid: Lid,
    /// What came out, if anything did.
    pub language: Option<String>,
    /// Its call, once it has been stored.
    pub call: Option<i64>,
    stored_at: i64,
}

impl Row {
    /// A recording that waits to be placed.
    #[must_use]
    pub fn new(planned: PlannedRecording) -> Self {
        Self {
            planned,
            placement: Placement::Planned,
            agent: None,
            digest: None,
            lid: Lid::None,
            language: None,
            call: None,
            stored_at: 0,
        }
    }

    /// The round that is to be identified; 0 if there is nothing to identify.
    fn open_round(&self) -> i32 {
        if self.lid == Lid::None { self.planned.round } else { 0 }
    }

    fn to_place(&self) -> PlannedRecording {
        PlannedRecording { round: self.open_round(), ..self.planned.clone() }
    }
}

/// What a change did, for the witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// A recording is stored there.
    Stored(AgentName, RecordingId, Digest),
    /// A recording is planned again, that was there.
    PlannedAgain(AgentName, RecordingId),
    /// A round is settled: what came out.
    Settled(RecordingId, i32, String),
}

/// All rows.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Where the batches' files lie.
    pub source: String,
    /// Recordings by their ids.
    pub recordings: BTreeMap<RecordingId, Row>,
    /// Agents that were seen.
    pub agents: BTreeMap<AgentName, AgentRecord>,
    /// What was decided about them.
    pub standings: BTreeMap<AgentName, StandingRecord>,
    /// Which of them are quarantined.
    pub quarantines: BTreeMap<AgentName, QuarantineRecord>,
    /// Of the last start of the controller.
    pub generation: u64,
    calls: i64,
    /// What was done since somebody last asked.
    pub done: Vec<Done>,
}

fn unwanted(reason: &str) -> Recorded {
    Recorded::Unwanted(reason.to_owned())
}

impl Rows {
    /// No rows yet, of batches whose files lie there.
    #[must_use]
    pub fn of(source: String) -> Self {
        Self { source, ..Self::default() }
    }

    /// Batches with recordings that are not settled, as they stand.
    #[must_use]
    pub fn unfinished(&self) -> Vec<BatchRecord> {
        let mut batches: Vec<BatchId> = self.recordings.keys().map(|id| id.batch).collect();
        batches.dedup();
        batches.into_iter().map(|batch| self.batch(batch)).filter(|record| !record.rests()).collect()
    }

    /// How many recordings have calls, and how many calls were made.
    #[must_use]
    pub fn calls(&self) -> (usize, i64) {
        (self.recordings.values().filter(|row| row.call.is_some()).count(), self.calls)
    }

    fn batch(&self, batch: BatchId) -> BatchRecord {
        let mut counts = Counts::default();
        for row in self.recordings.values().filter(|row| row.planned.recording.batch == batch) {
            counts.recordings += 1;
            counts.bytes += row.planned.size;
            match row.placement {
                Placement::Planned => counts.planned += 1,
                Placement::Failed => counts.placement_failed += 1,
                Placement::Cancelled => counts.cancelled += 1,
                Placement::Stored => {
                    counts.stored += 1;
                    counts.stored_bytes += row.planned.size;
                    match row.lid {
                        Lid::None => counts.lid_pending += 1,
                        Lid::Done => counts.identified += 1,
                        Lid::Failed => counts.lid_failed += 1,
                    }
                }
            }
        }
        BatchRecord {
            batch,
            batch_date: "24-12-2026".to_owned(),
            source: self.source.clone(),
            process: 1,
            category_mapping: 1,
            audio_endpoint: "http://audio".to_owned(),
            candidates: Vec::new(),
            created: 0,
            cancelled: false,
            counts,
        }
    }

    /// See `Ledger::custody`.
    #[must_use]
    pub fn custody(&self, agent: &AgentName) -> Custody {
        let mut custody = Custody::default();
        for row in self.recordings.values().filter(|row| row.agent.as_ref() == Some(agent)) {
            custody.stored += 1;
            custody.settled += u64::from(row.lid != Lid::None);
        }
        custody
    }

    /// See `Ledger::planned_recordings`.
    #[must_use]
    pub fn planned_recordings(&self, batch: BatchId, after: i64, limit: i64) -> Vec<PlannedRecording> {
        self.recordings
            .values()
            .filter(|row| row.placement == Placement::Planned)
            .filter(|row| row.planned.recording.batch == batch && row.planned.recording.ordinal > after)
            .take(usize::try_from(limit).unwrap_or(0))
            .map(Row::to_place)
            .collect()
    }

    /// See `Ledger::manifest_records`.
    #[must_use]
    pub fn manifest_records(&self, recordings: &[RecordingId]) -> HashMap<RecordingId, ManifestRecord> {
        let record = |id: &RecordingId| {
            let row = self.recordings.get(id)?;
            let record = ManifestRecord {
                planned: row.to_place(),
                source: self.source.clone(),
                placement: row.placement,
                agent: row.agent.as_ref().map(ToString::to_string),
                digest: row.digest,
            };
            Some((*id, record))
        };
        recordings.iter().filter_map(record).collect()
    }

    /// See `Ledger::pending_lids`.
    #[must_use]
    pub fn pending_lids(&self, agent: &AgentName, after: Option<RecordingId>, limit: i64) -> Vec<PendingLid> {
        self.recordings
            .iter()
            .filter(|(id, _)| after.is_none_or(|after| **id > after))
            .filter(|(_, row)| row.agent.as_ref() == Some(agent) && row.placement == Placement::Stored)
            .filter(|(_, row)| row.lid == Lid::None)
            .take(usize::try_from(limit).unwrap_or(0))
            .map(|(id, row)| PendingLid {
                agent: agent.to_string(),
                recording: *id,
                round: row.planned.round,
                candidates: Vec::new(),
            })
            .collect()
    }

    /// See `Ledger::record_stored`.
    pub fn record_stored(&mut self, group: &[StoredRecording], now: i64) -> Vec<Recorded> {
        group.iter().map(|stored| self.record(stored, now)).collect()
    }

    fn record(&mut self, stored: &StoredRecording, now: i64) -> Recorded {
        let (id, agent) = (stored.recording(), &stored.host().agent);
        let Some(row) = self.recordings.get_mut(&id) else { return unwanted("no such recording") };
        match row.placement {
            Placement::Cancelled => unwanted("the batch was cancelled"),
            Placement::Stored if row.agent.as_ref() == Some(agent) => Recorded::Stored,
            Placement::Stored => unwanted("held elsewhere"),
            Placement::Planned | Placement::Failed => {
                row.placement = Placement::Stored;
                row.agent = Some(agent.clone());
                row.digest = Some(stored.digest());
                row.stored_at = now;
                if row.call.is_none() {
                    self.calls += 1;
                    row.call = Some(self.calls);
                }
                self.done.push(Done::Stored(agent.clone(), id, stored.digest()));
                Recorded::Stored
            }
        }
    }

    /// See `Ledger::fail_placements`.
    pub fn fail_placements(&mut self, group: &[PlacementFailure]) {
        for failure in group {
            if let Some(row) = self.recordings.get_mut(&failure.recording)
                && row.placement == Placement::Planned
            {
                row.placement = Placement::Failed;
            }
        }
    }

    /// See `Ledger::apply_results`.
    pub fn apply_results(&mut self, group: &[ReportedResult]) -> Vec<Applied> {
        group.iter().map(|result| self.apply(result)).collect()
    }

    fn apply(&mut self, result: &ReportedResult) -> Applied {
        let Some(row) = self.recordings.get_mut(&result.recording) else { return Applied::Settled };
        match row.placement {
            Placement::Planned | Placement::Failed => return Applied::NotRecorded,
            Placement::Cancelled => return Applied::Settled,
            Placement::Stored => {}
        }
        let other_content = result.digest.is_some() && row.digest.is_some() && result.digest != row.digest;
        let open =
            result.round > row.planned.round || (result.round == row.planned.round && row.lid == Lid::None);
        if other_content || !open {
            return Applied::Settled;
        }
        let needless = row.lid == Lid::Done && matches!(result.outcome, LidOutcome::Failed(_));
        if row.agent.as_ref() != Some(&result.agent) && !needless {
            return Applied::Elsewhere;
        }
        let outcome = match &result.outcome {
            LidOutcome::Identified(identified) => {
                (row.lid, row.language) = (Lid::Done, Some(identified.language.clone()));
                identified.language.clone()
            }
            // A failure does not take away a language that is known.
            LidOutcome::Failed(_) if row.lid == Lid::Done => return Applied::Settled,
            LidOutcome::Failed(failure) => {
                row.lid = Lid::Failed;
                failure.code.clone()
            }
        };
        row.planned.round = result.round;
        self.done.push(Done::Settled(result.recording, result.round, outcome));
        Applied::Settled
    }

    /// See `Ledger::give_up`.
    pub fn give_up(&mut self, what: &GiveUp, after: Option<RecordingId>, limit: i64) -> GivenUp {
        let held = |(id, row): &(&RecordingId, &mut Row)| {
            row.agent.as_ref() == Some(&what.agent)
                && row.placement == Placement::Stored
                && row.stored_at < what.stored_before
                && after.is_none_or(|after| **id > after)
                && match what.scope {
                    GiveUpScope::All => true,
                    GiveUpScope::WithoutLanguage => row.lid != Lid::Done,
                    GiveUpScope::Open => row.lid == Lid::None,
                }
        };
        let page = self.recordings.iter_mut().filter(held).take(usize::try_from(limit).unwrap_or(0));
        let mut given_up = GivenUp { recordings: 0, last: None };
        for (id, row) in page {
            (row.placement, row.agent) = (Placement::Planned, None);
            given_up = GivenUp { recordings: given_up.recordings + 1, last: Some(*id) };
            self.done.push(Done::PlannedAgain(what.agent.clone(), *id));
        }
        given_up
    }
}
