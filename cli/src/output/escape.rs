//! Text from outside, made harmless: file names, reasons and messages may
//! carry characters that move a terminal's cursor, change its title, or show
//! a name as another one.

use std::{borrow::Cow, fmt::Write, io};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

/// Whether a character must not reach a terminal: controls (C0, DEL, C1), line
/// and paragraph separators, and what reorders or hides text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` with every unsafe character written as Rust writes it (`\n`,
/// `\u{1b}`), for a cell of a table or a line of progress. Backslashes are
/// left alone: the result is for eyes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// JSON on one line in which unsafe characters are written as `\uXXXX`: the
/// same values to a program, and harmless on a terminal.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> io::Result<String> {
    let mut line = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Harmless))?;
    String::from_utf8(line).map_err(io::Error::other)
}

struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !fragment.contains(is_unsafe) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut safe = String::with_capacity(fragment.len() + 16);
        for character in fragment.chars() {
            if is_unsafe(character) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(safe, "\\u{unit:04x}").map_err(io::Error::other)?;
                }
            } else {
                safe.push(character);
            }
        }
        writer.write_all(safe.as_bytes())
    }

    fn write_char_escape<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\u{1b}[2Jb\nc\u{9b}31m\u{202e}gnp.wav\u{7f}\u{e0041}";

    #[test]
    fn ordinary_names_pass_untouched() {
        for name in ["call 1.wav", "звонок.wav", "कॉल.wav", "😀.wav", r"a\b"] {
            assert!(matches!(escape(name), Cow::Borrowed(same) if same == name));
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_or_reorders_text_gets_through() {
        let safe = escape(NASTY);
        assert_eq!(safe, r"a\u{1b}[2Jb\nc\u{9b}31m\u{202e}gnp.wav\u{7f}\u{e0041}");
        assert!(!safe.contains(is_unsafe));
    }

    #[test]
    fn json_is_harmless_and_means_the_same() {
        let line = to_json(&[NASTY, "plain", "\"\\\t"]).unwrap();
        assert!(!line.contains(is_unsafe), "{line:?}");
        let read: Vec<String> = serde_json::from_str(&line).unwrap();
        assert_eq!(read, [NASTY, "plain", "\"\\\t"]);
    }
}
