//! When a certificate is renewed.

use crate::{Serial, Validity, authority::BACKDATE};

/// What a certificate calls for at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing before this moment, in microseconds since 1970-01-01 UTC.
    At(i64),
    /// To be renewed now.
    Due,
    /// It has expired and cannot be used to renew itself: the machine has to
    /// join again.
    TooLate,
}

impl Validity {
    /// When the certificate with this serial number is to be renewed, in
    /// microseconds since 1970-01-01 UTC: after a third of its lifetime and up
    /// to a thirtieth more (of 30 days: after 10 to 11).
    ///
    /// That little more is taken from the serial number. It spreads the
    /// renewals of machines that joined together, and stays the same however
    /// often a machine starts.
    #[must_use]
    pub fn renew_at_micros(&self, serial: Serial) -> i64 {
        let backdate = i64::try_from(BACKDATE.as_micros()).unwrap_or(0);
        let issued = self.not_before_micros.saturating_add(backdate);
        let lifetime = self.not_after_micros.saturating_sub(issued).max(0);
        let spread = i128::from(lifetime / 30) * i128::from(serial.spread()) / i128::from(u16::MAX);
        issued.saturating_add(lifetime / 3).saturating_add(i64::try_from(spread).unwrap_or(0))
    }

    /// What the certificate with this serial number calls for at `now_micros`,
    /// in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn renewal(&self, serial: Serial, now_micros: i64) -> Renewal {
        let renew_at = self.renew_at_micros(serial);
        if now_micros > self.not_after_micros {
            Renewal::TooLate
        } else if now_micros >= renew_at {
            Renewal::Due
        } else {
            Renewal::At(renew_at)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 24 * 3600 * 1_000_000;

    fn thirty_days() -> Validity {
        Validity { not_before_micros: -5 * 60 * 1_000_000, not_after_micros: 30 * DAY }
    }

    fn serial(last: u16) -> Serial {
        let mut bytes = [0x40; 16];
        bytes[14..].copy_from_slice(&last.to_be_bytes());
        Serial::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn thirty_days_are_renewed_after_ten_to_eleven() {
        assert_eq!(thirty_days().renew_at_micros(serial(0)), 10 * DAY);
        assert_eq!(thirty_days().renew_at_micros(serial(u16::MAX)), 11 * DAY);
    }

    #[test]
    fn a_certificate_goes_through_its_life() {
        let (validity, serial) = (thirty_days(), serial(0));
        assert_eq!(validity.renewal(serial, 0), Renewal::At(10 * DAY));
        assert_eq!(validity.renewal(serial, 10 * DAY - 1), Renewal::At(10 * DAY));
        assert_eq!(validity.renewal(serial, 10 * DAY), Renewal::Due);
        assert_eq!(validity.renewal(serial, 30 * DAY), Renewal::Due);
        assert_eq!(validity.renewal(serial, 30 * DAY + 1), Renewal::TooLate);
    }

    #[test]
    fn renewals_are_spread_evenly() {
        let validity = thirty_days();
        let mut tenths = [0; 10];
        for _ in 0..2_000 {
            let after = validity.renew_at_micros(Serial::random().unwrap()) - 10 * DAY;
            tenths[usize::try_from(after * 10 / DAY).unwrap().min(9)] += 1;
        }
        assert!(tenths.iter().all(|tenth| (120..=280).contains(tenth)), "{tenths:?}");
    }

    proptest! {
        #[test]
        fn no_times_are_too_strange(
            not_before_micros in any::<i64>(), not_after_micros in any::<i64>(), now in any::<i64>(), last in any::<u16>(),
        ) {
            let validity = Validity { not_before_micros, not_after_micros };
            match validity.renewal(serial(last), now) {
                Renewal::At(moment) => prop_assert!(now < moment),
                Renewal::Due => prop_assert!(now <= not_after_micros),
                Renewal::TooLate => prop_assert!(now > not_after_micros),
            }
        }
    }
}
