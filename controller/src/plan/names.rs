//! Which names a recording may have, and when two names are equal.

use std::path::Path;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::ledger::Widths;

/// Endings that audio files have, in lower case.
const AUDIO_ENDINGS: [&str; 34] = [
    "3gp", "aac", "aif", "aifc", "aiff", "alaw", "amr", "ape", "au", "awb", "caf", "flac", "g722", "g729",
    "gsm", "m4a", "m4b", "mka", "mp2", "mp3", "mp4", "oga", "ogg", "opus", "ra", "sln", "snd", "spx", "ulaw",
    "vox", "wav", "wave", "webm", "wma",
];

/// Whether a file is audio by its name, whatever is in it.
pub(super) fn is_audio(name: &Path) -> bool {
    let ending = name.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| AUDIO_ENDINGS.binary_search(&ending.as_str()).is_ok())
}

/// What names are compared by: case folded, marks stripped, trailing blanks
/// trimmed. The same on every database, whatever its collation.
#[must_use]
pub fn name_key(name: &str) -> String {
    let stripped: String = name.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let folded: String =
        caseless::default_case_fold_str(&stripped).nfkd().filter(|c| !is_combining_mark(*c)).collect();
    folded.trim_end().to_owned()
}

/// What is wrong with a name, in words.
pub(super) fn objection(name: &str, audio_endpoint: &str, widths: Widths) -> Option<String> {
    if name.chars().any(char::is_control) {
        return Some("its name has control characters: rename it".to_owned());
    }
    let chars = name.chars().count();
    if let Some(narrowest) = widths.name.filter(|width| chars > width.chars) {
        let column = narrowest.column;
        return Some(format!(
            "its name has {chars} characters and {column} holds {}: rename it, or widen the column \
             (ALTER TABLE {} MODIFY {} VARCHAR(255))",
            narrowest.chars,
            column.split('.').next().unwrap_or(column),
            column.rsplit('.').next().unwrap_or(column),
        ));
    }
    let url_chars = audio_endpoint.chars().count() + 1 + chars;
    widths.url.filter(|width| url_chars > width.chars).map(|width| {
        format!(
            "its audio URL has {url_chars} characters and {} holds {}: rename it, or give a shorter audio endpoint",
            width.column, width.chars
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::Width;

    #[test]
    fn endings_are_sorted_for_the_search() {
        assert!(AUDIO_ENDINGS.is_sorted());
        assert!(is_audio(Path::new("a.WAV")));
        assert!(is_audio(Path::new("x/y.mp3")));
        assert!(!is_audio(Path::new("notes.txt")));
        assert!(!is_audio(Path::new("wav")));
    }

    #[test]
    fn names_that_a_database_may_take_for_equal_are_equal() {
        for (one, other) in [
            ("A.wav", "a.wav"),
            ("a.wav", "a.wav  "),
            ("café.wav", "cafe.wav"),
            ("cafe\u{301}.wav", "café.wav"),
            ("STRASSE.wav", "straße.wav"),
            ("ﬁle.wav", "file.wav"),
        ] {
            assert_eq!(name_key(one), name_key(other), "{one} {other}");
        }
        assert_ne!(name_key("a.wav"), name_key("b.wav"));
        assert_ne!(name_key("a .wav"), name_key("a.wav"));
    }

    #[test]
    fn names_wider_than_a_column_are_objected_to() {
        let widths = Widths {
            name: Some(Width { column: "lidStatus.audioName", chars: 100 }),
            url: Some(Width { column: "call.audioUrl", chars: 150 }),
        };
        let name = |chars: usize| "ä".repeat(chars);
        assert_eq!(objection(&name(100), "file:///x", widths), None);
        let why = objection(&name(101), "file:///x", widths).unwrap();
        assert!(why.contains("ALTER TABLE lidStatus MODIFY audioName"), "{why}");
        assert!(objection(&name(100), &"e".repeat(60), widths).unwrap().contains("call.audioUrl"));
        assert!(objection("a\tb.wav", "", Widths::default()).is_some());
    }

    proptest! {
        #[test]
        fn equality_does_not_depend_on_case_or_trailing_blanks(name in "\\PC{1,40}") {
            let key = name_key(&name);
            prop_assert_eq!(&key, &name_key(&format!("{name}  ")));
            prop_assert_eq!(&key, &name_key(&key));
        }
    }
}
