//! Fuzz targets: what everybody may send, and what must hold for it whatever it
//! is. A target panics when something does not hold.
//!
//! | target | what it takes |
//! |---|---|
//! | [`messages`] | every message of the wire, and what becomes of it |
//! | [`tokens`] | tokens, the authorization header, serial numbers |
//! | [`certificates`] | requests for certificates, certificates, PEM files |
//! | [`names`] | names of agents and recordings, paths in a source |
//! | [`configuration`] | configuration files of controller and agent |
//! | [`lines`] | what workers print, and what they are asked |
//!
//! The first byte of an input chooses what the others are taken for, by its
//! value modulo the number of kinds of the target; new kinds go to the end, so
//! that the inputs of the corpus keep their meaning.

pub mod certificates;
pub mod configuration;
pub mod lines;
pub mod messages;
pub mod names;
pub mod requests;
pub mod tokens;

use std::error::Error;

/// Looks whether everything holds for an input; panics if it does not.
pub type Check = fn(&[u8]);

/// A kind of input: what it is called in the corpus, and its check.
pub type Kind = (&'static str, Check);

/// All targets.
pub const TARGETS: [Kind; 6] = [
    ("messages", messages::check),
    ("tokens", tokens::check),
    ("certificates", certificates::check),
    ("names", names::check),
    ("configuration", configuration::check),
    ("lines", lines::check),
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Check> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, check)| *check)
}

/// An input of a kind.
///
/// # Panics
/// None of `kinds` is called `name`.
#[must_use]
pub fn input(kinds: &[Kind], name: &str, content: &[u8]) -> Vec<u8> {
    let kind = kinds.iter().position(|(known, _)| *known == name).expect("a kind of this target");
    let mut input = vec![u8::try_from(kind).expect("few kinds")];
    input.extend_from_slice(content);
    input
}

/// Has an input checked by the kind that its first byte chooses.
fn dispatch(kinds: &[Kind], input: &[u8]) {
    let Some((kind, content)) = input.split_first() else { return };
    let (_, check) = kinds[usize::from(*kind) % kinds.len()];
    check(content);
}

/// Longest words of a refusal, in bytes: they travel in the header of an answer,
/// percent-encoded, and peers take 16 KiB of headers.
const MAX_WORDS: usize = 8 * 1024;

/// A refusal says why in words that fit into one line of a log.
fn check_words(error: &dyn Error) {
    let words = error.to_string();
    assert!(!words.is_empty() && words.len() <= MAX_WORDS, "words of {} bytes", words.len());
    assert!(!words.chars().any(char::is_control), "{words:?}");
}
