//! The built programs, which lie beside the test that runs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// A program of the workspace, by its name.
pub fn path(name: &str) -> Result<PathBuf> {
    let program = folder()?.join(name);
    ensure!(
        program.is_file(),
        "{} is not built: run `cargo build --workspace --bins` (with --release if the tests are), or ./test",
        program.display()
    );
    Ok(program)
}

/// A program that was built with failpoints, by its name.
pub fn with_failpoints(name: &str) -> Result<PathBuf> {
    let program = folder()?.join("failpoints").join(name);
    ensure!(program.is_file(), "{} is not built: run tests/build-failpoints, or ./test", program.display());
    Ok(program)
}

/// Where the programs lie.
fn folder() -> Result<PathBuf> {
    let test = std::env::current_exe().context("find the path of this test")?;
    // target/PROFILE/deps/TEST, or target/PROFILE/PROGRAM
    let beside = test.parent().context("this test lies in no folder")?;
    Ok(if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside }.to_owned())
}

/// A command in an environment without the settings that are meant for the
/// tests, or for a Cofi that the person at the keyboard uses.
#[must_use]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COFI_") {
            command.env_remove(name);
        }
    }
    command.kill_on_drop(true);
    command
}
