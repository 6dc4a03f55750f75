//! Tokens with which a machine joins.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

use super::{Role, Secret, TokenError, TokenHash, TokenId, decode, prefix, split};
use crate::{KeyHash, serial::NoRandomness};

/// How a join token begins.
const PREFIX: &str = "cofi1";

/// A token with which one machine gets its first certificate. It also says by
/// which authority's key the machine knows the right controller, before it
/// sends anything. Which agent it is for, until when, and whether it was used
/// stands in the controller's record of its ID.
#[derive(Clone)]
pub struct JoinToken {
    authority: KeyHash,
    id: TokenId,
    secret: Secret,
}

impl JoinToken {
    /// Makes a new token for controllers of the `authority` with this key.
    pub fn generate(authority: KeyHash) -> Result<Self, NoRandomness> {
        Ok(Self { authority, id: TokenId::random()?, secret: Secret::random()? })
    }

    /// The hash of the key of the authority that the controller's certificate
    /// must come from.
    #[must_use]
    pub fn authority(&self) -> KeyHash {
        self.authority
    }

    /// What the token is recorded under.
    #[must_use]
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// What the controller keeps of the token, and compares.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::over(PREFIX, &[self.authority.as_bytes(), &self.id.0, self.secret.0.as_slice()])
    }

    /// The whole token, secret included: for the one who asked for it, and for
    /// the controller once it is known to be the right one.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let Self { authority, id, secret } = self;
        secret.after(&format!("{PREFIX}.{authority}.{id}"))
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let expected = "cofi1.";
        match prefix(text)? {
            PREFIX => {}
            other if Role::of_prefix(other).is_some() => {
                return Err(TokenError::Kind { found: "access token", expected: "join token" });
            }
            _ => return Err(TokenError::Prefix { expected }),
        }
        let [_, authority, id, secret] = split(text)?;
        Ok(Self {
            authority: KeyHash::from_bytes(decode(authority, "authority")?),
            id: id.parse()?,
            secret: Secret::parse(secret)?,
        })
    }
}

impl TryFrom<&[u8]> for JoinToken {
    type Error = TokenError;

    fn try_from(text: &[u8]) -> Result<Self, TokenError> {
        // What is not UTF-8 begins like no token.
        std::str::from_utf8(text).unwrap_or_default().parse()
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("authority", &self.authority)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Whether `prefix` is that of a join token.
pub(super) fn is_prefix(prefix: &str) -> bool {
    prefix == PREFIX
}
