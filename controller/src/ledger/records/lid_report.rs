//! What bringing calls in line with `lidStatus` came to.

use std::collections::BTreeMap;

/// Different words that a report names; more are only counted.
const NAMED_WORDS: usize = 50;

/// What bringing calls in line with `lidStatus` came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LidReport {
    /// Rows of `call` that were changed.
    pub changed: u64,
    /// Rows of `call` that said the same already, and were not touched.
    pub in_line: u64,
    /// Recordings of Cofi's that count as identified from now on.
    pub settled: u64,
    /// Names in `lidStatus` (and rows without one) that no row of `call` has.
    pub without_call: u64,
    /// Names whose newest row in `lidStatus` has no language, or one that
    /// `call.lang` cannot hold.
    pub without_language: u64,
    /// Names whose language could not be mapped: it is kept as it stands.
    pub unmapped: u64,
    /// What those languages are, and how many names have them; no more than 50.
    pub unmapped_words: BTreeMap<String, u64>,
}

impl LidReport {
    /// Counts a language that could not be mapped.
    pub(crate) fn count_unmapped(&mut self, word: &str) {
        self.unmapped += 1;
        self.name_unmapped(word, 1);
    }

    fn name_unmapped(&mut self, word: &str, names: u64) {
        if let Some(known) = self.unmapped_words.get_mut(word) {
            *known += names;
        } else if self.unmapped_words.len() < NAMED_WORDS {
            self.unmapped_words.insert(word.to_owned(), names);
        }
    }

    /// Adds what came of another part of the batch.
    pub(crate) fn add(&mut self, other: &Self) {
        self.changed += other.changed;
        self.in_line += other.in_line;
        self.settled += other.settled;
        self.without_call += other.without_call;
        self.without_language += other.without_language;
        self.unmapped += other.unmapped;
        for (word, names) in &other.unmapped_words {
            self.name_unmapped(word, *names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_counted_and_a_bounded_number_is_named() {
        let mut whole = LidReport::default();
        for part in 0..4 {
            let mut report = LidReport::default();
            for word in 0..40 {
                report.count_unmapped(&format!("word {}", part * 20 + word));
            }
            whole.add(&report);
        }
        assert_eq!(whole.unmapped, 160);
        assert_eq!(whole.unmapped_words.len(), NAMED_WORDS);
        assert_eq!(whole.unmapped_words["word 25"], 2);
    }
}
