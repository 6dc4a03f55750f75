//! Where the programs of `mariadb-server` are.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Folders that are not in everybody's PATH.
const MORE: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// The server itself.
pub(crate) fn server() -> Result<PathBuf> {
    find("mariadbd")
}

/// What makes a data folder.
pub(crate) fn install() -> Result<PathBuf> {
    find("mariadb-install-db")
}

/// What root has to say to run a server: that it is meant.
pub(crate) fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

fn find(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(MORE.into_iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| {
            format!("{name} is missing: install Debian's mariadb-server, or run ./test, which does")
        })
}
