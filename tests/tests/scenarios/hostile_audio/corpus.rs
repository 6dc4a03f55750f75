//! All hostile files of one run.

use std::path::Path;

use anyhow::{Context as _, Result};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::{bombs, containers, damage, names, rubbish, waves};

/// A file that no recorder should have left.
#[derive(Debug, Clone)]
pub(super) struct Hostile {
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) fate: Fate,
}

/// What is in it.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// So many bytes, of which only these first ones take room on the disk.
    Sparse {
        head: Vec<u8>,
        size: u64,
    },
}

/// What must become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It fails, with this code.
    Fails(&'static str),
    /// There is sound in it, and it is identified as something.
    Identified,
    /// Whatever a decoder makes of it.
    Ends,
}

impl Hostile {
    pub(super) fn new(name: impl Into<String>, content: Vec<u8>, fate: Fate) -> Self {
        Self { name: name.into(), content: Content::Bytes(content), fate }
    }

    pub(super) fn ends(name: impl Into<String>, content: Vec<u8>) -> Self {
        Self::new(name, content, Fate::Ends)
    }

    /// Writes it into a folder: its size.
    pub(super) fn write(&self, folder: &Path) -> Result<u64> {
        let path = folder.join(&self.name);
        let doing = || format!("write {}", path.display());
        match &self.content {
            Content::Bytes(bytes) => {
                std::fs::write(&path, bytes).with_context(doing)?;
                Ok(u64::try_from(bytes.len())?)
            }
            Content::Sparse { head, size } => {
                std::fs::write(&path, head).with_context(doing)?;
                let file = std::fs::OpenOptions::new().write(true).open(&path).with_context(doing)?;
                file.set_len(*size).with_context(doing)?;
                Ok(*size)
            }
        }
    }
}

/// So many of them, or all with the largest: the same seed makes the same.
/// `clip` is plain telephone WAVE, `encoded` are recordings in other formats, by
/// name.
pub(super) fn hostile(
    seed: u64,
    most: Option<usize>,
    clip: &[u8],
    encoded: &[(String, Vec<u8>)],
) -> Vec<Hostile> {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut files = waves::truncated(clip);
    files.extend(waves::lying(clip));
    files.extend(waves::odd_samples(random));
    files.extend(containers::all());
    files.extend(rubbish::all(random));
    files.extend(names::all());
    files.extend(damage::all(random, if most.is_none() { 20 } else { 3 }, clip, encoded));
    files.shuffle(random);
    // Bombs are the fewest, and what time limits are for.
    let bombs = bombs::all(most.is_none());
    files.truncate(most.map_or(usize::MAX, |most| most.saturating_sub(bombs.len())));
    files.extend(bombs);
    files.shuffle(random);
    files
}
