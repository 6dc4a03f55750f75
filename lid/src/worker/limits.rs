//! What the process allows itself, so that a hostile recording costs one worker and not the host.
//!
//! | what | how | why so |
//! |---|---|---|
//! | core files, other processes looking in | `RLIMIT_CORE` 0, not dumpable | both would show conversations |
//! | memory, softly | the watchdog looks at resident private pages | what a CUDA context maps is no such page |
//! | memory, hard | `RLIMIT_DATA`, on the CPU alone | ONNX Runtime reserves far more addresses than it uses, so not `RLIMIT_AS`; the CUDA driver maps device memory as private data |
//! | files | `RLIMIT_FSIZE` | nothing is written but CUDA's cache of kernels |
//! | rights | `no_new_privs` | ffmpeg is the only program that is started, and gains none |
//! | when the host runs out of memory | `oom_score_adj` | a worker can be replaced, the agent holds the journal |
//!
//! The number of processes is not limited: `RLIMIT_NPROC` counts all processes of the user, the agent's and
//! those of other workers too.

use std::{fs, io};

use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
    thread::set_no_new_privs,
};

/// What comes on top of the watched limit, so that the watchdog, which can give a reason, comes first.
const WATCHDOG_SLACK: u64 = 256 * 1024 * 1024;

/// The longest file that may be written, by CUDA's compiler for its cache.
const MOST_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// How much rather than others this process is to be killed when the host runs out of memory, up to 1,000.
const OOM_SCORE: &str = "500";

/// Leaves no core files, and lets no other process of the user look into the memory of this one: both would
/// show conversations. Processes that are started later inherit the former.
///
/// # Errors
/// The system refuses, which it has no reason to.
pub fn forbid_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// What holds from the start on, before anything is loaded.
pub(super) fn at_start() -> io::Result<()> {
    // Its files in /proc belong to root once the process is not dumpable, so this comes first.
    if let Err(error) = fs::write("/proc/self/oom_score_adj", OOM_SCORE) {
        tracing::debug!(%error, "the worker is no likelier victim than others");
    }
    forbid_dumps()?;
    set_no_new_privs(true)?;
    lower(Resource::Fsize, MOST_FILE_BYTES)
}

/// What holds for recordings: `most` bytes of memory beyond what the loaded model takes.
pub(super) fn for_recordings(device: &str, most: u64) -> io::Result<()> {
    if device != "cpu" {
        return Ok(());
    }
    match memory("VmData:")? {
        Some(used) => lower(Resource::Data, used.saturating_add(most).saturating_add(WATCHDOG_SLACK)),
        None => Ok(()),
    }
}

/// The private pages of this process that are in memory, in bytes; device memory is not among them.
pub(super) fn resident() -> io::Result<u64> {
    memory("RssAnon:")?.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
}

/// Lowers the limit that is in force; one that is lower already stays.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let before = getrlimit(resource);
    let current = before.current.map_or(wanted, |current| current.min(wanted));
    setrlimit(resource, Rlimit { current: Some(current), maximum: before.maximum })?;
    Ok(())
}

fn memory(kind: &str) -> io::Result<Option<u64>> {
    Ok(parse(&fs::read_to_string("/proc/self/status")?, kind))
}

/// A line of `/proc/self/status`, in bytes.
fn parse(status: &str, kind: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(kind))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn memory_is_read_from_the_status() {
        let status = "Name:\tx\nRssAnon:\t    2048 kB\nVmStk:\t 1 kB\n";
        assert_eq!(parse(status, "RssAnon:"), Some(2_097_152));
        assert_eq!(parse(status, "VmData:"), None);
        assert!(memory("VmData:").unwrap().is_some());
        assert!(resident().unwrap() > 0);
    }

    #[test]
    fn no_memory_is_shown_to_anybody() {
        forbid_dumps().unwrap();
        let core = getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
        assert!(matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable)));
    }

    #[test]
    fn limits_are_lowered_and_never_raised() {
        let before = getrlimit(Resource::Fsize).current;
        lower(Resource::Fsize, 1 << 40).unwrap();
        lower(Resource::Fsize, 1 << 41).unwrap();
        assert_eq!(getrlimit(Resource::Fsize).current, Some(before.unwrap_or(u64::MAX).min(1 << 40)));
    }
}
