//! Where in a call to look, and in which order. Pure.
//!
//! ```text
//! call     |--------------------------------------|
//! slots    [ 5 ][ 3 ][ 2 ][ 4 ][ 1 ][ 6 ] ...
//! ```
//!
//! Calls begin with ringing, music and announcements, and what they are about is said in the middle: the
//! middle comes first, then the places farthest from all that was looked at, the very beginning last.

use std::collections::VecDeque;

use crate::audio::Span;

/// Windows of at most `length` samples in the kept parts of a call, in the order of looking; at most `most`.
pub(crate) fn windows(spans: &[Span], length: u64, most: usize) -> Vec<Span> {
    let slots: Vec<Span> = spans.iter().flat_map(|span| slots(*span, length)).collect();
    let slots = thinned(&slots, most);
    order(slots.len()).into_iter().map(|at| slots[at]).collect()
}

/// Windows side by side that cover the span; the overlap that is needed is shared out.
fn slots(span: Span, length: u64) -> Vec<Span> {
    let size = span.end.saturating_sub(span.start);
    if size <= length {
        return if size == 0 { Vec::new() } else { vec![span] };
    }
    let count = size.div_ceil(length);
    let room = size - length;
    (0..count)
        .map(|n| {
            let start = span.start + room * n / (count - 1);
            Span { start, end: start + length }
        })
        .collect()
}

/// At most `most` of the slots, evenly spread.
fn thinned(slots: &[Span], most: usize) -> Vec<Span> {
    if slots.len() <= most {
        return slots.to_vec();
    }
    (0..most).map(|n| slots[n * slots.len() / most]).collect()
}

/// The numbers below `count`: the middle of all but the first, then the middles of the halves, the first last.
fn order(count: usize) -> Vec<usize> {
    let mut order = Vec::with_capacity(count);
    let mut halves = VecDeque::new();
    halves.push_back(1..count);
    while let Some(half) = halves.pop_front() {
        if half.is_empty() {
            continue;
        }
        let middle = half.start.midpoint(half.end);
        order.push(middle);
        halves.push_back(half.start..middle);
        halves.push_back(middle + 1..half.end);
    }
    order.extend((count > 0).then_some(0));
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span { start, end }
    }

    #[test]
    fn a_short_recording_is_one_window() {
        assert_eq!(windows(&[span(0, 9)], 15, 24), [span(0, 9)]);
        assert_eq!(windows(&[span(0, 15)], 15, 24), [span(0, 15)]);
        assert_eq!(windows(&[], 15, 24), []);
        assert_eq!(windows(&[span(0, 0)], 15, 24), []);
    }

    #[test]
    fn a_longer_one_is_not_first_looked_at_where_it_begins() {
        assert_eq!(windows(&[span(0, 20)], 15, 24), [span(5, 20), span(0, 15)]);
        assert_eq!(windows(&[span(0, 45)], 15, 24), [span(30, 45), span(15, 30), span(0, 15)]);
    }

    #[test]
    fn the_middle_of_a_long_call_comes_first() {
        let first = windows(&[span(0, 600)], 15, 24)[0];
        assert!((200..400).contains(&first.start), "{first:?}");
    }

    proptest! {
        #[test]
        fn windows_lie_in_the_spans_and_are_distinct(
            lengths in prop::collection::vec((0_u64..100, 1_u64..40), 0..8), length in 1_u64..60, most in 1_usize..30,
        ) {
            let mut at = 0;
            let spans: Vec<Span> = lengths.into_iter().map(|(size, gap)| {
                let span = span(at, at + size);
                at += size + gap;
                span
            }).collect();
            let mut windows = windows(&spans, length, most);
            prop_assert!(windows.len() <= most);
            for window in &windows {
                prop_assert!(window.start < window.end && window.end - window.start <= length);
                prop_assert!(spans.iter().any(|span| span.start <= window.start && window.end <= span.end));
            }
            if spans.iter().any(|span| span.end > span.start) {
                prop_assert!(!windows.is_empty());
            }
            let count = windows.len();
            windows.sort_by_key(|window| window.start);
            windows.dedup();
            prop_assert_eq!(windows.len(), count);
        }

        #[test]
        fn few_enough_windows_cover_everything(size in 1_u64..1_000, length in 1_u64..60) {
            let windows = windows(&[span(0, size)], length, 1_000);
            for at in 0..size {
                prop_assert!(windows.iter().any(|window| (window.start..window.end).contains(&at)));
            }
        }

        #[test]
        fn each_place_is_visited_once_and_the_beginning_last(count in 1_usize..200) {
            let mut order = order(count);
            prop_assert_eq!(order.last(), Some(&0));
            order.sort_unstable();
            prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }
}
