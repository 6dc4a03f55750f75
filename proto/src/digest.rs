//! The digest of a recording's content: XXH3-128 with seed 0, written in its
//! canonical big-endian form.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use crate::Malformed;

/// XXH3-128 of a recording's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(content);
        hasher.finish()
    }

    /// The 16 bytes, canonical big-endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = Malformed;

    fn try_from(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = bytes
            .try_into()
            .map_err(|_| Malformed::invalid("digest", format!("{} bytes", bytes.len()), "16 bytes"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Box<Xxh3>);

impl Hasher {
    /// Nothing hashed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(self.0.digest128().to_be_bytes())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the reference implementation: `printf '' | xxh128sum`, `printf abc | xxh128sum`.
    #[test]
    fn digest_is_what_the_reference_program_prints() {
        assert_eq!(Digest::of(b"").to_string(), "99aa06d3014798d86001c324468d497f");
        assert_eq!(Digest::of(b"abc").to_string(), "06b05ab6733a618578af5f94892f3950");
    }

    #[test]
    fn digest_of_pieces_is_digest_of_the_whole() {
        let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let mut hasher = Hasher::new();
        content.chunks(777).for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.finish(), Digest::of(&content));
    }

    #[test]
    fn digest_of_wrong_length_is_refused() {
        assert!(Digest::try_from(&[0_u8; 15][..]).is_err());
        assert!(Digest::try_from(&[0_u8; 17][..]).is_err());
    }
}
