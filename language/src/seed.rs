//! The rows that the `language` table of an empty database starts with.

use crate::{code::LanguageCode, standard};

/// One row of the `language` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedRow {
    /// `languageCode`, at most 20 characters.
    pub code: LanguageCode,
    /// `languageText`, the English name, at most 25 characters.
    pub name: &'static str,
}

/// Every ISO 639-1 language, 'hinglish', 'und' and 'zxx', sorted by code.
pub fn seed_rows() -> impl Iterator<Item = SeedRow> {
    let standard = isolang::languages().filter_map(|language| {
        let code = standard::of(language);
        (language.to_639_1() == Some(code.as_str())).then(|| SeedRow { code, name: english_name(language) })
    });
    let own = [
        SeedRow { code: LanguageCode::HINGLISH, name: "Hinglish" },
        SeedRow { code: LanguageCode::UNDETERMINED, name: "Undetermined" },
        SeedRow { code: LanguageCode::NO_SPEECH, name: "No linguistic content" },
    ];
    let mut rows: Vec<_> = standard.chain(own).collect();
    rows.sort_by(|a, b| a.code.cmp(&b.code));
    rows.into_iter()
}

/// The name that people use, where the ISO table's reference name is unusual.
fn english_name(language: isolang::Language) -> &'static str {
    match language.to_name() {
        "Modern Greek" => "Greek",
        "Panjabi" => "Punjabi",
        "Pushto" => "Pashto",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_distinct_and_fit_their_columns() {
        let rows: Vec<_> = seed_rows().collect();
        assert!(rows.is_sorted_by(|a, b| a.code < b.code));
        for row in &rows {
            assert!(row.code.as_str().len() <= LanguageCode::MAX_CHARS, "{row:?}");
            assert!((1..=25).contains(&row.name.chars().count()), "{row:?}");
        }
    }

    #[test]
    fn all_iso_639_1_codes_in_force_are_there() {
        let rows: Vec<_> = seed_rows().collect();
        assert_eq!(rows.iter().filter(|row| row.code.as_str().len() == 2).count(), 183);
        for code in ["en", "hi", "gu", "mr", "bn", "hinglish", "und", "zxx"] {
            assert!(rows.iter().any(|row| row.code.as_str() == code), "{code}");
        }
        assert!(!rows.iter().any(|row| row.code.as_str() == "sh"));
    }
}
