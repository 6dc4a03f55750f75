//! Chance, all of it from the seed.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// A source of chance that many share; each draw moves it on.
///
/// A lock and no task: one thread runs the simulation, and it is held for one
/// draw.
#[derive(Debug, Clone)]
pub struct Chance {
    rng: Arc<Mutex<StdRng>>,
    /// A device is slow once in so many times.
    slow_in: u64,
}

impl Chance {
    /// The chance of a seed, for one purpose: others have others.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(purpose);
        Self { rng: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))), slow_in: 50 }
    }

    /// The same chance, for somebody whose devices are often slow.
    #[must_use]
    pub fn sluggish(mut self) -> Self {
        self.slow_in = 2;
        self
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number of the range.
    #[must_use]
    pub fn number(&self, range: RangeInclusive<u64>) -> u64 {
        self.draw(|rng| rng.random_range(range))
    }

    /// A place in a list of so many, which are at least one.
    #[must_use]
    pub fn index(&self, length: usize) -> usize {
        self.draw(|rng| rng.random_range(0..length))
    }

    /// A time within the range, in milliseconds.
    #[must_use]
    pub fn millis(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// True once in so many times.
    #[must_use]
    pub fn one_in(&self, times: u64) -> bool {
        self.number(1..=times) == 1
    }

    /// What a device takes: usually a few milliseconds, now and then a second.
    #[must_use]
    pub fn latency(&self) -> Duration {
        if self.one_in(self.slow_in) { self.millis(100..=1_500) } else { self.millis(1..=12) }
    }
}
