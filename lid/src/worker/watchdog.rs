//! Ends a worker that is stuck on one recording, with an answer for that recording.
//!
//! Decoders and models run on the worker's one thread and cannot be interrupted: only the process can end.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, getppid};

use super::limits;

/// Between two looks at the memory while a recording is worked on.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What one recording may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) time: Duration,
    /// Bytes beyond those in use when the watching begins.
    pub(super) memory: u64,
}

/// Why a recording is given up, and the worker with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Time,
    Memory,
    /// The agent has ended: nobody waits for an answer.
    Orphaned,
}

/// Watches one recording at a time.
#[derive(Debug)]
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    limit: Duration,
}

/// Locked by the working and the watching thread for a few instructions: a task has no place in a process that
/// computes on one thread.
#[derive(Debug, Default)]
struct Shared {
    watched: Mutex<Option<Watched>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Watched {
    id: String,
    deadline: Instant,
}

/// What the watching thread compares with.
#[derive(Debug)]
struct Threshold {
    memory: u64,
    parent: Option<Pid>,
}

impl Watchdog {
    /// Starts the watching thread, which calls `exceeded` with the id of the recording that took too much.
    pub(super) fn start(
        bounds: Bounds,
        exceeded: impl FnOnce(String, Excess) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watching = Arc::clone(&shared);
        let memory = limits::resident()?.saturating_add(bounds.memory);
        let threshold = Threshold { memory, parent: getppid() };
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let (id, excess) = watching.wait_for_excess(&threshold);
            exceeded(id, excess);
        })?;
        Ok(Self { shared, limit: bounds.time })
    }

    /// Runs `work`, which is watched meanwhile. It does not return once it was given up: the answer has been
    /// given already.
    pub(super) fn watch<T>(&self, id: &str, work: impl FnOnce() -> T) -> T {
        *self.shared.lock() = Some(Watched { id: id.to_owned(), deadline: Instant::now() + self.limit });
        self.shared.changed.notify_one();
        let result = work();
        if self.shared.lock().take().is_none() {
            loop {
                thread::park();
            }
        }
        result
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        // A panic elsewhere leaves an id and a deadline, which are as good as before.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_excess(&self, threshold: &Threshold) -> (String, Excess) {
        let mut watched = self.lock();
        loop {
            let Some(current) = watched.as_ref() else {
                watched = self.changed.wait(watched).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = current.deadline.saturating_duration_since(Instant::now());
            if let Some(excess) = threshold.excess(left)
                && let Some(given_up) = watched.take()
            {
                return (given_up.id, excess);
            }
            let pause = left.min(LOOK_EVERY);
            watched = self.changed.wait_timeout(watched, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Threshold {
    fn excess(&self, left: Duration) -> Option<Excess> {
        if left.is_zero() {
            return Some(Excess::Time);
        }
        if getppid() != self.parent {
            return Some(Excess::Orphaned);
        }
        // A look that fails is followed by others.
        limits::resident().is_ok_and(|resident| resident > self.memory).then_some(Excess::Memory)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);
    const MUCH: u64 = 1 << 40;

    #[test]
    fn work_that_takes_too_long_is_told_by_its_id() {
        let (tell, told) = mpsc::channel();
        let bounds = Bounds { time: Duration::from_millis(20), memory: MUCH };
        let watchdog = Watchdog::start(bounds, move |id, excess| tell.send((id, excess)).unwrap()).unwrap();
        let (_never, wait) = mpsc::channel::<()>();
        // This thread hangs until the test process ends, as a stuck decoder would.
        thread::spawn(move || watchdog.watch("1/2#1", || wait.recv()));
        assert_eq!(told.recv_timeout(LONG).unwrap(), ("1/2#1".to_owned(), Excess::Time));
    }

    #[test]
    fn work_that_takes_too_much_memory_is_told_by_its_id() {
        let (tell, told) = mpsc::channel();
        let bounds = Bounds { time: LONG, memory: 64 << 20 };
        let watchdog = Watchdog::start(bounds, move |id, excess| tell.send((id, excess)).unwrap()).unwrap();
        let (never, wait) = mpsc::channel::<()>();
        let hungry = move || {
            let hoard = vec![1_u8; 128 << 20];
            let _ended = wait.recv();
            hoard.len()
        };
        thread::spawn(move || watchdog.watch("1/3#1", hungry));
        assert_eq!(told.recv_timeout(LONG).unwrap(), ("1/3#1".to_owned(), Excess::Memory));
        drop(never);
    }

    #[test]
    fn work_in_bounds_is_not_disturbed() {
        let (tell, told) = mpsc::channel();
        let bounds = Bounds { time: LONG, memory: MUCH };
        let watchdog = Watchdog::start(bounds, move |id, _| tell.send(id).unwrap()).unwrap();
        let sum: u32 = (0..100).map(|n| watchdog.watch("x", || n)).sum();
        assert_eq!(sum, 4950);
        assert!(told.try_recv().is_err());
    }
}
