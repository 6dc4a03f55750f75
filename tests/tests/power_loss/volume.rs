//! File systems in image files, mounted over loop devices.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{cluster::SOON, wait::until};

/// What an agent's disk is formatted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    /// Makes an image of an empty one.
    pub(crate) fn make(self, image: &Path) -> Result<()> {
        let (mebibytes, words): (u64, &[&str]) = match self {
            // All of it at once: what is put off would be written during the test.
            Self::Ext4 => (
                96,
                &[
                    "mkfs.ext4",
                    "-q",
                    "-F",
                    "-m",
                    "0",
                    "-E",
                    "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
                ],
            ),
            Self::Xfs => (320, &["mkfs.xfs", "-q", "-K"]),
        };
        let file = File::create(image).with_context(|| format!("make {}", image.display()))?;
        file.set_len(mebibytes << 20).context("size the image")?;
        run(words, &[image])
    }
}

/// A mounted file system, until this is dropped.
#[derive(Debug)]
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts the file system in a file on a folder, which is made if it is not there.
    pub(crate) fn new(image: &Path, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        run(&["mount", "-o", "loop"], &[image, folder])?;
        Ok(Self(folder.to_owned()))
    }

    /// Unmounts it, and its loop device with it, once nobody has files open there:
    /// workers outlive an agent that is killed by a moment.
    pub(crate) async fn end(self) -> Result<()> {
        let path = self.0.as_path();
        until(format!("nobody to use {}", path.display()), SOON, async || match run(&["umount"], &[path]) {
            Ok(()) => Ok(Some(())),
            Err(error) if error.to_string().contains("busy") => Ok(None),
            Err(error) => Err(error),
        })
        .await?;
        // What is dropped instead is unmounted lazily.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A test has failed: whoever has files open there ends soon.
        if let Err(error) = run(&["umount", "--lazy"], &[&self.0]) {
            eprintln!("{error:#}");
        }
    }
}

fn run(words: &[&str], paths: &[&Path]) -> Result<()> {
    let (program, arguments) = words.split_first().context("no command")?;
    let output = Command::new(program).args(arguments).args(paths).output();
    let output = output.with_context(|| format!("run {program}"))?;
    ensure!(output.status.success(), "{words:?} {paths:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
