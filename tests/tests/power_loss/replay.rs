//! What a disk holds after its power was cut at an instant.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::recorder::{Entry, Log, Recorder};

/// What a disk writes whole or not at all.
const BLOCK_BYTES: usize = 4_096;

/// How much of what was not flushed may be there all the same: nothing, since
/// the disk had it in its memory; everything, as if the power had stayed; or
/// any part of it, since a disk writes in the order that it likes.
const LUCK: [f64; 4] = [0.0, 0.2, 0.8, 1.0];

/// Replays a log onto a copy of the image as it was when the log began.
/// Instants are asked for in order, so that nothing is written twice.
#[derive(Debug)]
pub(crate) struct Replay {
    flushed: PathBuf,
    /// Entries that are in `flushed`: all up to a flush.
    done: usize,
}

impl Replay {
    /// Begins with `before`, the image as it was when the log began; the file
    /// is changed.
    pub(crate) fn new(before: PathBuf) -> Self {
        Self { flushed: before, done: 0 }
    }

    /// Makes `image` what the disk holds after a power cut at this instant.
    pub(crate) fn cut(
        &mut self,
        recorder: &Recorder,
        instant: usize,
        image: &Path,
        random: &mut StdRng,
    ) -> Result<()> {
        recorder.look(|log| {
            ensure!(instant >= self.done, "instants are to be asked for in order");
            let told = log.until(instant);
            let flushes = told.iter().rposition(|entry| matches!(entry, Entry::Flush));
            let lasting = flushes.map_or(self.done, |last| last + 1).max(self.done);
            let copy = File::options().write(true).open(&self.flushed).context("open the copy")?;
            for entry in &told[self.done..lasting] {
                write(log, *entry, &copy, |_| true)?;
            }
            self.done = lasting;
            fs::copy(&self.flushed, image).context("copy the image")?;
            let image = File::options().write(true).open(image).context("open the image")?;
            let luck = *LUCK.choose(random).context("no luck")?;
            for entry in &told[lasting..] {
                write(log, *entry, &image, |_| random.random_bool(luck))?;
            }
            Ok(())
        })
    }
}

/// Writes those blocks of an entry that `keep` says.
fn write(log: &Log, entry: Entry, image: &File, mut keep: impl FnMut(u64) -> bool) -> Result<()> {
    let Entry::Write { offset, length, position } = entry else { return Ok(()) };
    let bytes = log.read(position, length).context("read the log")?;
    let mut at = offset;
    for block in bytes.chunks(BLOCK_BYTES) {
        if keep(at) {
            image.write_all_at(block, at).context("write the image")?;
        }
        at += u64::try_from(block.len())?;
    }
    Ok(())
}
