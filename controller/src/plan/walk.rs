//! Walking a source: its files in the order of their paths, in chunks.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use cap_std::fs::{Dir, MetadataExt};
use cofi_proto::limits::MAX_RECORDING_BYTES;
use tokio::sync::mpsc;

use super::{Offender, names};
use crate::source::nanos;
use crate::source::open_beneath;

/// Files in a chunk: one statement's worth.
const CHUNK: usize = 500;

/// Folders below folders that are followed.
const DEPTH: usize = 64;

/// A file that may become a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub(super) audio_name: String,
    pub(super) source_path: String,
    pub(super) size: u64,
    pub(super) mtime: i64,
}

/// What a walk finds.
#[derive(Debug)]
pub(super) enum Found {
    Files(Vec<FoundFile>),
    Offender(Offender),
}

/// The receiver of a walk has gone.
struct Gone;

/// Walks `root` and hands over what it finds; ends early when nobody listens
/// any more. Blocks.
pub(super) fn walk(root: &Dir, found: &mpsc::Sender<Found>) {
    let mut walk = Walk { chunk: Vec::with_capacity(CHUNK), found };
    if walk.folder(root, Path::new(""), 0).is_ok() {
        // Nobody listening is no error: they have heard enough.
        walk.flush().ok();
    }
}

struct Walk<'a> {
    chunk: Vec<FoundFile>,
    found: &'a mpsc::Sender<Found>,
}

impl Walk<'_> {
    fn flush(&mut self) -> Result<(), Gone> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.found.blocking_send(Found::Files(chunk)).map_err(|_| Gone)
    }

    fn offender(&self, path: &Path, reason: impl Into<String>) -> Result<(), Gone> {
        let offender = Offender { path: escape(path), reason: reason.into() };
        self.found.blocking_send(Found::Offender(offender)).map_err(|_| Gone)
    }

    fn folder(&mut self, folder: &Dir, path: &Path, depth: usize) -> Result<(), Gone> {
        if depth > DEPTH {
            return self.offender(path, "folders are nested more than 64 deep here");
        }
        let mut names = match entries(folder) {
            Ok(names) => names,
            Err(error) => return self.offender(path, format!("this folder cannot be listed: {error}")),
        };
        names.sort_unstable();
        for name in names {
            self.entry(folder, &path.join(&name), &name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Dir, path: &Path, name: &OsString, depth: usize) -> Result<(), Gone> {
        if name.as_bytes().starts_with(b".") {
            return Ok(());
        }
        let kind = match folder.symlink_metadata(name) {
            Ok(metadata) => metadata.file_type(),
            Err(error) => return self.offender(path, format!("it cannot be read: {error}")),
        };
        if kind.is_dir() {
            return match folder.open_dir(name) {
                Ok(below) => self.folder(&below, path, depth + 1),
                Err(error) => self.offender(path, format!("this folder cannot be opened: {error}")),
            };
        }
        if !names::is_audio(Path::new(name)) {
            return Ok(());
        }
        self.file(folder, path, name)
    }

    fn file(&mut self, folder: &Dir, path: &Path, name: &OsString) -> Result<(), Gone> {
        let (Some(audio_name), Some(source_path)) = (name.to_str(), path.to_str()) else {
            return self.offender(path, "its path is not UTF-8: rename it");
        };
        // Opened, not only looked at: what cannot be read is to be known now.
        // A link that leads out of the source is refused by this as well.
        let metadata = match open_beneath(folder, Path::new(name)).and_then(|file| file.metadata()) {
            Ok(metadata) => metadata,
            Err(error) => return self.offender(path, format!("it cannot be opened: {error}")),
        };
        if !metadata.is_file() {
            return self.offender(path, "it is no regular file");
        }
        if metadata.len() > MAX_RECORDING_BYTES {
            return self.offender(path, "it is larger than 4 GiB");
        }
        self.chunk.push(FoundFile {
            audio_name: audio_name.to_owned(),
            source_path: source_path.to_owned(),
            size: metadata.len(),
            mtime: nanos(metadata.mtime(), metadata.mtime_nsec()),
        });
        if self.chunk.len() == CHUNK { self.flush() } else { Ok(()) }
    }
}

fn entries(folder: &Dir) -> std::io::Result<Vec<OsString>> {
    folder.entries()?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// A path for people: what is not printable, or not UTF-8, is escaped.
fn escape(path: &Path) -> String {
    if path == Path::new("") {
        return ".".to_owned();
    }
    PathBuf::from(path)
        .as_os_str()
        .as_bytes()
        .utf8_chunks()
        .flat_map(|chunk| {
            let valid = chunk
                .valid()
                .chars()
                .map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() });
            let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
            valid.chain(invalid).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, fs, os::unix::fs::symlink};

    use cap_std::ambient_authority;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn found(root: &Path) -> (Vec<String>, Vec<(String, String)>) {
        let dir = Dir::open_ambient_dir(root, ambient_authority()).unwrap();
        let (sender, mut receiver) = mpsc::channel(1_000);
        walk(&dir, &sender);
        drop(sender);
        let (mut files, mut offenders) = (Vec::new(), Vec::new());
        while let Some(found) = receiver.blocking_recv() {
            match found {
                Found::Files(chunk) => files.extend(chunk.into_iter().map(|file| file.source_path)),
                Found::Offender(offender) => offenders.push((offender.path, offender.reason)),
            }
        }
        (files, offenders)
    }

    #[test]
    fn audio_files_come_in_the_order_of_their_paths() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("b")).unwrap();
        for name in ["c.wav", "a.mp3", "b/z.wav", "b/a.WAV", "notes.txt", ".hidden.wav"] {
            fs::write(root.path().join(name), b"x").unwrap();
        }
        let (files, offenders) = found(root.path());
        assert_eq!(files, ["a.mp3", "b/a.WAV", "b/z.wav", "c.wav"]);
        assert!(offenders.is_empty(), "{offenders:?}");
    }

    #[test]
    fn links_that_lead_out_pipes_and_names_that_are_no_text_are_offenders() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.wav"), b"x").unwrap();
        fs::write(root.path().join("real.wav"), b"x").unwrap();
        symlink(outside.path().join("secret.wav"), root.path().join("out.wav")).unwrap();
        symlink("../../../../etc/passwd", root.path().join("up.wav")).unwrap();
        symlink("real.wav", root.path().join("within.wav")).unwrap();
        symlink("nowhere.wav", root.path().join("broken.wav")).unwrap();
        mknodat(CWD, root.path().join("pipe.wav"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::write(root.path().join(OsStr::from_bytes(b"bad\xff.wav")), b"x").unwrap();
        let (files, offenders) = found(root.path());
        assert_eq!(files, ["real.wav", "within.wav"]);
        let paths: Vec<&str> = offenders.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["bad\\xff.wav", "broken.wav", "out.wav", "pipe.wav", "up.wav"]);
    }
}
