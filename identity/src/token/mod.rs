//! Tokens: the secrets that persons carry from one place to another.
//!
//! | token | text | good for |
//! |---|---|---|
//! | [`JoinToken`] | `cofi1.AUTHORITY.ID.SECRET` | one agent's first certificate |
//! | [`AccessToken`] | `cofi1-operator.ID.SECRET`, `cofi1-viewer.ID.SECRET` | calls on the control listener |
//!
//! AUTHORITY and SECRET are base64url without padding: shorter than base32,
//! the dot that parts the fields is not in its alphabet, and each value has
//! exactly one spelling. ID is hexadecimal, since it is typed after `cofi token
//! revoke`, where a dash at the beginning would make an option of it.
//!
//! The controller keeps an [ID](TokenId) and a [hash](TokenHash), never the
//! secret. One round of SHA-256 is enough: the slow hashes that passwords need
//! make guessing dear, and nobody guesses 256 random bits. All that stands in
//! the token goes into the hash, so that a viewer's token with the word
//! changed to "operator" is as good as a wrong secret.

mod access;
mod join;
mod record;

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{Context, SHA256},
    rand::{SecureRandom as _, SystemRandom},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use self::{
    access::{AccessToken, Role, UnknownRole},
    join::JoinToken,
    record::{AccessRecord, AccessRefused, Admission, JOIN_TOKEN_LIFETIME, JoinRecord, JoinRefused},
};
use crate::serial::NoRandomness;

/// Longest text that is read as a token: the longest one has 108 characters.
pub const MAX_TOKEN_BYTES: usize = 128;

/// Bytes of a token's secret.
const SECRET_BYTES: usize = 32;

/// Why a text is not the token it should be. What stands in it is never
/// repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is too long to be a token.
    #[error("token of {bytes} bytes, at most {MAX_TOKEN_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It does not begin like a token of this version of Cofi.
    #[error("not a token of cofi: it should begin with {expected}")]
    Prefix {
        /// How the token that is expected begins.
        expected: &'static str,
    },
    /// It is a token, but of the other kind.
    #[error("{found}, expected {expected}")]
    Kind {
        /// The kind it is of.
        found: &'static str,
        /// The kind that belongs here.
        expected: &'static str,
    },
    /// It has too few or too many parts, as if it were cut off or pasted twice.
    #[error("token of {found} parts between dots, expected {expected}")]
    Parts {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// One of its parts is not written as it should be.
    #[error("token whose {part} is damaged")]
    Part {
        /// Which one.
        part: &'static str,
    },
    /// A header that should carry a token has another form.
    #[error("authorization that is not Bearer and a token")]
    Authorization,
}

/// What a token is kept and revoked under: 64 random bits, written as 16
/// hexadecimal digits. No secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId([u8; 8]);

impl TokenId {
    fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 8];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl FromStr for TokenId {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let damaged = TokenError::Part { part: "id" };
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(plain) {
            return Err(damaged);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| damaged)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// SHA-256 over a token: what the controller keeps of it. Comparing two takes
/// the same time whatever they hold.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// A hash that was kept as bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash over the parts of a token of one kind. All of them have fixed
    /// lengths except the kind, which a zero byte ends.
    fn over(kind: &str, parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(kind.as_bytes());
        context.update(&[0]);
        for part in parts {
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// The part of a token that must not be seen. Overwritten when it is dropped.
#[derive(Clone)]
struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl Secret {
    fn random() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        SystemRandom::new().fill(bytes.as_mut()).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    fn parse(text: &str) -> Result<Self, TokenError> {
        Ok(Self(Zeroizing::new(decode(text, "secret")?)))
    }

    /// The text of the token that begins with `public`. All the room is taken
    /// at once: a string that grows leaves copies behind.
    fn after(&self, public: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(MAX_TOKEN_BYTES));
        text.push_str(public);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.0.as_slice(), &mut text);
        text
    }
}

/// The 32 bytes that `text` spells.
fn decode(text: &str, part: &'static str) -> Result<[u8; 32], TokenError> {
    // The decoder asks for room for whole groups of three bytes.
    let mut bytes = Zeroizing::new([0; 33]);
    match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()) {
        Ok(32) => bytes.first_chunk::<32>().copied().ok_or(TokenError::Part { part }),
        Ok(_) | Err(_) => Err(TokenError::Part { part }),
    }
}

/// The fields of `text`, a token that should be of `expected` parts.
fn split<const PARTS: usize>(text: &str) -> Result<[&str; PARTS], TokenError> {
    let mut parts = [""; PARTS];
    let mut found = 0;
    for part in text.split('.') {
        if let Some(place) = parts.get_mut(found) {
            *place = part;
        }
        found += 1;
    }
    if found == PARTS { Ok(parts) } else { Err(TokenError::Parts { found, expected: PARTS }) }
}

/// The word before the first dot, of a text that is not too long.
fn prefix(text: &str) -> Result<&str, TokenError> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong { bytes: text.len() });
    }
    Ok(text.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
