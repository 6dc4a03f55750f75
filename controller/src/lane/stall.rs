//! Whether a lane stands still. Pure: what has moved and the time go in.

use std::time::Duration;

/// An agent that is there, owes something, and neither takes pieces nor reports
/// for so long, is stuck: on its disk, for example. What it owes goes to
/// others.
const LONGEST: Duration = Duration::from_mins(1);

/// Looks at a lane from time to time.
#[derive(Debug, Default)]
pub(super) struct Stall {
    moved: u64,
    since: Duration,
}

impl Stall {
    /// Whether a lane has stood still for too long. `moved` counts pieces that
    /// were taken and reports that came; `owes` says that more is to come.
    pub(super) fn look(&mut self, moved: u64, owes: bool, now: Duration) -> bool {
        if moved != self.moved || !owes {
            (self.moved, self.since) = (moved, now);
        }
        now.saturating_sub(self.since) >= LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen of a lane at each second given: whether it is stuck.
    fn looks(seen: &[(u64, u64, bool)]) -> Vec<bool> {
        let mut stall = Stall::default();
        let look = |(second, moved, owes): &(u64, u64, bool)| {
            stall.look(*moved, *owes, Duration::from_secs(*second))
        };
        seen.iter().map(look).collect()
    }

    #[test]
    fn reader_that_takes_nothing_for_a_minute_is_cut_off() {
        let seen = [(0, 0, false), (10, 4, true), (69, 4, true), (70, 4, true)];
        assert_eq!(looks(&seen), [false, false, false, true]);
    }

    #[test]
    fn slow_reader_that_goes_on_is_kept() {
        let seen: Vec<(u64, u64, bool)> = (0..20).map(|step| (step * 59, step, true)).collect();
        assert!(looks(&seen).iter().all(|stuck| !stuck));
    }

    #[test]
    fn lane_with_nothing_to_do_may_be_quiet_for_ever() {
        let seen = [(0, 7, true), (1, 8, false), (10_000, 8, false), (10_001, 8, true), (10_059, 8, true)];
        assert!(looks(&seen).iter().all(|stuck| !stuck));
    }
}
