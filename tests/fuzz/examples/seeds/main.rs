//! Writes the corpora anew: valid inputs of each kind, made by the code that
//! makes real ones, and texts that lie close to a limit.
//!
//!     cargo run -p cofi-fuzz --example seeds
//!
//! Inputs that were found by fuzzing (`found-*`) stay as they are.

mod certificates;
mod messages;
mod texts;

use std::{fs, io, path::PathBuf};

use cofi_fuzz::{Kind, input};

/// Where inputs are written.
struct Corpus {
    folder: PathBuf,
    kinds: &'static [Kind],
}

impl Corpus {
    /// The corpus of a target, emptied of what this program writes.
    fn begin(target: &str, kinds: &'static [Kind]) -> io::Result<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with("found-") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { folder, kinds })
    }

    /// Writes an input of a kind; `name` tells it from others of that kind.
    fn add(&self, kind: &str, name: &str, content: &[u8]) -> io::Result<()> {
        fs::write(self.folder.join(format!("{kind}-{name}")), input(self.kinds, kind, content))
    }
}

fn main() -> io::Result<()> {
    messages::write(&Corpus::begin("messages", cofi_fuzz::messages::KINDS)?)?;
    certificates::write(&Corpus::begin("certificates", cofi_fuzz::certificates::KINDS)?)?;
    texts::tokens(&Corpus::begin("tokens", cofi_fuzz::tokens::KINDS)?)?;
    texts::names(&Corpus::begin("names", cofi_fuzz::names::KINDS)?)?;
    texts::configuration(&Corpus::begin("configuration", cofi_fuzz::configuration::KINDS)?)?;
    texts::lines(&Corpus::begin("lines", cofi_fuzz::lines::KINDS)?)
}
