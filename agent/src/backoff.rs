//! Waiting longer after each failure, with jitter, so that many agents that
//! failed together do not come back together.

use std::time::Duration;

use rand::Rng as _;

/// Pauses that double from the first to the longest.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next pause: between half of its nominal length and all of it.
    pub(crate) fn pause(&mut self) -> Duration {
        let nominal = self.next;
        self.next = nominal.saturating_mul(2).min(self.longest);
        nominal.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Begins with the first pause again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        for nominal in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let pause = backoff.pause();
            let nominal = Duration::from_millis(nominal);
            assert!(pause >= nominal / 2 && pause <= nominal, "{pause:?} for {nominal:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }
}
