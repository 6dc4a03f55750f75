//! Progress where nothing can be redrawn: in files, pipes and logs.

use std::time::{Duration, Instant};

use super::text;
use crate::view::{Batch, BatchState, Counts};

const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// Says something at most once a second, and only when something changed.
/// Where a batch comes to rest is always said.
#[derive(Debug, Default)]
pub(super) struct Lines {
    said: Option<(Instant, Essence)>,
}

/// What a line is worth printing for: rates alone are not.
#[derive(Debug, PartialEq, Eq)]
struct Essence {
    batch_id: i64,
    state: BatchState,
    counts: Counts,
    waiting_for: Option<String>,
}

impl Lines {
    /// The line that is due for this snapshot, if one is.
    pub(super) fn next(&mut self, batch: &Batch, now: Instant) -> Option<String> {
        let essence = Essence {
            batch_id: batch.batch_id,
            state: batch.state,
            counts: batch.counts,
            waiting_for: batch.waiting_for.clone(),
        };
        let due = match &self.said {
            None => true,
            Some((_, said)) if *said == essence => false,
            Some((when, _)) => batch.at_rest() || now.duration_since(*when) >= LEAST_INTERVAL,
        };
        due.then(|| {
            self.said = Some((now, essence));
            text::line(batch)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::text::tests::under_way, *};

    #[test]
    fn a_line_comes_at_most_once_a_second_and_only_for_news() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let mut batch = under_way();
        assert!(lines.next(&batch, at(0)).is_some());
        batch.rates = None;
        assert_eq!(lines.next(&batch, at(5_000)), None, "other rates are no news");
        batch.counts.stored += 1;
        assert!(lines.next(&batch, at(6_000)).is_some());
        batch.counts.stored += 1;
        assert_eq!(lines.next(&batch, at(6_500)), None, "too soon");
        assert!(lines.next(&batch, at(7_000)).is_some());
    }

    #[test]
    fn the_end_is_said_however_soon_it_comes() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        let mut batch = under_way();
        lines.next(&batch, now);
        batch.state = BatchState::Complete;
        assert!(lines.next(&batch, now).is_some());
        assert_eq!(lines.next(&batch, now), None);
    }
}
