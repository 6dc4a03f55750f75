//! Tokens with which persons and programs call the control listener.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

use super::{Secret, TokenError, TokenHash, TokenId, join, prefix, split};
use crate::serial::NoRandomness;

/// What the bearer of an access token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Look, and change.
    Operator,
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("role {0}, expected operator or viewer")]
pub struct UnknownRole(
    /// The word, escaped.
    pub String,
);

impl Role {
    const ALL: [Self; 2] = [Self::Viewer, Self::Operator];

    /// The role as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Viewer => "cofi1-viewer",
            Self::Operator => "cofi1-operator",
        }
    }

    pub(super) fn of_prefix(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.prefix() == prefix)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == word);
        known.ok_or_else(|| UnknownRole(word.escape_debug().to_string()))
    }
}

/// A token for calls on the control listener.
#[derive(Clone)]
pub struct AccessToken {
    role: Role,
    id: TokenId,
    secret: Secret,
}

impl AccessToken {
    /// Makes a new token for `role`.
    pub fn generate(role: Role) -> Result<Self, NoRandomness> {
        Ok(Self { role, id: TokenId::random()?, secret: Secret::random()? })
    }

    /// The token in the value of an `authorization` header: `Bearer TOKEN`,
    /// the word in any case.
    pub fn from_authorization(value: &[u8]) -> Result<Self, TokenError> {
        let value = std::str::from_utf8(value).map_err(|_| TokenError::Authorization)?;
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.parse(),
            Some(_) | None => Err(TokenError::Authorization),
        }
    }

    /// The role that the token claims. It is the bearer's only if the hash is
    /// the recorded one.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the token is recorded under.
    #[must_use]
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// What the controller keeps of the token, and compares.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::over(self.role.prefix(), &[&self.id.0, self.secret.0.as_slice()])
    }

    /// The whole token, secret included: for the one who asked for it, and for
    /// the `authorization` header.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let Self { role, id, secret } = self;
        secret.after(&format!("{}.{id}", role.prefix()))
    }
}

impl FromStr for AccessToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let found = prefix(text)?;
        let Some(role) = Role::of_prefix(found) else {
            return Err(if join::is_prefix(found) {
                TokenError::Kind { found: "join token", expected: "access token" }
            } else {
                TokenError::Prefix { expected: "cofi1-operator. or cofi1-viewer." }
            });
        };
        let [_, id, secret] = split(text)?;
        Ok(Self { role, id: id.parse()?, secret: Secret::parse(secret)? })
    }
}

impl TryFrom<&[u8]> for AccessToken {
    type Error = TokenError;

    fn try_from(text: &[u8]) -> Result<Self, TokenError> {
        // What is not UTF-8 begins like no token.
        std::str::from_utf8(text).unwrap_or_default().parse()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("role", &self.role).field("id", &self.id).finish_non_exhaustive()
    }
}
