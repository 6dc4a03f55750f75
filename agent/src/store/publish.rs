//! The flat folder in which later stages on the host look for a recording by
//! its name: hard links to what the store holds.

use std::io::{self, Read as _};

use cap_std::fs::{Dir, MetadataExt as _};
use cofi_proto::Digest;

use super::{disk, error::Refused};
use crate::own;

/// Links a recording into `publish`. The same content under that name is as
/// good; any other is not touched.
pub(super) fn link(publish: &Dir, from: &Dir, name: &str, digest: Digest) -> Result<(), Refused> {
    match from.hard_link(name, publish, name) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Refused::io("publish", &error)),
    }
    let same = || -> io::Result<bool> {
        if is_same_file(publish, from, name)? {
            return Ok(true);
        }
        // Others may change this folder at any time: what is compared is what
        // was opened, and no more of it than there should be.
        if !publish.symlink_metadata(name)?.is_file() {
            return Ok(false);
        }
        let there = own::read_in(publish, name)?;
        let length = from.symlink_metadata(name)?.len();
        Ok(there.metadata()?.len() == length && disk::digest(there.take(length))? == digest)
    };
    match same() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refused::name_taken("publish_dir has another file of that name")),
        Err(error) => Err(Refused::io("look at the published file", &error)),
    }
}

/// Removes the link to a recording, if the published file is that recording.
/// Tells whether it was.
pub(super) fn withdraw(publish: &Dir, from: &Dir, name: &str) -> io::Result<bool> {
    let same = is_same_file(publish, from, name)?;
    if same {
        publish.remove_file(name)?;
    }
    Ok(same)
}

fn is_same_file(one: &Dir, other: &Dir, name: &str) -> io::Result<bool> {
    let identity = |folder: &Dir| match folder.symlink_metadata(name) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let one = identity(one)?;
    Ok(one.is_some() && one == identity(other)?)
}
