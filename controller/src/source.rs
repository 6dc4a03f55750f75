//! Reading recordings from their source: opened beneath the batch's root,
//! looked at before and after, so that a change is noticed.

use std::{
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::{Component, Path},
};

use bytes::{Bytes, BytesMut};
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use cofi_proto::{Digest, Hasher, limits::PIECE_BYTES};
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::ledger::PlannedRecording;

/// How folders on the way to a source are opened: without the right to list
/// them, which need not be there, and not by a link.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why a recording cannot be read as it was planned.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not what was planned, or changed while it was read.
    #[error("{path} changed since the batch was planned ({what})")]
    Changed {
        /// Relative to the source.
        path: String,
        /// What is different.
        what: &'static str,
    },
    /// It is not there any more.
    #[error("{path} is not in the source any more")]
    Missing {
        /// Relative to the source.
        path: String,
    },
    /// The file system answered with an error.
    #[error("read {path}: {source}")]
    Unreadable {
        /// Relative to the source.
        path: String,
        /// The error.
        source: std::io::Error,
    },
}

impl SourceError {
    /// The fixed word that stands in tables and answers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "source_changed",
            Self::Missing { .. } => "source_missing",
            Self::Unreadable { .. } => "source_unreadable",
        }
    }
}

/// What identifies the content of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    mtime: i64,
}

/// A recording that is being read.
#[derive(Debug)]
pub struct SourceFile {
    file: std::fs::File,
    path: String,
    stamp: Stamp,
    hasher: Hasher,
    offset: u64,
}

impl SourceFile {
    /// Opens a recording beneath the root of its batch. Blocks.
    pub fn open(root: &str, recording: &PlannedRecording) -> Result<Self, SourceError> {
        let path = recording.source_path.clone();
        let failed = |path: &str, source: std::io::Error| {
            let path = path.to_owned();
            if source.kind() == ErrorKind::NotFound {
                SourceError::Missing { path }
            } else {
                SourceError::Unreadable { path, source }
            }
        };
        let root = open_root(Path::new(root)).map_err(|error| failed(&path, error))?;
        let file = open_beneath(&root, Path::new(&path)).map_err(|error| failed(&path, error))?.into_std();
        let stamp = stamp(&file).map_err(|error| failed(&path, error))?;
        if stamp.size != recording.size {
            return Err(SourceError::Changed { path, what: "its size" });
        }
        if stamp.mtime != recording.mtime {
            return Err(SourceError::Changed { path, what: "its modification time" });
        }
        Ok(Self { file, path, stamp, hasher: Hasher::new(), offset: 0 })
    }

    /// Bytes in it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// Bytes that were read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next piece; an empty one only if the file is empty. Blocks.
    pub fn read_piece(&mut self) -> Result<Bytes, SourceError> {
        let left = self.stamp.size - self.offset;
        let size = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let mut piece = BytesMut::zeroed(size);
        self.file.read_exact(&mut piece).map_err(|source| {
            let path = self.path.clone();
            if source.kind() == ErrorKind::UnexpectedEof {
                SourceError::Changed { path, what: "it became shorter while it was read" }
            } else {
                SourceError::Unreadable { path, source }
            }
        })?;
        self.hasher.update(&piece);
        self.offset += u64::try_from(size).unwrap_or(0);
        Ok(piece.freeze())
    }

    /// Whether all of it was read.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.offset == self.stamp.size
    }

    /// The digest of all that was read, if the file is still the same.
    pub fn finish(&self) -> Result<Digest, SourceError> {
        let now = stamp(&self.file)
            .map_err(|source| SourceError::Unreadable { path: self.path.clone(), source })?;
        if now == self.stamp {
            Ok(self.hasher.finish())
        } else {
            Err(SourceError::Changed { path: self.path.clone(), what: "it was written to while it was read" })
        }
    }
}

/// Reads a recording only for its size and digest. Blocks.
pub fn digest(root: &str, recording: &PlannedRecording) -> Result<(u64, Digest), SourceError> {
    let mut file = SourceFile::open(root, recording)?;
    while !file.at_end() {
        file.read_piece()?;
    }
    Ok((file.size(), file.finish()?))
}

/// Opens the folder of a batch, by a path that was resolved when the batch was
/// planned and lies below an allowed root: no part of it may be a link, or
/// whoever can write there could have put one in its place since.
pub(crate) fn open_root(path: &Path) -> std::io::Result<Dir> {
    let mut folder = openat(CWD, "/", FOLDER, Mode::empty())?;
    for part in path.components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => folder = openat(&folder, name, FOLDER, Mode::empty())?,
            Component::Prefix(_) | Component::CurDir | Component::ParentDir => {
                return Err(std::io::Error::new(ErrorKind::InvalidInput, "not a resolved path"));
            }
        }
    }
    // What only its path was opened of cannot be listed.
    let folder = openat(&folder, ".", FOLDER.difference(OFlags::PATH), Mode::empty())?;
    Ok(Dir::from_std_file(folder.into()))
}

/// Opens what lies beneath a folder, to read it. Never waits: a pipe that nobody
/// writes to would be waited for until the end of time.
pub(crate) fn open_beneath(folder: &Dir, path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    folder.open_with(path, &options)
}

fn stamp(file: &std::fs::File) -> std::io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.len(),
        mtime: nanos(metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// A time of a file, in nanoseconds since 1970-01-01 UTC.
pub(crate) fn nanos(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_part_of_a_source_may_have_become_a_link() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (outside, roots) = (home.join("outside/calls"), home.join("roots"));
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::create_dir_all(roots.join("customer/calls")).unwrap();
        let source = roots.join("customer/calls");
        assert!(open_root(&source).unwrap().entries().unwrap().next().is_none());

        // The last part, and one on the way.
        std::fs::remove_dir(&source).unwrap();
        symlink(&outside, &source).unwrap();
        assert!(open_root(&source).is_err());
        std::fs::remove_dir_all(roots.join("customer")).unwrap();
        symlink(home.join("outside"), roots.join("customer")).unwrap();
        assert!(open_root(&source).is_err());
        assert!(open_root(&outside).is_ok());
        for wrong in ["roots", "/a/../b", "./roots", ""] {
            assert!(open_root(Path::new(wrong)).is_err() || wrong.is_empty(), "{wrong}");
        }
        assert!(open_root(&home.join("outside/calls/../calls")).is_err());
    }
}
