//! Ends a worker that is stuck on one recording, with an answer for that recording.
//!
//! Decoders and models run on the worker's one thread and cannot be interrupted: only the process can end.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

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

impl Watchdog {
    /// Starts the watching thread, which calls `expired` with the id of the recording that took too long.
    pub(super) fn start(limit: Duration, expired: impl FnOnce(String) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watching = Arc::clone(&shared);
        thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || expired(watching.wait_for_expiry()))?;
        Ok(Self { shared, limit })
    }

    /// Runs `work`, which is watched meanwhile. It does not return once the time has expired: the answer has
    /// been given already.
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

    fn wait_for_expiry(&self) -> String {
        let mut watched = self.lock();
        loop {
            let now = Instant::now();
            let left = watched.as_ref().map(|watched| watched.deadline.saturating_duration_since(now));
            if left == Some(Duration::ZERO)
                && let Some(expired) = watched.take()
            {
                return expired.id;
            }
            watched = match left {
                None => self.changed.wait(watched).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.changed.wait_timeout(watched, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn work_that_takes_too_long_is_told_by_its_id() {
        let (tell, told) = mpsc::channel();
        let watchdog = Watchdog::start(Duration::from_millis(20), move |id| tell.send(id).unwrap()).unwrap();
        let (_never, wait) = mpsc::channel::<()>();
        // This thread hangs until the test process ends, as a stuck decoder would.
        thread::spawn(move || watchdog.watch("1/2#1", || wait.recv()));
        assert_eq!(told.recv_timeout(LONG).unwrap(), "1/2#1");
    }

    #[test]
    fn work_in_time_is_not_disturbed() {
        let (tell, told) = mpsc::channel();
        let watchdog = Watchdog::start(LONG, move |id| tell.send(id).unwrap()).unwrap();
        let sum: u32 = (0..100).map(|n| watchdog.watch("x", || n)).sum();
        assert_eq!(sum, 4950);
        assert!(told.try_recv().is_err());
    }
}
