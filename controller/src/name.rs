//! When two names of recordings are equal.

use cofi_proto::Digest;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Characters of a name key at most: as wide as its column.
const KEY_CHARS: usize = 255;

/// What names are compared by: case folded, marks stripped, trailing blanks
/// trimmed. The same on every database, whatever its collation.
#[must_use]
pub fn name_key(name: &str) -> String {
    if name.is_ascii() && name.len() <= KEY_CHARS {
        // The same without the tables: nothing to decompose.
        return name.trim_end().to_ascii_lowercase();
    }
    let stripped: String = name.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let folded: String =
        caseless::default_case_fold_str(&stripped).nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let folded = folded.trim_end();
    if folded.chars().count() <= KEY_CHARS {
        return folded.to_owned();
    }
    // Folding can make a name many times longer; its tail becomes a digest.
    let head: String = folded.chars().take(KEY_CHARS - 33).collect();
    format!("{head}#{}", Digest::of(folded.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    fn keys_of_names_that_grow_when_folded_fit_their_column() {
        let (one, other) = ("\u{fdfa}".repeat(80), "\u{fdfa}".repeat(81));
        assert_eq!(name_key(&one).chars().count(), KEY_CHARS);
        assert_ne!(name_key(&one), name_key(&other));
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
