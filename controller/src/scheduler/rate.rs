//! How fast something goes, measured in whole numbers.

use std::time::Duration;

/// Shortest time that a sample is taken over.
const SAMPLE: Duration = Duration::from_secs(1);

/// Units a second, smoothed over the last few samples.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    per_second: u64,
    since: Duration,
    units: u64,
}

impl Rate {
    /// Assumed until something was measured.
    pub(super) fn assumed(per_second: u64, now: Duration) -> Self {
        Self { per_second, since: now, units: 0 }
    }

    /// Counts units that were done just now.
    pub(super) fn count(&mut self, units: u64, now: Duration) {
        self.units = self.units.saturating_add(units);
        let elapsed = now.saturating_sub(self.since);
        if elapsed < SAMPLE {
            return;
        }
        let sample = u128::from(self.units) * 1_000 / elapsed.as_millis().max(1);
        let sample = u64::try_from(sample).unwrap_or(u64::MAX);
        self.per_second = (self.per_second / 4 * 3).saturating_add(sample / 4).max(1);
        self.since = now;
        self.units = 0;
    }

    /// Begins a sample anew: nothing was to be done since the last one.
    pub(super) fn rest(&mut self, now: Duration) {
        if self.units == 0 {
            self.since = now;
        }
    }

    /// How long `units` take, in microseconds.
    pub(super) fn micros_for(&self, units: u64) -> u64 {
        u64::try_from(u128::from(units) * 1_000_000 / u128::from(self.per_second.max(1))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_follows_what_is_measured() {
        let mut rate = Rate::assumed(1_000, Duration::ZERO);
        for second in 1..=40 {
            rate.count(100_000, Duration::from_secs(second));
        }
        let micros = rate.micros_for(100_000);
        assert!((900_000..1_100_000).contains(&micros), "{micros}");
    }

    #[test]
    fn pauses_without_work_do_not_slow_the_rate() {
        let mut rate = Rate::assumed(1_000, Duration::ZERO);
        rate.rest(Duration::from_secs(1_000));
        rate.count(1_000, Duration::from_secs(1_001));
        assert_eq!(rate.micros_for(1_000), 1_000_000);
    }
}
