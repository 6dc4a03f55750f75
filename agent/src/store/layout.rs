//! Where things lie in the data folder, and who may use it.
//!
//! ```text
//! data_dir/
//!   lock             held while an agent runs here
//!   storage.id       UUID, made once
//!   database.id      the database whose recordings these are
//!   journal.sqlite
//!   journal.ballast  room that is kept for the journal
//!   identity/        key, certificate, trusted authorities
//!   incoming/        recordings on their way, under names of our own
//!   recordings/BATCH/AUDIO NAME
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
};
use cofi_proto::BatchId;
use rustix::process::geteuid;
use uuid::Uuid;

use super::StoreError;
use crate::own;

const JOURNAL: &str = "journal.sqlite";
const STORAGE_ID: &str = "storage.id";
const DATABASE_ID: &str = "database.id";
const INCOMING: &str = "incoming";
const RECORDINGS: &str = "recordings";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Files that are published can be read by the group: the folder that they are
/// published in decides who gets that far.
const PUBLISHED_MODE: u32 = 0o640;

/// More than a file of one line has.
const MAX_LINE_BYTES: u64 = 4 * 1024;

/// The data folder, locked for this agent.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    storage_id: String,
    pub(super) incoming: Dir,
    pub(super) recordings: Dir,
    pub(super) publish: Option<Dir>,
    /// Released when the file is closed.
    _lock: File,
}

impl Layout {
    /// Opens the data folder, making what is not there, and takes its lock.
    pub(crate) fn open(data_dir: &Path, publish_dir: Option<&Path>) -> Result<Self, StoreError> {
        make_folder(data_dir)?;
        let root = fs::canonicalize(data_dir).map_err(|source| opening(data_dir, source))?;
        let folder = open_folder(&root)?;
        check_own(&folder, &root)?;
        let lock = lock(&root)?;
        let storage_id = storage_id(&root)?;
        let journal = root.join(JOURNAL);
        // SQLite would make it readable for everyone.
        open_file(&journal)?;

        let incoming = make_own(&folder, &root, INCOMING)?;
        let recordings = make_own(&folder, &root, RECORDINGS)?;
        sync_path(&root)?;
        let layout = Self {
            storage_id,
            incoming,
            recordings,
            publish: publish_dir.map(open_folder).transpose()?,
            root,
            _lock: lock,
        };
        if let (Some(publish), Some(path)) = (&layout.publish, publish_dir) {
            layout.check_same_file_system(publish, path)?;
        }
        Ok(layout)
    }

    /// The UUID of this store.
    pub(crate) fn storage_id(&self) -> &str {
        &self.storage_id
    }

    /// The database whose recordings are stored here, once one is.
    pub(crate) fn database_id(&self) -> Result<Option<String>, StoreError> {
        let path = self.root.join(DATABASE_ID);
        match read_line(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(opening(&path, source)),
        }
    }

    /// Writes down whose recordings are stored here, unless that stands
    /// already: another database's recordings have the same names.
    pub(crate) fn belong_to(&self, database: &str) -> Result<(), StoreError> {
        match self.database_id()? {
            None => write_durably(&self.root, DATABASE_ID, database),
            Some(own) if own == database => Ok(()),
            Some(own) => Err(StoreError::OtherDatabase { own, other: database.to_owned() }),
        }
    }

