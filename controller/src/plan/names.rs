//! Which names a recording may have.

use std::path::Path;

use cofi_proto::limits::MAX_NAME_BYTES;

use crate::ledger::{NameColumn, NameColumns};

/// Endings that audio files have, in lower case.
const AUDIO_ENDINGS: [&str; 34] = [
    "3gp", "aac", "aif", "aifc", "aiff", "alaw", "amr", "ape", "au", "awb", "caf", "flac", "g722", "g729",
    "gsm", "m4a", "m4b", "mka", "mp2", "mp3", "mp4", "oga", "ogg", "opus", "ra", "sln", "snd", "spx", "ulaw",
    "vox", "wav", "wave", "webm", "wma",
];

/// Whether a file is audio by its name, whatever is in it. Trailing blanks do
/// not count, as in comparisons of names: they are an accident.
#[must_use]
pub fn is_audio(name: &Path) -> bool {
    let ending = name.extension().and_then(|ending| ending.to_str());
    let ending = ending.map(|ending| ending.trim_end().to_ascii_lowercase());
    ending.is_some_and(|ending| AUDIO_ENDINGS.binary_search(&ending.as_str()).is_ok())
}

/// What is wrong with a name, in words.
#[must_use]
pub fn objection(name: &str, audio_endpoint: &str, columns: &NameColumns) -> Option<String> {
    if name.chars().any(char::is_control) {
        return Some("its name has control characters: rename it".to_owned());
    }
    // A few file systems, and shares of other machines, have longer ones.
    if name.len() > MAX_NAME_BYTES {
        let bytes = name.len();
        return Some(format!("its name has {bytes} bytes and agents hold {MAX_NAME_BYTES}: rename it"));
    }
    let chars = name.chars().count();
    let holds = |column: &NameColumn| column.chars.unwrap_or(usize::MAX);
    if let Some(narrowest) =
        columns.names.iter().min_by_key(|column| holds(column)).filter(|it| chars > holds(it))
    {
        return Some(format!(
            "its name has {chars} characters and {} holds {}: rename it, or widen the column ({})",
            narrowest.column,
            holds(narrowest),
            alter(narrowest, "")
        ));
    }
    if let Some(poorest) =
        columns.names.iter().chain(&columns.url).find(|column| !column.repertoire.has(name))
    {
        return Some(format!(
            "its name has characters that {} cannot hold: rename it, or widen the column's character set ({})",
            poorest.column,
            alter(poorest, " CHARACTER SET utf8mb4")
        ));
    }
    let url_chars = audio_endpoint.chars().count() + 1 + chars;
    columns.url.filter(|column| url_chars > holds(column)).map(|column| {
        format!(
            "its audio URL has {url_chars} characters and {} holds {}: rename it, or give a shorter audio endpoint",
            column.column,
            holds(&column)
        )
    })
}

/// The statement that would make a column hold every name.
fn alter(column: &NameColumn, set: &str) -> String {
    let (table, name) = column.column.split_once('.').unwrap_or_default();
    let chars = column.chars.unwrap_or_default().max(255);
    format!("ALTER TABLE `{table}` MODIFY `{name}` VARCHAR({chars}){set}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Repertoire;

    #[test]
    fn endings_are_sorted_for_the_search() {
        assert!(AUDIO_ENDINGS.is_sorted());
        assert!(is_audio(Path::new("a.WAV")));
        assert!(is_audio(Path::new("x/y.mp3")));
        assert!(is_audio(Path::new("a.wav ")));
        assert!(!is_audio(Path::new("notes.txt")));
        assert!(!is_audio(Path::new("wav")));
    }

    #[test]
    fn names_that_no_agent_can_store_are_objected_to() {
        let name = |chars: usize| format!("{}.wav", "é".repeat(chars));
        assert_eq!(objection(&name(125), "", &NameColumns::default()), None);
        let why = objection(&name(126), "", &NameColumns::default()).unwrap();
        assert!(why.contains("256 bytes"), "{why}");
    }

    #[test]
    fn names_wider_than_a_column_are_objected_to() {
        let column =
            |column, chars| NameColumn { column, chars: Some(chars), repertoire: Repertoire::BasicPlane };
        let columns = NameColumns {
            names: vec![column("call.audioName", 255), column("lidStatus.audioName", 100)],
            url: Some(column("call.audioUrl", 150)),
        };
        let name = |chars: usize| "ä".repeat(chars);
        assert_eq!(objection(&name(100), "file:///x", &columns), None);
        let why = objection(&name(101), "file:///x", &columns).unwrap();
        assert!(why.contains("ALTER TABLE `lidStatus` MODIFY `audioName` VARCHAR(255)"), "{why}");
        assert!(objection(&name(100), &"e".repeat(60), &columns).unwrap().contains("call.audioUrl"));
        assert!(objection("a\tb.wav", "", &NameColumns::default()).is_some());
        assert!(objection("📞.wav", "", &columns).unwrap().contains("utf8mb4"));
    }
}
