//! Puts recordings in their places without threads, journal or flushes: the way
//! from a name on the wire to one on the disk, for the fuzz targets.

use std::path::{Path, PathBuf};

use cofi_proto::{Digest, receive::PieceHead};

use super::{
    Layout,
    disk::remove,
    placing::{Place, Placing},
};
use crate::chain::Chain;

/// What a recording is called until it has its place.
const INCOMING: &str = "0";

/// A data folder in which recordings are put in their places and removed again.
#[derive(Debug)]
pub struct Shelf(Layout);

impl Shelf {
    /// Makes the folders of a store in `data_dir`, which publishes in
    /// `publish_dir`.
    pub fn open(data_dir: &Path, publish_dir: &Path) -> Result<Self, String> {
        Layout::open(data_dir, Some(publish_dir)).map(Self).map_err(|error| Chain(&error).to_string())
    }

    /// Stores an empty recording, tells `look` where it should lie, and removes
    /// it again. The refusal's words if the disk does not take it.
    pub fn store(&self, head: &PieceHead, look: impl FnOnce(PathBuf)) -> Result<(), String> {
        let Self(layout) = self;
        let (batch, audio_name) = (head.recording.batch, head.audio_name.as_str());
        let digest = Digest::of(b"");
        drop(layout.create_incoming(INCOMING).map_err(|error| error.to_string())?);
        let mut placing = Placing::new(layout);
        let placed = placing.put(Place { recording: head.recording, audio_name, digest, incoming: INCOMING });
        if let Err(refused) = placed {
            remove(&layout.incoming, INCOMING).map_err(|error| error.to_string())?;
            return Err(refused.reason);
        }
        look(layout.recording(batch, audio_name));
        placing.take_back(batch, audio_name);
        Ok(())
    }
}
