//! Serial numbers of certificates.

use std::{fmt, str::FromStr};

use ring::rand::{SecureRandom as _, SystemRandom};

/// Serial number of a certificate of ours: 16 bytes, 126 of their bits random.
///
/// The two highest bits are 01, so that DER writes every serial number in just
/// these 16 bytes: no byte for the sign, none left out. Written as 32
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial([u8; 16]);

/// What was to be a serial number is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a serial number of ours: expected 32 hexadecimal digits in lower case, the first one 4 to 7")]
pub struct NotASerial;

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("get random bytes from the operating system")]
pub struct NoRandomness;

impl Serial {
    /// A new one.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        bytes[0] = bytes[0] & 0x3f | 0x40;
        Ok(Self(bytes))
    }

    /// A serial number from the bytes of its DER integer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotASerial> {
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| NotASerial)?;
        if bytes[0] & 0xc0 == 0x40 { Ok(Self(bytes)) } else { Err(NotASerial) }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Sixteen of its random bits: an even spread over certificates that stays
    /// the same for each of them.
    pub(crate) fn spread(self) -> u16 {
        u16::from_be_bytes([self.0[14], self.0[15]])
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl FromStr for Serial {
    type Err = NotASerial;

    fn from_str(text: &str) -> Result<Self, NotASerial> {
        // The sign and the capital letters that the number parser allows would
        // give one serial number many spellings.
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(plain) {
            return Err(NotASerial);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| NotASerial)?;
        Self::from_bytes(&number.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let serial = Serial::random().unwrap();
        assert_eq!(serial.to_string().parse(), Ok(serial));
        assert_eq!(Serial::from_bytes(serial.as_bytes()), Ok(serial));
        assert_ne!(Serial::random().unwrap(), serial);
    }

    #[test]
    fn other_spellings_are_refused() {
        let serial = Serial([0x4b; 16]).to_string();
        assert!(serial.parse::<Serial>().is_ok());
        for wrong in [
            serial.to_uppercase(),
            format!("+{}", &serial[1..]),
            serial[1..].to_owned(),
            format!("0{}", &serial[1..]),
            format!("{serial}0"),
            String::new(),
        ] {
            assert_eq!(wrong.parse::<Serial>(), Err(NotASerial), "{wrong}");
        }
        assert_eq!(Serial::from_bytes(&[0xff; 16]), Err(NotASerial));
    }
}
