//! A folder that only its owner can look into, and files that are replaced
//! whole or not at all.

use std::{
    fs::{DirBuilder, File},
    io::{self, Read, Write as _},
    os::{fd::OwnedFd, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, fsync, open, openat, renameat,
        unlinkat,
    },
    io::Errno,
    process::geteuid,
};
use zeroize::Zeroizing;

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What others than the owner may not do with a secret: anything.
const SECRET: u32 = 0o077;

/// What others than the owner may not do with what everybody may know: change
/// it.
const PUBLIC: u32 = 0o022;

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system call failed.
    #[error("{action} {path}", path = path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Others than its owner can get at it, so that what it holds may be known
    /// to them already.
    #[error("{path} has mode {mode:04o} and is open to others than its owner, expected {expected:04o}", path = path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode without what is refused.
        expected: u32,
    },
    /// It belongs to another user, who can change it at any time.
    #[error("{path} belongs to user {owner}, expected the user of this program or root", path = path.display())]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Number of the user that it belongs to.
        owner: u32,
    },
    /// It is something else than a file.
    #[error("{path} is not a regular file", path = path.display())]
    Kind {
        /// The path.
        path: PathBuf,
    },
    /// It is too large to be what it should be.
    #[error("{path} has more than {MAX_FILE_BYTES} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

impl FileError {
    fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_path_buf(), source: source.into() }
    }
}

/// A folder with mode 0700 whose files have mode 0600. One process at a time
/// writes to it.
#[derive(Debug)]
pub struct SecretFolder {
    path: PathBuf,
    folder: OwnedFd,
}

impl SecretFolder {
    /// Opens the folder at `path`; makes it if it is not there. Refuses one
    /// that others than its owner can look into.
    pub fn open_or_create(path: &Path) -> Result<Self, FileError> {
        match Self::open(path) {
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let failed = |error| FileError::io("make folder", path, error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        // What is put into a folder is lost with it if the folder's own entry
        // is not on the disk.
        let folder = Self::open(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = openat(&folder.folder, "..", flags, Mode::empty()).map_err(io::Error::from);
        parent.and_then(|parent| Ok(fsync(parent)?)).map_err(failed)?;
        Ok(folder)
    }

    /// Opens the folder at `path`. Refuses one that others than its owner can
    /// look into.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let failed = |error| FileError::io("open folder", path, error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(path, flags, Mode::empty()).map_err(failed)?;
        check(&fstat(&folder).map_err(failed)?, path, SECRET)?;
        Ok(Self { path: path.to_path_buf(), folder })
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the folder; None if somebody else has.
    pub(super) fn try_lock(&self) -> Result<Option<FolderLock>, FileError> {
        let failed = |error: Errno| FileError::io("lock folder", &self.path, error);
        // Locks belong to what was opened: the folder as it is open already
        // would lock nobody out of this process.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(&self.folder, ".", flags, Mode::empty()).map_err(failed)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(FolderLock(folder))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads the file `name`, which holds a secret; None if there is none.
    pub(super) fn read(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.read_unless(name, SECRET)
    }

    /// Reads the file `name`, which everybody may know; None if there is none.
    pub(super) fn read_public(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.read_unless(name, PUBLIC)
    }

    fn read_unless(&self, name: &'static str, refused: u32) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.folder, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(FileError::io("open", &path, error)),
        };
        let stat = fstat(&file).map_err(|error| FileError::io("look at", &path, error))?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(FileError::Kind { path });
        }
        check(&stat, &path, refused)?;
        read_all(File::from(file), &path).map(Some)
    }

    /// Whether there is a file `name`.
    pub(super) fn has(&self, name: &'static str) -> Result<bool, FileError> {
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(FileError::io("look at", &self.path.join(name), error)),
        }
    }

    /// Puts `bytes` into the file `name`. A crash leaves what was there before
    /// or the new, both whole; on return the new is on the disk.
    pub(super) fn write(&self, name: &'static str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.path.join(name);
        let failed = |action| move |error: io::Error| (action, error);
        let fresh = format!(".{name}.new");
        let write = || {
            let mut file = self.create(&fresh).map_err(io::Error::from).map_err(failed("make"))?;
            file.write_all(bytes).map_err(failed("write"))?;
            file.sync_all().map_err(failed("flush"))?;
            renameat(&self.folder, &fresh, &self.folder, name).map_err(|error| ("rename", error.into()))?;
            fsync(&self.folder).map_err(|error| ("flush the folder of", error.into()))
        };
        write().map_err(|(action, error)| FileError::io(action, &path, error))
    }

    /// A new file `name`, in place of what an interrupted write left.
    fn create(&self, name: &str) -> Result<File, Errno> {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.folder, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Removes the file `name`, if there is one.
    pub(super) fn remove(&self, name: &'static str) -> Result<(), FileError> {
        let failed = |error| FileError::io("remove", &self.path.join(name), error);
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) => fsync(&self.folder).map_err(failed),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A folder that is locked, until this is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock(#[allow(dead_code, reason = "it is closed when it is dropped")] OwnedFd);

/// Reads a secret that is one line, from a file that only its owner can read
/// or from a pipe, such as `/dev/stdin`: without the line's end.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(|error| FileError::io("open", path, error))?;
    let stat = fstat(&file).map_err(|error| FileError::io("look at", path, error))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => check(&stat, path, SECRET)?,
        FileType::Fifo | FileType::CharacterDevice | FileType::Socket => {}
        FileType::Directory | FileType::Symlink | FileType::BlockDevice | FileType::Unknown => {
            return Err(FileError::Kind { path: path.to_path_buf() });
        }
    }
    let mut secret = read_all(file, path)?;
    let end = secret.trim_ascii_end().len();
    secret.truncate(end);
    Ok(secret)
}

fn read_all(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // All the room at once: a vector that grows leaves copies behind.
    let room = usize::try_from(MAX_FILE_BYTES + 1).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::io("read", path, error))?;
    if bytes.len() < room { Ok(bytes) } else { Err(FileError::TooLarge { path: path.to_path_buf() }) }
}

/// Refuses what others can do of `refused` with. Root looks at the files of the user that a
/// service runs as, and may.
fn check(stat: &Stat, path: &Path, refused: u32) -> Result<(), FileError> {
    let mode = stat.st_mode & 0o7777;
    if mode & refused != 0 {
        return Err(FileError::Open { path: path.to_path_buf(), mode, expected: mode & !refused });
    }
    let user = geteuid();
    if user.is_root() || stat.st_uid == user.as_raw() || stat.st_uid == 0 {
        Ok(())
    } else {
        Err(FileError::Owner { path: path.to_path_buf(), owner: stat.st_uid })
    }
}
