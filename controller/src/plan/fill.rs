//! Filling the manifest of a batch that nobody sees yet.

use cap_std::fs::Dir;
use cofi_proto::BatchId;
use tokio::sync::mpsc;

use super::{
    Offender, PlanError, Planned, Planner, invalid, names,
    walk::{self, Found, FoundFile},
};
use crate::{
    ledger::{ManifestEntry, NameColumns, NewBatch},
    name::name_key,
};

/// Most recordings of a batch.
const MAX_RECORDINGS: i64 = 1_000_000;
/// Offenders that are told one by one.
const MAX_OFFENDERS: usize = 1_000;
/// Chunks that the walk may be ahead of the database.
const CHUNKS_AHEAD: usize = 1;

impl Planner {
    /// Walks the source into the manifest of a batch that nobody sees yet.
    pub(super) async fn fill(
        &self,
        batch: BatchId,
        new: &NewBatch,
        root: Dir,
        skip_known: bool,
    ) -> Result<Planned, PlanError> {
        failpoint!(async BATCH_BEGUN => return Err(crate::ledger::LedgerError::failpoint().into()));
        let columns = self.ledger.name_columns().await?;
        let (sender, mut receiver) = mpsc::channel(CHUNKS_AHEAD);
        let walking = tokio::task::spawn_blocking(move || walk::walk(&root, &sender));
        let mut filling = Filling {
            planner: self,
            batch,
            new,
            columns,
            skip_known,
            next: 0,
            known: 0,
            refused: Refused::default(),
        };
        while let Some(found) = receiver.recv().await {
            match found {
                Found::Files(files) => filling.add(files).await?,
                Found::Offender(offender) => filling.refused.add(offender),
            }
            if filling.next > MAX_RECORDINGS {
                return Err(invalid("source", "has more than 1,000,000 recordings: split it into batches"));
            }
        }
        walking.await.map_err(|error| invalid("source", format!("walk: {error}")))?;
        filling.finish().await
    }
}

/// The first offenders, and how many there are.
#[derive(Debug, Default)]
struct Refused {
    first: Vec<Offender>,
    total: u64,
}

impl Refused {
    fn add(&mut self, offender: Offender) {
        self.total += 1;
        if self.first.len() < MAX_OFFENDERS {
            self.first.push(offender);
        }
    }
}

/// A manifest that grows.
struct Filling<'a> {
    planner: &'a Planner,
    batch: BatchId,
    new: &'a NewBatch,
    columns: NameColumns,
    skip_known: bool,
    next: i64,
    known: u64,
    refused: Refused,
}

impl Filling<'_> {
    async fn add(&mut self, files: Vec<FoundFile>) -> Result<(), PlanError> {
        let mut entries = Vec::with_capacity(files.len());
        for file in files {
            if let Some(reason) = names::objection(&file.audio_name, &self.new.audio_endpoint, &self.columns)
            {
                let path = file.source_path.escape_debug().to_string();
                self.refused.add(Offender { path, reason });
                continue;
            }
            entries.push(ManifestEntry {
                ordinal: self.next,
                name_key: name_key(&file.audio_name),
                audio_name: file.audio_name,
                source_path: file.source_path,
                size: file.size,
                mtime: file.mtime,
            });
            self.next += 1;
        }
        if self.skip_known {
            self.drop_known(&mut entries).await?;
        }
        let equal = self.planner.ledger.add_to_manifest(self.batch, &entries).await?;
        failpoint!(async MANIFEST_GROWN => return Err(crate::ledger::LedgerError::failpoint().into()));
        for entry in entries.iter().filter(|entry| equal.contains(&entry.ordinal)) {
            let reason = "another file of the batch has an equal name (case, marks and trailing blanks aside): \
                          rename one of them";
            self.refused.add(Offender { path: entry.source_path.clone(), reason: reason.to_owned() });
        }
        Ok(())
    }

    /// Leaves out what earlier batches hold, and closes the gaps.
    async fn drop_known(&mut self, entries: &mut Vec<ManifestEntry>) -> Result<(), PlanError> {
        let first = entries.first().map_or(self.next, |entry| entry.ordinal);
        let known = self.planner.ledger.known_files(&self.new.source, entries).await?;
        entries.retain(|entry| !known.contains(&entry.ordinal));
        self.known += u64::try_from(known.len()).unwrap_or(u64::MAX);
        self.next = first;
        for entry in entries {
            entry.ordinal = self.next;
            self.next += 1;
        }
        Ok(())
    }

    async fn finish(self) -> Result<Planned, PlanError> {
        if self.refused.total > 0 {
            return Ok(Planned::Rejected { offenders: self.refused.first, total: self.refused.total });
        }
        if self.next == 0 && self.known > 0 {
            return Ok(Planned::NothingNew { known: self.known });
        }
        if self.next == 0 {
            return Err(invalid("source", format!("{:?} has no audio files", self.new.source)));
        }
        failpoint!(async MANIFEST_WHOLE => return Err(crate::ledger::LedgerError::failpoint().into()));
        self.planner.ledger.publish_batch(self.batch).await?;
        failpoint!(async BATCH_PUBLISHED => return Err(crate::ledger::LedgerError::failpoint_at_commit().into()));
        Ok(Planned::Batch { batch: self.batch, new: true })
    }
}
