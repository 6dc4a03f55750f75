//! Small dealings with files of the store.

use std::io::{self, Read};

use cap_std::fs::Dir;
use cofi_proto::{Digest, digest::Hasher};

use crate::own;

const READ_BYTES: usize = 256 * 1024;

/// The digest of a file's content.
pub(super) fn digest_of(folder: &Dir, name: &str) -> io::Result<Digest> {
    digest(own::read_in(folder, name)?)
}

/// The digest of what is to be read.
pub(super) fn digest(mut content: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Whether a regular file of that name is there.
pub(super) fn has_file(folder: &Dir, name: &str) -> io::Result<bool> {
    match folder.symlink_metadata(name) {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a file; that it is not there is fine.
pub(super) fn remove(folder: &Dir, name: &str) -> io::Result<()> {
    match folder.remove_file(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
