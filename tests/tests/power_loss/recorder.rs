//! A disk that remembers every write and every flush in their order: one file
//! in a file system of its own (FUSE), under a loop device.
//!
//! ```text
//!   agent -> ext4 -> loop device -> file "disk" here -> image
//!                                        '-> log: write, write, flush, write ...
//! ```
//!
//! The loop device turns a flush of the file system above into an fsync of its
//! file, and each of its writes arrives here before it is said to be done, so
//! that the log is what a disk with a volatile cache would have been told.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite,
    Request, Session, WriteFlags,
};

const NAME: &str = "disk";
const DISK: INodeNo = INodeNo(2);
const BLOCK_BYTES: u32 = 4_096;

/// How long the kernel may believe what it was told of files: they never change.
const LASTS: Duration = Duration::from_hours(1);

/// What the disk was told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    /// To write bytes, which stand in the log at `position`.
    Write { offset: u64, length: usize, position: u64 },
    /// To make all that was written before last.
    Flush,
}

/// Everything that the disk was told, in order.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Vec<Entry>,
    bytes: File,
    end: u64,
}

impl Log {
    /// What was told up to an instant.
    pub(crate) fn until(&self, instant: usize) -> &[Entry] {
        &self.entries[..instant]
    }

    /// The bytes of a write.
    pub(crate) fn read(&self, position: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.bytes.read_exact_at(&mut bytes, position)?;
        Ok(bytes)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (length, position) = (data.len(), self.end);
        self.bytes.write_all_at(data, position)?;
        self.end += u64::try_from(length).map_err(io::Error::other)?;
        self.entries.push(Entry::Write { offset, length, position });
        Ok(())
    }
}

/// A disk that remembers, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Recorder {
    folder: PathBuf,
    // A lock: the kernel's requests and the test come from different threads,
    // and none of them holds it for longer than one write.
    log: Arc<Mutex<Log>>,
    session: Option<BackgroundSession>,
}

impl Recorder {
    /// Puts `image` behind a disk; its file is in the folder `at`, which is made.
    pub(crate) fn start(image: &Path, at: &Path) -> Result<Self> {
        std::fs::create_dir(at).with_context(|| format!("make {}", at.display()))?;
        let live = File::options().read(true).write(true).open(image).context("open the image")?;
        let size = live.metadata().context("look at the image")?.len();
        let bytes = tempfile::tempfile().context("make the log")?;
        let log = Arc::new(Mutex::new(Log { entries: Vec::new(), bytes, end: 0 }));
        let disk = Disk { live, size, log: log.clone() };
        let session = Session::new(disk, at, &Config::default()).context("mount the recording disk")?;
        let session = session.spawn().context("serve the recording disk")?;
        Ok(Self { folder: at.to_owned(), log, session: Some(session) })
    }

    /// The file that is the disk.
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// This instant: how much the disk was told so far.
    pub(crate) fn now(&self) -> usize {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).entries.len()
    }

    /// Reads the log.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.umount_and_join()
        {
            eprintln!("unmount {}: {error}", self.folder.display());
        }
    }
}

/// The file system with the one file.
struct Disk {
    live: File,
    size: u64,
    log: Arc<Mutex<Log>>,
}

impl Disk {
    fn attributes(&self, node: INodeNo) -> FileAttr {
        let (kind, perm, size) = match node {
            DISK => (FileType::RegularFile, 0o600, self.size),
            _ => (FileType::Directory, 0o700, 0),
        };
        FileAttr {
            ino: node,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK_BYTES,
            flags: 0,
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<u32> {
        self.live.write_all_at(data, offset)?;
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write(offset, data)?;
        u32::try_from(data.len()).map_err(io::Error::other)
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&LASTS, &self.attributes(DISK), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LASTS, &self.attributes(node));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let length = self.size.saturating_sub(offset).min(size.into());
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        match self.live.read_exact_at(&mut bytes, offset) {
            Ok(()) => reply.data(&bytes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write(offset, data) {
            Ok(written) => reply.written(written),
            Err(error) => reply.error(error.into()),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Sent when the file is closed: nothing that a disk would hear of.
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).entries.push(Entry::Flush);
        reply.ok();
    }
}
