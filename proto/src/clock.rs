//! Where the time of day comes from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of day, for what is written down. Timeouts never use it: they run
/// on the monotonic clock.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Microseconds since 1970-01-01 UTC.
    fn now_micros(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still, for tests.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(
    /// What it shows, in microseconds since 1970-01-01 UTC.
    pub i64,
);

impl Clock for FixedClock {
    fn now_micros(&self) -> i64 {
        self.0
    }
}