    /// Where the journal lies.
    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join(JOURNAL)
    }

    /// Where a recording lies.
    pub(crate) fn recording(&self, batch: BatchId, audio_name: &str) -> PathBuf {
        self.root.join(RECORDINGS).join(batch.to_string()).join(audio_name)
    }

    /// Makes a file in `incoming/`.
    pub(super) fn create_incoming(&self, name: &str) -> io::Result<File> {
        let mode = if self.publish.is_some() { PUBLISHED_MODE } else { FILE_MODE };
        let mut options = cap_std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        Ok(self.incoming.open_with(name, &options)?.into_std())
    }

    /// The folder of a batch; whether it was made just now.
    pub(super) fn make_batch(&self, batch: BatchId) -> io::Result<(Dir, bool)> {
        let mut builder = cap_std::fs::DirBuilder::new();
        builder.mode(FOLDER_MODE);
        let made = match self.recordings.create_dir_with(batch.to_string(), &builder) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        Ok((own::folder_in(&self.recordings, &batch.to_string())?, made))
    }

    /// The folder of a batch, if it is there.
    pub(super) fn open_batch(&self, batch: BatchId) -> io::Result<Option<Dir>> {
        match own::folder_in(&self.recordings, &batch.to_string()) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_same_file_system(&self, publish: &Dir, path: &Path) -> Result<(), StoreError> {
        let device = |folder: &Dir| folder.dir_metadata().map(|metadata| metadata.dev());
        let theirs = device(publish).map_err(|source| opening(path, source))?;
        let ours = device(&self.recordings).map_err(|source| opening(&self.root, source))?;
        if theirs == ours {
            return Ok(());
        }
        Err(StoreError::OtherFileSystem { publish: path.to_owned(), data: self.root.clone() })
    }
}

fn opening(path: &Path, source: io::Error) -> StoreError {
    StoreError::Open { path: path.to_owned(), source }
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(|source| opening(path, source))
}

fn open_folder(path: &Path) -> Result<Dir, StoreError> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|source| opening(path, source))
}

/// Makes a folder of the root, if it is not there.
fn make_own(folder: &Dir, root: &Path, name: &str) -> Result<Dir, StoreError> {
    let path = root.join(name);
    let mut builder = cap_std::fs::DirBuilder::new();
    builder.mode(FOLDER_MODE);
    match folder.create_dir_with(name, &builder) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => return Err(opening(&path, source)),
        Ok(()) | Err(_) => {}
    }
    let made = own::folder_in(folder, name).map_err(|source| opening(&path, source))?;
    check_own(&made, &path)?;
    Ok(made)
}

/// Refuses a folder in which others could put links, or other files, in the
/// place of the agent's.
fn check_own(folder: &Dir, path: &Path) -> Result<(), StoreError> {
    let metadata = folder.dir_metadata().map_err(|source| opening(path, source))?;
    let (mode, owner, user) = (metadata.mode() & 0o7777, metadata.uid(), geteuid());
    if mode & 0o022 != 0 {
        return Err(StoreError::Shared { path: path.to_owned(), mode });
    }
    // Root works for whom it wants.
    if user.is_root() || owner == user.as_raw() || owner == 0 {
        Ok(())
    } else {
        Err(StoreError::Foreign { path: path.to_owned(), owner })
    }
}

/// Opens a file of the root, or makes it.
fn open_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE);
    own::open(&mut options, path).map_err(|source| opening(path, source))
}

/// What stands in a file of one line.
fn read_line(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    own::open(OpenOptions::new().read(true), path)?.take(MAX_LINE_BYTES).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let file = open_file(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(root.to_owned())),
        Err(TryLockError::Error(source)) => Err(opening(&path, source)),
    }
}

/// The UUID of the store. A store that has lost its journal has forgotten what
/// it holds: it is another one from then on.
fn storage_id(root: &Path) -> Result<String, StoreError> {
    let path = root.join(STORAGE_ID);
    if root.join(JOURNAL).exists() && path.exists() {
        let text = read_line(&path).map_err(|source| opening(&path, source))?;
        let id = Uuid::parse_str(&text).map_err(|_| StoreError::StorageId(path))?;
        return Ok(id.to_string());
    }
    let id = Uuid::new_v4().to_string();
    write_durably(root, STORAGE_ID, &id)?;
    Ok(id)
}

/// Writes a line into a file of the root, whole or not at all.
fn write_durably(root: &Path, name: &str, line: &str) -> Result<(), StoreError> {
    let (path, fresh) = (root.join(name), root.join(format!("{name}.new")));
    let write = || {
        // What a crash has left, or somebody put there, is not written to.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&fresh)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    write().map_err(|source| opening(&path, source))?;
    sync_path(root)
}

fn sync_path(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| opening(folder, source))
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}
