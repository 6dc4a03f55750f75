//! Putting durable recordings in their places: rename, publish, and the
//! flushes of the folders that make it last.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use cap_std::fs::Dir;
use cofi_proto::{BatchId, Digest, RecordingId};

use super::{
    disk::remove,
    error::Refused,
    layout::{Layout, sync_folder},
    publish,
};

/// A recording whose content is durable in `incoming/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) recording: RecordingId,
    pub(super) audio_name: &'a str,
    pub(super) digest: Digest,
    pub(super) incoming: &'a str,
}

/// Puts a group of recordings in their places.
#[derive(Debug)]
pub(super) struct Placing<'a> {
    layout: &'a Layout,
    folders: HashMap<BatchId, Dir>,
    made: bool,
}

impl<'a> Placing<'a> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        Self { layout, folders: HashMap::new(), made: false }
    }

    /// Moves a recording from `incoming/` to its place and publishes it. It
    /// lasts once [`Self::sync`] has said so.
    pub(super) fn put(&mut self, place: Place<'_>) -> Result<(), Refused> {
        self.folder(place.recording.batch).map_err(|error| Refused::io("make the batch's folder", &error))?;
        let layout = self.layout;
        let folder = self.opened(place.recording.batch)?;
        if let Some(publish) = &layout.publish {
            // Content that is about to be replaced must not stay published.
            publish::withdraw(publish, folder, place.audio_name)
                .map_err(|error| Refused::io("withdraw the older content", &error))?;
        }
        failpoint!(ROW_JOURNALED => return Err(Refused::io("rename", &cofi_failpoint::io_error())));
        layout
            .incoming
            .rename(place.incoming, folder, place.audio_name)
            .map_err(|error| Refused::io("rename", &error))?;
        self.publish(place)
    }

    /// Publishes a recording that has its place. If that is refused the
    /// recording is removed.
    pub(super) fn publish(&mut self, place: Place<'_>) -> Result<(), Refused> {
        self.folder(place.recording.batch).map_err(|error| Refused::io("open the batch's folder", &error))?;
        let Some(publish) = &self.layout.publish else { return Ok(()) };
        let folder = self.opened(place.recording.batch)?;
        let linked = publish::link(publish, folder, place.audio_name, place.digest);
        if linked.is_err()
            && let Err(error) = remove(folder, place.audio_name)
        {
            tracing::warn!(recording = %place.recording, %error, "could not remove a refused recording");
        }
        linked
    }

    /// Makes the new names last. Tells for which batches that failed.
    pub(super) fn sync(&self) -> Result<(), HashSet<BatchId>> {
        let sync = |what: &str, folder: &Dir| {
            failpoint!(FILES_RENAMED => return false);
            sync_folder(folder)
                .inspect_err(|error| tracing::error!(folder = what, %error, "could not flush a folder"))
                .is_ok()
        };
        let shared = (!self.made || sync("recordings", &self.layout.recordings))
            && self.layout.publish.as_ref().is_none_or(|publish| sync("publish_dir", publish));
        let failed: HashSet<BatchId> = self
            .folders
            .iter()
            .filter(|(batch, folder)| !sync(&batch.to_string(), folder) || !shared)
            .map(|(batch, _)| *batch)
            .collect();
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }

    /// Takes back a recording whose name may not last.
    pub(super) fn take_back(&self, batch: BatchId, audio_name: &str) {
        let Some(folder) = self.folders.get(&batch) else { return };
        let withdrawn = self
            .layout
            .publish
            .as_ref()
            .map_or(Ok(false), |publish| publish::withdraw(publish, folder, audio_name));
        if let Err(error) = withdrawn.and_then(|_| remove(folder, audio_name)) {
            tracing::warn!(%batch, audio_name, %error, "could not take a recording back");
        }
    }

    fn folder(&mut self, batch: BatchId) -> io::Result<()> {
        if !self.folders.contains_key(&batch) {
            let (folder, made) = self.layout.make_batch(batch)?;
            self.made |= made;
            self.folders.insert(batch, folder);
        }
        Ok(())
    }

    fn opened(&self, batch: BatchId) -> Result<&Dir, Refused> {
        let missing = || Refused::io("open the batch's folder", &io::ErrorKind::NotFound.into());
        self.folders.get(&batch).ok_or_else(missing)
    }
}
