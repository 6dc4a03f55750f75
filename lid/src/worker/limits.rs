//! What the process allows itself, so that a hostile recording costs one worker and not the host.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a recording may need beyond the loaded model: its excerpts, the model's intermediate results, and as
/// much again for fragmentation.
const HEADROOM: u64 = 1024 * 1024 * 1024;

/// Limits memory to what is in use plus [`HEADROOM`], and leaves no core files: they would hold conversations.
///
/// The limit is on private writable memory (`RLIMIT_DATA`) and not on addresses, of which ONNX Runtime reserves
/// more than it uses. On CUDA it is left out: the driver maps device memory the same way.
pub(super) fn apply(device: &str) -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    if device != "cpu" {
        return Ok(());
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let Some(used) = private_memory(&status) else {
        return Ok(());
    };
    let wanted = used.saturating_add(HEADROOM);
    let before = getrlimit(Resource::Data);
    let current = before.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    setrlimit(Resource::Data, Rlimit { current: Some(current), maximum: before.maximum })?;
    Ok(())
}

/// `VmData` of `/proc/self/status`, in bytes.
fn private_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_read_from_the_status() {
        assert_eq!(private_memory("Name:\tx\nVmData:\t    2048 kB\nVmStk:\t 1 kB\n"), Some(2_097_152));
        assert_eq!(private_memory("Name:\tx\n"), None);
        assert!(private_memory(&fs::read_to_string("/proc/self/status").unwrap()).is_some());
    }
}
