//! [`LanguageTable`]: every spelling that an engine may use, with the operator's aliases before all else.

use std::collections::HashMap;

use crate::{
    code::{Canonical, LanguageCode},
    names, standard,
};

/// Why the configured aliases cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// The word before the arrow is blank.
    #[error("language alias for {code:?} has no name")]
    NoName {
        /// What the nameless alias would have meant.
        code: String,
    },
    /// The code is blank, too long for the `language` table, or not made of letters, digits and hyphens.
    #[error(
        "language alias {name:?} means {code:?}, which is no code of 1 to 20 letters, digits and hyphens"
    )]
    NoCode {
        /// The alias.
        name: String,
        /// What it was to mean.
        code: String,
    },
    /// One word was given two meanings.
    #[error("language alias {name:?} means both {first:?} and {second:?}")]
    Contradiction {
        /// The alias.
        name: String,
        /// Its first meaning.
        first: String,
        /// Its second meaning.
        second: String,
    },
    /// The meaning is itself redefined by another alias, so that the answer would depend on the path.
    #[error("language alias {name:?} means {code:?}, which is an alias of {further:?} itself")]
    Chain {
        /// The alias.
        name: String,
        /// What it means.
        code: String,
        /// What that means in turn.
        further: String,
    },
}

/// Maps what engines say to canonical codes.
///
/// The order is: the operator's aliases, codes, English names, the primary language of a locale tag.
/// Case, surrounding blanks and the choice between `_` and `-` do not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LanguageTable {
    aliases: HashMap<String, LanguageCode>,
}

impl LanguageTable {
    /// A table in which each alias `(said, code)` wins over everything that is built in.
    ///
    /// The code of an alias may be any spelling of a known language or a private code of one's own.
    pub fn new(aliases: impl IntoIterator<Item = (String, String)>) -> Result<Self, AliasError> {
        let mut table: HashMap<String, LanguageCode> = HashMap::new();
        for (name, code) in aliases {
            let key = fold(&name);
            if key.is_empty() {
                return Err(AliasError::NoName { code });
            }
            let meaning = meaning(&code).ok_or_else(|| AliasError::NoCode { name: name.clone(), code })?;
            if let Some(first) = table.insert(key, meaning.clone())
                && first != meaning
            {
                return Err(AliasError::Contradiction { name, first: first.into(), second: meaning.into() });
            }
        }
        for (name, code) in &table {
            if let Some(further) = table.get(code.as_str()).filter(|further| *further != code) {
                return Err(AliasError::Chain {
                    name: name.clone(),
                    code: code.to_string(),
                    further: further.to_string(),
                });
            }
        }
        // A private code is a word that engines may say as well.
        let codes: Vec<_> = table.values().map(|code| (code.to_string(), code.clone())).collect();
        table.extend(codes);
        Ok(Self { aliases: table })
    }

    /// The language that an engine means by `said`.
    ///
    /// Nothing said at all and an engine's own 'unknown' are `und`: in the tables 'unknown' means
    /// "not identified yet".
    #[must_use]
    pub fn canonical(&self, said: &str) -> Canonical {
        match self.look_up(&fold(said)) {
            Some(code) => Canonical::Known(code),
            None => Canonical::Unmapped(said.to_owned()),
        }
    }

    fn look_up(&self, said: &str) -> Option<LanguageCode> {
        if let Some(code) = self.aliases.get(said) {
            return Some(code.clone());
        }
        if said.is_empty() {
            return Some(LanguageCode::UNDETERMINED);
        }
        standard::code(said).or_else(|| names::name(said)).or_else(|| self.look_up(primary_language(said)?))
    }
}

/// The form in which words are compared.
fn fold(said: &str) -> String {
    said.trim().to_lowercase().replace('_', "-")
}

/// The language that an alias leads to: one that is known, else a private code.
fn meaning(code: &str) -> Option<LanguageCode> {
    let code = fold(code);
    if code.is_empty() {
        return None;
    }
    LanguageTable::default().look_up(&code).or_else(|| {
        let fits = code.len() <= LanguageCode::MAX_CHARS
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| LanguageCode::private(code))
    })
}

/// The subtag that names the language in a locale such as `en-us`, `zh-hans-cn`, `zh-yue` or `de-de.utf-8`
/// (RFC 5646 2.1; POSIX adds `.charset` and `@modifier`), if `said` has the shape of one.
fn primary_language(said: &str) -> Option<&str> {
    let tag = said.split(['.', '@']).next()?;
    let mut subtags = tag.split('-');
    let primary = subtags.next().filter(|primary| is_letters(primary, 2..=3))?;
    let mut rest = subtags.peekable();
    // A second subtag of three letters is an extended language and the more precise name: `zh-yue`.
    let extended = rest.peek().copied().filter(|second| is_letters(second, 3..=3));
    let well_formed = rest.all(|subtag| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    (well_formed && primary != said).then(|| extended.unwrap_or(primary))
}

fn is_letters(subtag: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
}
