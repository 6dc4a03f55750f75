//! Looking at what is stored, for the invariant checker: whether files are
//! there, and what they hold by now.

use std::{
    collections::HashMap,
    io::{self, Read as _},
    sync::Arc,
    time::{Duration, Instant},
};

use cofi_proto::{BatchId, RecordingId, digest::Hasher, verify::VerifiedState};
use rustix::fs::{Advice, fadvise};
use tokio_util::sync::CancellationToken;

use super::{StoreError, disk::has_file, layout::Layout};
use crate::{
    journal::{Journal, Standing},
    own,
};

/// Bytes a second that are read again: a part of what any disk gives, so that
/// those who serve recordings hardly notice.
const PACE: u64 = 64 * 1024 * 1024;
const READ_BYTES: usize = 256 * 1024;

impl Layout {
    /// What is there of a recording that the journal knows. With `read` its
    /// content is read from the disk, at a pace, until that is cancelled.
    pub(crate) async fn inspect(
        self: &Arc<Self>,
        held: Standing,
        read: Option<CancellationToken>,
    ) -> Result<VerifiedState, StoreError> {
        let layout = self.clone();
        let looking = tokio::task::spawn_blocking(move || look(&layout, &held, read.as_ref()));
        let seen = looking.await.map_err(|_| StoreError::Closed)?;
        Ok(seen.unwrap_or_else(|error| VerifiedState::Unreadable(error.to_string())))
    }

    /// Counts the files among the recordings that the journal does not know.
    pub(crate) async fn unknown_files(self: &Arc<Self>, journal: &Journal) -> Result<u64, StoreError> {
        let known: HashMap<BatchId, u64> = journal.count_by_batch().await?.into_iter().collect();
        let layout = self.clone();
        let counting = tokio::task::spawn_blocking(move || count_unknown(&layout, &known));
        let counted = counting.await.map_err(|_| StoreError::Closed)?;
        counted.map_err(|source| StoreError::Io { doing: "list", what: "the recordings".to_owned(), source })
    }
}

fn look(layout: &Layout, held: &Standing, read: Option<&CancellationToken>) -> io::Result<VerifiedState> {
    let RecordingId { batch, .. } = held.recording;
    let Some(folder) = layout.open_batch(batch)? else { return Ok(VerifiedState::Absent) };
    if !has_file(&folder, &held.audio_name)? {
        return Ok(VerifiedState::Absent);
    }
    let mut file = own::read_in(&folder, &held.audio_name)?;
    let size_bytes = file.metadata()?.len();
    let Some(cancelled) = read else {
        return Ok(VerifiedState::Present { size_bytes, digest: None });
    };
    // What the disk holds is asked for, not what memory remembers of it.
    fadvise(&file, 0, None, Advice::DontNeed)?;
    let (mut hasher, mut buffer, mut bytes) = (Hasher::new(), vec![0; READ_BYTES], 0);
    let begun = Instant::now();
    loop {
        if cancelled.is_cancelled() {
            return Err(io::Error::other("nobody asks any more"));
        }
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(VerifiedState::Present { size_bytes, digest: Some(hasher.finish()) });
        }
        hasher.update(&buffer[..count]);
        bytes += u64::try_from(count).unwrap_or(u64::MAX);
        let due = Duration::from_micros(bytes.saturating_mul(1_000_000) / PACE);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
}

fn count_unknown(layout: &Layout, known: &HashMap<BatchId, u64>) -> io::Result<u64> {
    let mut unknown = 0;
    for folder in layout.recordings.entries()? {
        let folder = folder?;
        let batch = folder.file_name().to_str().and_then(|name| name.parse().ok()).map(BatchId);
        if !folder.file_type()?.is_dir() {
            unknown += 1;
            continue;
        }
        let mut files = 0;
        for file in folder.open_dir()?.entries()? {
            file?;
            files += 1;
        }
        // Rows of recordings without their places make it less: never more.
        let known = batch.and_then(|batch| known.get(&batch)).copied().unwrap_or_default();
        unknown += u64::saturating_sub(files, known);
    }
    Ok(unknown)
}
