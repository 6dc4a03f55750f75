//! The folder with the recordings, and the one where everything is kept.

use std::{
    fs::{DirBuilder, File, TryLockError},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::RunError;

/// Both folders, checked. The data folder belongs to this process for as long
/// as this lives.
#[derive(Debug)]
pub(super) struct Folders {
    /// Absolute, without links, as the controller keeps it.
    source: PathBuf,
    source_text: String,
    data: PathBuf,
    /// As it was typed, for words.
    data_as_given: PathBuf,
    _lock: File,
}

impl Folders {
    pub(super) fn prepare(source: &Path, data: &Path) -> Result<Self, RunError> {
        let no_folder = |error| RunError::NoFolder { path: source.to_owned(), source: error };
        let found = source.canonicalize().map_err(no_folder)?;
        if !found.is_dir() {
            return Err(no_folder(ErrorKind::NotADirectory.into()));
        }
        let source_text = found.to_str().ok_or_else(|| RunError::NotUtf8 { path: found.clone() })?.to_owned();
        // The walk would find the agent's copies of the recordings.
        if whereabouts(data)?.starts_with(&found) {
            return Err(RunError::DataInside { data: data.to_owned(), folder: source.to_owned() });
        }
        let (absolute, lock) = claim(data)?;
        Ok(Self { source: found, source_text, data: absolute, data_as_given: data.to_owned(), _lock: lock })
    }

    pub(super) fn source_text(&self) -> &str {
        &self.source_text
    }

    /// Whether a recording's file is still in the source.
    pub(super) fn has(&self, source_path: &str) -> bool {
        self.source.join(source_path).symlink_metadata().is_ok()
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// The database, as a person here would type it.
    pub(super) fn database_as_given(&self) -> PathBuf {
        self.data_as_given.join(DATABASE)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.data.join(DATABASE)
    }
}

const DATABASE: &str = "cofi.sqlite";

/// Makes the data folder if it is not there, and takes it.
fn claim(data: &Path) -> Result<(PathBuf, File), RunError> {
    let unusable = |source| RunError::DataFolder { path: data.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(unusable)?;
    let absolute = data.canonicalize().map_err(unusable)?;
    let lock = File::create(absolute.join("run.lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok((absolute, lock)),
        Err(TryLockError::WouldBlock) => Err(RunError::Busy { path: data.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Where a path leads that need not be there yet: the part that is there
/// without links, and the rest as it is.
fn whereabouts(path: &Path) -> Result<PathBuf, RunError> {
    let unusable = |source| RunError::DataFolder { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(unusable)?;
    for existing in absolute.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            let rest = absolute.strip_prefix(existing).unwrap_or(Path::new(""));
            return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
        }
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn the_data_folder_is_made_for_its_owner_alone_and_taken_once() {
        let home = tempfile::tempdir().unwrap();
        let (calls, data) = (home.path().join("calls"), home.path().join("deep/data"));
        std::fs::create_dir(&calls).unwrap();
        let folders = Folders::prepare(&calls, &data).unwrap();
        assert_eq!(data.metadata().unwrap().mode() & 0o777, 0o700);
        assert!(matches!(Folders::prepare(&calls, &data), Err(RunError::Busy { .. })));
        drop(folders);
        assert!(Folders::prepare(&calls, &data).is_ok());
    }

    #[test]
    fn the_data_folder_may_not_lie_below_the_recordings() {
        let home = tempfile::tempdir().unwrap();
        let calls = home.path().join("calls");
        std::fs::create_dir(&calls).unwrap();
        let link = home.path().join("link");
        symlink(&calls, &link).unwrap();
        for inside in [calls.join("data"), calls.join("not/there/yet"), link.join("data"), calls.clone()] {
            let refused = Folders::prepare(&calls, &inside);
            assert!(matches!(refused, Err(RunError::DataInside { .. })), "{refused:?}");
        }
        assert_eq!(std::fs::read_dir(&calls).unwrap().count(), 0);
        assert!(Folders::prepare(&calls, &home.path().join("calls-data")).is_ok());
    }

    #[test]
    fn a_source_that_is_no_folder_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.wav");
        std::fs::write(&file, "").unwrap();
        for source in [file, home.path().join("nowhere")] {
            let refused = Folders::prepare(&source, &home.path().join("data"));
            assert!(matches!(refused, Err(RunError::NoFolder { .. })), "{refused:?}");
        }
        assert!(!home.path().join("data").exists());
    }
}
