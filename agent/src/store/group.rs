//! Which recordings share one round of flushes, and the flushes of their
//! content.

use std::{
    collections::HashSet,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use cofi_proto::BatchId;
use rustix::fs::{Advice, fadvise, fdatasync};
use tokio::sync::mpsc;

use super::flusher::{Stored, Work};

/// Bytes that share one round of flushes. More would only make the first wait.
const GROUP_BYTES: u64 = 64 * 1024 * 1024;

/// Threads that flush one group: each commit of the file system's own journal
/// then carries several files. 500 files of 20 KB on ext4 take 0.13 s on one
/// thread, 0.05 s on one thread when write-back was begun first, 0.02 s on four.
const FLUSH_THREADS: usize = 4;

/// Takes what waits beside `first`, up to `most_files`, and the work that ended
/// the group because it must come after it.
pub(super) fn collect(
    first: Stored,
    work: &mut mpsc::Receiver<Work>,
    most_files: usize,
) -> (Vec<Stored>, Option<Work>) {
    let mut ids = HashSet::from([first.arrived.head.recording]);
    let mut names: HashSet<(BatchId, String)> = HashSet::from([name_of(&first)]);
    let mut bytes = first.arrived.head.size_bytes;
    let mut group = vec![first];
    while group.len() < most_files && bytes < GROUP_BYTES {
        match work.try_recv() {
            Ok(Work::Stored(next)) => {
                if !ids.insert(next.arrived.head.recording) || !names.insert(name_of(&next)) {
                    return (group, Some(Work::Stored(next)));
                }
                bytes = bytes.saturating_add(next.arrived.head.size_bytes);
                group.push(next);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

fn name_of(stored: &Stored) -> (BatchId, String) {
    (stored.arrived.head.recording.batch, stored.arrived.head.audio_name.clone())
}

/// Makes the content of all files durable. A file whose flush failed is told:
/// its pages may be gone although a second flush would succeed.
pub(super) fn flush(group: &[Stored]) -> Vec<io::Result<()>> {
    for stored in group {
        // Begins write-back of all before the first is waited for. An attempt:
        // the flush is what counts.
        let incoming = &stored.arrived.incoming;
        fadvise(&incoming.file, incoming.written_back, None, Advice::DontNeed).ok();
    }
    let flush = |stored: &Stored| {
        failpoint!(FILE_WHOLE => return Err(cofi_failpoint::io_error()));
        fdatasync(&stored.arrived.incoming.file).map_err(io::Error::from)
    };
    let threads = FLUSH_THREADS.min(group.len());
    if threads < 2 {
        return group.iter().map(flush).collect();
    }
    let next = AtomicUsize::new(0);
    let failed: Vec<(usize, io::Error)> = thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(stored) = group.get(index) else { break failed };
                if let Err(error) = flush(stored) {
                    failed.push((index, error));
                }
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    let mut outcomes: Vec<io::Result<()>> = group.iter().map(|_| Ok(())).collect();
    for (index, error) in failed {
        outcomes[index] = Err(error);
    }
    outcomes
}
