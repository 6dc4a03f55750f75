//! The disk of an agent: what survives a crash, which is what was flushed.
//! What was not is in the tasks of the agent, and dies with them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cofi_agent::Standing;
use cofi_proto::{AgentName, Digest, RecordingId};

use super::rows::{Change, Rows};
use crate::witness::Witness;

/// What was flushed.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) database_id: Option<String>,
    pub(super) journal: Rows,
    /// Whole files that are on their way, by their names.
    pub(super) incoming: BTreeMap<u64, Digest>,
    /// Files in their places.
    pub(super) placed: BTreeMap<RecordingId, (String, Digest)>,
}

/// A disk. A lock and no task: one thread runs the simulation, and it is held
/// for one step, which nothing interrupts.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(super) agent: AgentName,
    pub(super) storage: String,
    content: Arc<Mutex<Content>>,
    pub(super) witness: Witness,
}

impl Disk {
    /// An empty one.
    #[must_use]
    pub fn new(agent: AgentName, storage: String, witness: Witness) -> Self {
        Self { agent, storage, content: Arc::default(), witness }
    }

    /// The name of the store on it.
    #[must_use]
    pub fn storage(&self) -> &str {
        &self.storage
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole file gets its place, for good.
    pub(super) fn place(&self, recording: RecordingId, file: u64, audio_name: &str) {
        let digest = self.content().incoming.remove(&file);
        let Some(digest) = digest else { return };
        self.content().placed.insert(recording, (audio_name.to_owned(), digest));
        self.witness.durable(&self.agent, recording, digest);
    }

    /// A file is removed, for good.
    pub(super) fn remove(&self, recording: RecordingId) {
        if self.content().placed.remove(&recording).is_some() {
            self.witness.removed(&self.agent, &self.storage, recording);
        }
    }

    /// What a start does about what a crash has left: what has a row is
    /// finished, what has none is dropped.
    pub(super) fn recover(&self) {
        let (mut placed, mut lost) = (Vec::new(), Vec::new());
        let unplaced: Vec<(RecordingId, u64, String, Digest)> = self
            .content()
            .journal
            .recordings
            .iter()
            .filter_map(|(id, row)| Some((*id, row.incoming?, row.audio_name.clone(), row.digest)))
            .collect();
        for (id, file, audio_name, digest) in unplaced {
            if self.content().incoming.contains_key(&file) {
                self.place(id, file, &audio_name);
            }
            let whole = self.content().placed.get(&id).is_some_and(|(_, there)| *there == digest);
            if whole { placed.push(id) } else { lost.push(id) }
        }
        let mut content = self.content();
        content.incoming.clear();
        let missing = content.journal.recordings.iter().filter(|(_, row)| row.incoming.is_none());
        let missing = missing.map(|(id, _)| *id).filter(|id| !content.placed.contains_key(id));
        lost.extend(missing.collect::<Vec<_>>());
        let mut next = content.journal.next_position();
        content.journal.make(Change::Forgotten(lost), &mut next);
        content.journal.make(Change::Placed(placed), &mut next);
    }

    /// What lies in its place, with its content.
    #[must_use]
    pub fn holds(&self) -> BTreeMap<RecordingId, Digest> {
        self.content().placed.iter().map(|(id, (_, digest))| (*id, *digest)).collect()
    }

    /// What is still to be done: recordings that are not known to have their
    /// rows, results without receipts, recordings that wait for the engine.
    #[must_use]
    pub fn unsettled(&self) -> (usize, usize, usize) {
        let content = self.content();
        let journal = &content.journal;
        let unplaced = journal.recordings.values().filter(|row| row.incoming.is_some()).count();
        (
            journal.held(None, usize::MAX).len() + unplaced,
            journal.outbox(0, usize::MAX).len(),
            journal.waiting(),
        )
    }

    pub(super) fn standing(&self, recording: RecordingId) -> Option<Standing> {
        let content = self.content();
        let row = content.journal.recordings.get(&recording)?;
        Some(Standing { recording, audio_name: row.audio_name.clone(), digest: row.digest })
    }
}
