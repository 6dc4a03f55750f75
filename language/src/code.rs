//! [`LanguageCode`], the canonical form, and [`Canonical`], the outcome of looking for it.

use std::{borrow::Cow, fmt};

/// A language in the form that the `language` table uses.
///
/// Only a [`LanguageTable`](crate::LanguageTable) makes one, so that holding it proves the mapping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguageCode(Cow<'static, str>);

impl LanguageCode {
    /// `zxx`, ISO 639-2 "no linguistic content": nobody speaks in the recording.
    pub const NO_SPEECH: Self = Self(Cow::Borrowed("zxx"));
    /// `und`, ISO 639-2 "undetermined": there is speech, but no answer that can be relied on.
    pub const UNDETERMINED: Self = Self(Cow::Borrowed("und"));
    /// `hinglish`, the private code for Hindi and English mixed in one conversation.
    pub const HINGLISH: Self = Self(Cow::Borrowed("hinglish"));

    /// The longest code that `language.languageCode` holds, in characters.
    pub const MAX_CHARS: usize = 20;

    pub(crate) const fn known(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    pub(crate) fn private(code: String) -> Self {
        Self(Cow::Owned(code))
    }

    /// The code as the tables hold it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LanguageCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for LanguageCode {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<LanguageCode> for String {
    fn from(code: LanguageCode) -> Self {
        code.0.into_owned()
    }
}

/// What an engine's word for a language turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Canonical {
    /// A language of the table.
    Known(LanguageCode),
    /// No entry fits: the word is kept exactly as the engine said it, to be counted and reported.
    Unmapped(String),
}

impl Canonical {
    /// What `lang` holds for this answer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Unmapped(said) => said,
        }
    }

    /// The code, if the word was mapped.
    #[must_use]
    pub fn known(self) -> Option<LanguageCode> {
        match self {
            Self::Known(code) => Some(code),
            Self::Unmapped(_) => None,
        }
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
