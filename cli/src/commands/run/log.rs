//! Where the controller and the agent of `cofi run` log: in a file, since the
//! terminal shows progress. The log of the run before is kept beside it.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::Path,
    sync::Mutex,
};

use tracing_subscriber::{EnvFilter, fmt};

use super::{RunError, folders::Folders};

const LOG: &str = "cofi.log";
const LOG_BEFORE: &str = "cofi.log.1";

/// What is logged unless the environment's `RUST_LOG` says otherwise.
const FILTER: &str = "info";

pub(super) fn start(folders: &Folders) -> Result<(), RunError> {
    let path = folders.data().join(LOG);
    let file = begin(folders.data(), &path).map_err(|source| RunError::Log { path: path.clone(), source })?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    // The writer's lock is held for a line at a time; every task logs.
    let log = fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file));
    log.try_init().map_err(|error| RunError::Log { path, source: std::io::Error::other(error) })
}

fn begin(folder: &Path, path: &Path) -> std::io::Result<File> {
    match fs::rename(path, folder.join(LOG_BEFORE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => File::create(path),
    }
}
