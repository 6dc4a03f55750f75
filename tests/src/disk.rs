//! A disk that is small enough to be filled.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{getegid, geteuid};

/// Bytes written at once; the last ones one by one.
const CHUNK: usize = 1 << 20;

/// A file system in memory, of a size of its own.
#[derive(Debug)]
pub struct SmallDisk {
    /// Where it is mounted.
    pub path: PathBuf,
}

impl SmallDisk {
    /// Mounts one on an empty folder, which takes the rights of root.
    pub fn mount(path: &Path, mebibytes: u32) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
        // It is mounted by root, and belongs to the user of the tests alone.
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let size = format!("size={mebibytes}m,mode=0700,uid={user},gid={group}");
        run(["mount", "-t", "tmpfs", "-o", &size, "cofi-tests"], path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Fills it to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = fs::File::create(self.ballast()).context("make the ballast")?;
        let mut chunk = &vec![1; CHUNK][..];
        while !chunk.is_empty() {
            match ballast.write_all(chunk) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => chunk = &chunk[..chunk.len() / 2],
                Err(error) => return Err(error).context("write the ballast"),
            }
        }
        Ok(())
    }

    /// Removes what [`Self::fill`] filled it with.
    pub fn make_room(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("remove the ballast")
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that ends may still have its files open.
        if let Err(error) = run(["umount", "--lazy"], &self.path) {
            eprintln!("{error:#}");
        }
    }
}

/// Runs a command as root, which the tests' user is or may become.
fn run<const N: usize>(words: [&str; N], path: &Path) -> Result<()> {
    let prefix: &[&str] = if geteuid().is_root() { &[] } else { &["sudo", "-n"] };
    let words = [prefix, &words].concat();
    let (program, arguments) = words.split_first().context("no command")?;
    let output = Command::new(program).args(arguments).arg(path).output();
    let output = output.with_context(|| format!("run {program}"))?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
