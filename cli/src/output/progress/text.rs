//! A snapshot in words, pure.

use std::time::Duration;

use super::super::units::{bytes, bytes_per_second, duration, per_second, time_left};
use crate::view::Batch;

/// Languages that are named on one line; the summary has them all.
const NAMED_LANGUAGES: usize = 6;

/// `120/400, 12.3 MB of 40.0 MB, 3.1 MB/s`
pub(super) fn stored(batch: &Batch) -> String {
    let counts = &batch.counts;
    let mut parts = vec![
        format!("{}/{}", counts.stored, counts.recordings),
        format!("{} of {}", bytes(counts.stored_bytes), bytes(counts.bytes)),
    ];
    if counts.planned > 0 {
        parts.extend(batch.rates.map(|rates| bytes_per_second(rates.stored_bytes_per_second)));
    }
    parts.join(", ")
}

/// `80/400, 4.0/s, about 1 min 20 s left`
pub(super) fn identified(batch: &Batch) -> String {
    let counts = &batch.counts;
    let mut parts = vec![format!("{}/{}", counts.identified, counts.recordings)];
    if counts.open() > 0 {
        parts.extend(batch.rates.map(|rates| per_second(rates.identified_per_second)));
    }
    parts.extend(left(batch).map(|left| format!("about {} left", duration(left))));
    parts.join(", ")
}

/// `en 60, hi 20, and 2 more languages, 3 failed`; empty at the start.
pub(super) fn outcome(batch: &Batch) -> String {
    let named = batch.languages.iter().take(NAMED_LANGUAGES);
    let mut parts: Vec<String> =
        named.map(|count| format!("{} {}", count.language, count.recordings)).collect();
    match batch.languages.len().saturating_sub(NAMED_LANGUAGES) {
        0 => {}
        1 => parts.push("one more language".to_owned()),
        more => parts.push(format!("{more} more languages")),
    }
    let rest = [(batch.counts.failed(), "failed"), (batch.counts.cancelled, "cancelled")];
    parts.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    parts.join(", ")
}

/// All of it on one line.
pub(super) fn line(batch: &Batch) -> String {
    let numbers =
        format!("batch {}: stored {}; identified {}", batch.batch_id, stored(batch), identified(batch));
    let parts = [numbers, outcome(batch), waiting(batch)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Why nothing goes on; empty while it does.
pub(super) fn waiting(batch: &Batch) -> String {
    batch.waiting_for.as_ref().map_or(String::new(), |reason| format!("waiting: {reason}"))
}

/// Until the batch rests: what takes longer, placing or identifying. None if
/// it rests, or if nothing moves.
fn left(batch: &Batch) -> Option<Duration> {
    let (counts, rates) = (&batch.counts, batch.rates?);
    if batch.at_rest() || counts.open() == 0 {
        return None;
    }
    let placing = time_left(counts.planned, rates.stored_per_second)?;
    let identifying = time_left(counts.open(), rates.identified_per_second)?;
    Some(placing.max(identifying))
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::view::{BatchState, Counts, LanguageCount, Rates};

    /// A batch of 400 recordings under way.
    pub(in super::super) fn under_way() -> Batch {
        let language = |code: &str, recordings| LanguageCount { language: code.to_owned(), recordings };
        Batch {
            batch_id: 7,
            batch_date: "23-11-2026".to_owned(),
            source: "/calls".to_owned(),
            state: BatchState::Distributing,
            process_id: 1,
            category_mapping_id: 1,
            audio_endpoint: "file:///calls".to_owned(),
            candidate_languages: Vec::new(),
            create_time: Timestamp::UNIX_EPOCH,
            counts: Counts {
                recordings: 400,
                bytes: 40_000_000,
                planned: 280,
                stored: 120,
                stored_bytes: 12_300_000,
                lid_pending: 38,
                identified: 80,
                lid_failed: 2,
                ..Counts::default()
            },
            languages: vec![language("en", 60), language("hi", 20)],
            newest_failures: Vec::new(),
            rates: Some(Rates {
                stored_per_second: 30.0,
                stored_bytes_per_second: 3_100_000.0,
                identified_per_second: 4.0,
            }),
            waiting_for: None,
            released: 0,
            releases_unconfirmed: 0,
        }
    }

    #[test]
    fn a_line_says_what_is_done_how_fast_and_how_long_it_takes() {
        assert_eq!(
            line(&under_way()),
            "batch 7: stored 120/400, 12.3 MB of 40.0 MB, 3.1 MB/s; identified 80/400, 4.0/s, \
             about 1 min 20 s left; en 60, hi 20, 2 failed"
        );
    }

    #[test]
    fn the_slower_of_placing_and_identifying_decides() {
        let mut batch = under_way();
        assert_eq!(left(&batch), Some(Duration::from_secs(80)));
        batch.rates =
            Some(Rates { stored_per_second: 1.0, identified_per_second: 400.0, ..Rates::default() });
        assert_eq!(left(&batch), Some(Duration::from_secs(280)));
    }

    #[test]
    fn no_time_is_promised_while_nothing_moves_or_when_all_is_done() {
        let mut batch = under_way();
        batch.rates = Some(Rates::default());
        assert_eq!(left(&batch), None);
        batch.waiting_for = Some("no agent is connected".to_owned());
        assert!(line(&batch).ends_with("2 failed; waiting: no agent is connected"), "{}", line(&batch));

        let done = Batch {
            state: BatchState::Complete,
            counts: Counts { recordings: 400, stored: 400, identified: 400, ..Counts::default() },
            ..under_way()
        };
        assert_eq!(identified(&done), "400/400");
    }

    #[test]
    fn only_the_first_languages_are_named() {
        let mut batch = under_way();
        let codes = ["en", "hi", "mr", "bn", "gu", "ta", "te", "kn"];
        batch.languages =
            codes.map(|code| LanguageCount { language: code.to_owned(), recordings: 1 }).to_vec();
        assert_eq!(outcome(&batch), "en 1, hi 1, mr 1, bn 1, gu 1, ta 1, 2 more languages, 2 failed");
    }
}
