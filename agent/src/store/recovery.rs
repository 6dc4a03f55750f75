//! What a start does about what a crash has left.
//!
//! | journal row | file | what is done |
//! |---|---|---|
//! | none | in `incoming/` | removed: it was never acknowledged |
//! | on its way | in `incoming/`, whole | put in its place, queued for the engine |
//! | on its way | in its place, whole | published, queued for the engine |
//! | on its way | none, or other content | row dropped |
//! | in its place | none | row dropped, a person is told |
//! | none | in `recordings/` | left alone, a person is told |

use std::io;

use cap_std::fs::Dir;
use cofi_proto::{BatchId, RecordingId, receive::RefusalCode};

use super::{
    StoreError,
    disk::{digest_of, has_file, remove},
    error::Refused,
    layout::Layout,
    placing::{Place, Placing},
};
use crate::journal::{Change, Journal, Unplaced};

/// Rows that are looked at together.
const PAGE: usize = 1_000;

/// What was found at a start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Recordings that were finished.
    pub(crate) finished: usize,
    /// Rows whose content is not there.
    pub(crate) dropped: usize,
    /// Partial files that were removed.
    pub(crate) partial: usize,
    /// Files of which the journal knows nothing.
    pub(crate) unknown: usize,
}

/// Brings journal and files in line. Reads and writes files: not for a thread
/// of the runtime.
pub(super) async fn recover(layout: &Layout, journal: &Journal) -> Result<Recovered, StoreError> {
    let mut recovered = Recovered::default();
    finish_unplaced(layout, journal, &mut recovered).await?;
    recovered.partial = clear_incoming(layout)?;
    drop_missing(layout, journal, &mut recovered).await?;
    Ok(recovered)
}

async fn finish_unplaced(
    layout: &Layout,
    journal: &Journal,
    recovered: &mut Recovered,
) -> Result<(), StoreError> {
    let unplaced = journal.unplaced().await?;
    let mut placing = Placing::new(layout);
    let (mut placed, mut lost): (Vec<RecordingId>, Vec<RecordingId>) = (Vec::new(), Vec::new());
    for row in &unplaced {
        match finish(layout, &mut placing, row) {
            Ok(()) => placed.push(row.recording),
            Err(refused) => match refused.code {
                RefusalCode::Integrity | RefusalCode::NameTaken => {
                    let reason = refused.reason;
                    tracing::warn!(recording = %row.recording, reason, "recording was not finished");
                    lost.push(row.recording);
                }
                // It may have been acknowledged: not to be dropped for a disk that has a bad moment.
                RefusalCode::Io | RefusalCode::DiskFull => {
                    let source = io::Error::other(refused.reason);
                    return Err(StoreError::Io { doing: "finish", what: row.recording.to_string(), source });
                }
            },
        }
    }
    if let Err(batches) = placing.sync() {
        let batches: Vec<String> = batches.iter().map(BatchId::to_string).collect();
        let source = io::Error::other("folder could not be flushed");
        return Err(StoreError::Io { doing: "finish batches", what: batches.join(", "), source });
    }
    recovered.finished = placed.len();
    recovered.dropped = lost.len();
    failpoint!(async STORE_MENDED => return Err(StoreError::Closed));
    journal.commit(Change::Forgotten(lost)).await?;
    Ok(journal.commit(Change::Placed(placed)).await?)
}

fn finish(layout: &Layout, placing: &mut Placing<'_>, row: &Unplaced) -> Result<(), Refused> {
    let place = Place {
        recording: row.recording,
        audio_name: &row.audio_name,
        digest: row.digest,
        incoming: &row.incoming,
    };
    let whole = |folder: &Dir, name: &str| -> io::Result<bool> {
        Ok(has_file(folder, name)? && digest_of(folder, name)? == row.digest)
    };
    let look = |error: io::Error| Refused::io("look for its content", &error);
    if whole(&layout.incoming, &row.incoming).map_err(look)? {
        return placing.put(place);
    }
    let Some(folder) = layout.open_batch(row.recording.batch).map_err(look)? else {
        return Err(Refused::integrity("its content is not there"));
    };
    if whole(&folder, &row.audio_name).map_err(look)? {
        return placing.publish(place);
    }
    // Content that it was to replace, which no row stands for any more.
    remove(&folder, &row.audio_name).map_err(|error| Refused::io("remove older content", &error))?;
    Err(Refused::integrity("its content is not there"))
}

fn clear_incoming(layout: &Layout) -> Result<usize, StoreError> {
    let clear = || -> io::Result<usize> {
        let mut count = 0;
        for entry in layout.incoming.entries()? {
            entry?.remove_file()?;
            count += 1;
        }
        Ok(count)
    };
    clear().map_err(|source| StoreError::Io { doing: "clear", what: "incoming".to_owned(), source })
}

/// Looks for the file of each row, page by page, so that memory does not grow
/// with the store.
async fn drop_missing(
    layout: &Layout,
    journal: &Journal,
    recovered: &mut Recovered,
) -> Result<(), StoreError> {
    for batch in journal.batches().await? {
        let (mut present, mut missing, mut cursor) = (0, Vec::new(), None);
        let folder = layout.open_batch(batch).map_err(|source| reading(batch, source))?;
        loop {
            let page = journal.placed_of(batch, cursor, PAGE).await?;
            let Some(last) = page.last() else { break };
            cursor = Some(last.recording);
            for row in page {
                let there = folder.as_ref().map_or(Ok(false), |folder| has_file(folder, &row.audio_name));
                if there.map_err(|source| reading(batch, source))? {
                    present += 1;
                } else {
                    missing.push(row.recording);
                }
            }
        }
        if !missing.is_empty() {
            tracing::error!(%batch, count = missing.len(), "recordings that were held are gone");
        }
        let files = folder.map_or(Ok(0), |folder| Ok(folder.entries()?.count()));
        let unknown = files.map_err(|source| reading(batch, source))?.saturating_sub(present);
        if unknown > 0 {
            tracing::warn!(%batch, count = unknown, "files that the journal does not know");
        }
        recovered.dropped += missing.len();
        recovered.unknown += unknown;
        for gone in missing.chunks(PAGE) {
            journal.commit(Change::Forgotten(gone.to_vec())).await?;
        }
    }
    Ok(())
}

fn reading(batch: BatchId, source: io::Error) -> StoreError {
    StoreError::Io { doing: "read the folder of batch", what: batch.to_string(), source }
}
