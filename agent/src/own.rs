//! Files and folders of the agent's own: opened only if they are that, and not
//! a link that leads elsewhere or something that blocks who opens it.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use cap_std::fs::{Dir, OpenOptionsExt as _};
use rustix::fs::{Mode, OFlags, openat};

/// A pipe would wait for its other end, and a device do who knows what.
const PLAIN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

fn plain() -> i32 {
    i32::try_from(PLAIN.bits()).unwrap_or_default()
}

/// Opens the file at `path`, whose folder is the agent's own, with `options`.
pub(crate) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    regular(options.custom_flags(plain()).open(path)?)
}

/// Opens the file `name` in `folder` for reading.
pub(crate) fn read_in(folder: &Dir, name: &str) -> io::Result<File> {
    let mut options = cap_std::fs::OpenOptions::new();
    options.read(true).custom_flags(plain());
    regular(folder.open_with(name, &options)?.into_std())
}

/// Opens the folder `name` in `folder`.
pub(crate) fn folder_in(folder: &Dir, name: &str) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(folder, name, flags, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(opened)))
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}
