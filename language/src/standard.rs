//! The codes that standards and engines use beside ISO 639-1 and 639-3, which `isolang` already knows.

use isolang::Language;

use crate::code::LanguageCode;

/// Further codes and the ISO 639 code that each stands for.
const FURTHER_CODES: &[(&str, &str)] = &[
    // ISO 639-2/B, where it differs from 639-2/T (ISO 639-3 table, column Part2B).
    ("alb", "sq"),
    ("arm", "hy"),
    ("baq", "eu"),
    ("bur", "my"),
    ("chi", "zh"),
    ("cze", "cs"),
    ("dut", "nl"),
    ("fre", "fr"),
    ("geo", "ka"),
    ("ger", "de"),
    ("gre", "el"),
    ("ice", "is"),
    ("mac", "mk"),
    ("mao", "mi"),
    ("may", "ms"),
    ("per", "fa"),
    ("rum", "ro"),
    ("slo", "sk"),
    ("tib", "bo"),
    ("wel", "cy"),
    // Withdrawn codes that are still said: Whisper's `jw`, Java's `iw`, `in` and `ji`, and Moldavian.
    ("in", "id"),
    ("iw", "he"),
    ("ji", "yi"),
    ("jw", "jv"),
    ("mo", "ro"),
    ("mol", "ro"),
    ("scc", "sr"),
    ("scr", "hr"),
    // The individual language that is meant by the code of its macrolanguage, as Unicode CLDR has it:
    // engines trained on 639-3 labels say these.
    ("als", "sq"),
    ("arb", "ar"),
    ("azj", "az"),
    ("cmn", "zh"),
    ("ekk", "et"),
    ("gug", "gn"),
    ("khk", "mn"),
    ("kmr", "ku"),
    ("lvs", "lv"),
    ("npi", "ne"),
    ("ory", "or"),
    ("pbu", "ps"),
    ("pes", "fa"),
    ("plt", "mg"),
    ("swh", "sw"),
    ("uzn", "uz"),
    ("ydd", "yi"),
    ("zsm", "ms"),
];

/// The language that a code in lower case names.
pub(crate) fn code(code: &str) -> Option<LanguageCode> {
    if code == LanguageCode::HINGLISH.as_str() {
        return Some(LanguageCode::HINGLISH);
    }
    let iso = FURTHER_CODES.iter().find(|(further, _)| *further == code).map_or(code, |(_, iso)| iso);
    Language::from_639_1(iso).or_else(|| Language::from_639_3(iso)).map(of)
}

/// The canonical code of a language: 639-1 where it has one that is in force.
pub(crate) fn of(language: Language) -> LanguageCode {
    match language {
        // ISO withdrew `sh` in 2000; 639-3 keeps the macrolanguage.
        Language::Hbs => LanguageCode::known("hbs"),
        other => LanguageCode::known(other.to_639_1().unwrap_or_else(|| other.to_639_3())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_further_code_hides_an_iso_639_1_code() {
        for (further, _) in FURTHER_CODES {
            let iso = Language::from_639_1(further);
            assert!(iso.is_none(), "{further} is {iso:?}");
        }
    }

    #[test]
    fn further_codes_are_distinct_and_lead_to_canonical_codes() {
        let mut seen = HashSet::new();
        for (further, iso) in FURTHER_CODES {
            assert!(seen.insert(further), "{further} stands twice");
            assert_eq!(code(iso).as_ref().map(LanguageCode::as_str), Some(*iso), "{further}");
        }
    }

    #[test]
    fn iso_639_1_wins_over_639_3() {
        for language in isolang::languages().filter(|language| *language != Language::Hbs) {
            let canonical = code(language.to_639_3()).unwrap();
            if let Some(short) = language.to_639_1() {
                assert_eq!(canonical.as_str(), short);
                assert_eq!(code(short), Some(canonical));
            }
        }
    }
}
