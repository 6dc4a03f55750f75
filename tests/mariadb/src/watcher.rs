//! Cleans up after a test process, however that ends.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// Waits until the pipe is closed, kills the server, removes the folder.
const SCRIPT: &str = r#"
read -r _
pid=$(cat "$1/pid" 2>/dev/null)
if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = mariadbd ]; then
    kill -9 "$pid"
    while [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = mariadbd ] && ! grep -q '^State:.Z' "/proc/$pid/status"; do
        sleep 0.05
    done
fi
rm -rf "$1"
"#;

/// A shell that holds the other end of a pipe.
#[derive(Debug)]
pub(crate) struct Watcher(Child);

impl Watcher {
    /// Watches over the server of a folder.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let shell = Command::new("setsid")
            .args(["sh", "-c", SCRIPT, "watcher"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        shell.context("start the watcher").map(Self)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It was asked to end; nobody needs its status.
        drop(self.0.wait());
    }
}
