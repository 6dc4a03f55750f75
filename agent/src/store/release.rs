//! Removing recordings that the controller does not need here.

use std::io;

use cofi_proto::RecordingId;

use super::{
    disk::remove,
    layout::{Layout, sync_folder},
    publish,
};
use crate::journal::{Journal, JournalError, Standing};

/// Removes the files of these recordings, and gives those whose rows are to be
/// removed after them: a crash in between leaves rows without files, which the
/// next start drops.
pub(super) async fn release(
    layout: &Layout,
    journal: &Journal,
    recordings: &[RecordingId],
) -> Result<Vec<RecordingId>, JournalError> {
    failpoint!(async RELEASE_HEARD => return Err(JournalError::Closed));
    let mut gone = Vec::with_capacity(recordings.len());
    for held in journal.held_of(recordings).await? {
        match remove_files(layout, journal, &held).await {
            Ok(()) => gone.push(held.recording),
            Err(error) => {
                tracing::error!(recording = %held.recording, %error, "could not remove a released recording");
            }
        }
    }
    sync_all(layout, &gone);
    tracing::info!(asked = recordings.len(), removed = gone.len(), "recordings released");
    Ok(gone)
}

async fn remove_files(layout: &Layout, journal: &Journal, held: &Standing) -> io::Result<()> {
    let Some(folder) = layout.open_batch(held.recording.batch)? else { return Ok(()) };
    let withdrawn = match &layout.publish {
        Some(publish) => publish::withdraw(publish, &folder, &held.audio_name)?,
        None => false,
    };
    remove(&folder, &held.audio_name)?;
    if withdrawn {
        republish(layout, journal, held).await;
    }
    Ok(())
}

/// A recording of another batch may have had the same name and content, and
/// have been published by the same file.
async fn republish(layout: &Layout, journal: &Journal, held: &Standing) {
    let namesake = journal.namesake(held.recording, &held.audio_name).await;
    let Ok(Some((recording, digest))) = namesake else { return };
    let folder = layout.open_batch(recording.batch);
    if let (Some(publish), Ok(Some(folder))) = (&layout.publish, folder)
        && let Err(refused) = publish::link(publish, &folder, &held.audio_name, digest)
    {
        tracing::warn!(%recording, reason = refused.reason, "could not publish a recording again");
    }
}

/// Removes empty batch folders and makes the rest last. That a removal is
/// undone by a power cut only costs room.
fn sync_all(layout: &Layout, gone: &[RecordingId]) {
    let mut batches: Vec<_> = gone.iter().map(|id| id.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    for batch in batches {
        // Fails as long as recordings are in it.
        if layout.recordings.remove_dir(batch.to_string()).is_err()
            && let Ok(Some(folder)) = layout.open_batch(batch)
            && let Err(error) = sync_folder(&folder)
        {
            tracing::warn!(%batch, %error, "could not flush a folder");
        }
    }
}
