//! Amounts as people read them.

use std::time::Duration;

const KILO: f64 = 1_000.0;

/// `12.3 MB`, in powers of 1,000.
pub(crate) fn bytes(count: u64) -> String {
    if count < 1_000 { format!("{count} B") } else { scaled(approximate(count)) }
}

/// `3.1 MB/s`.
pub(crate) fn bytes_per_second(rate: f64) -> String {
    if rate < KILO { format!("{rate:.0} B/s") } else { format!("{}/s", scaled(rate)) }
}

fn scaled(count: f64) -> String {
    let mut scaled = count / KILO;
    for unit in ["kB", "MB", "GB", "TB"] {
        // 999.95 would be rounded to 1000.0.
        if scaled < 999.95 {
            return format!("{scaled:.1} {unit}");
        }
        scaled /= KILO;
    }
    format!("{scaled:.1} PB")
}

/// `4.2/s`; slow rates by the minute, `1.5/min`.
pub(crate) fn per_second(rate: f64) -> String {
    if rate > 0.0 && rate < 0.1 {
        format!("{:.1}/min", rate * 60.0)
    } else if rate < 100.0 {
        format!("{rate:.1}/s")
    } else {
        format!("{rate:.0}/s")
    }
}

/// `45 s`, `1 min 20 s`, `3 h 05 min`, `2 d 07 h`: two units, no false
/// precision.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if minutes == 0 {
        format!("{seconds} s")
    } else if hours == 0 {
        format!("{minutes} min {:02} s", seconds % 60)
    } else if days == 0 {
        format!("{hours} h {:02} min", minutes % 60)
    } else {
        format!("{days} d {:02} h", hours % 24)
    }
}

/// How long a recording lasts: `0:07`, `12:34`, `1:02:03`.
pub(crate) fn playing_time(seconds: f64) -> String {
    let Ok(time) = Duration::try_from_secs_f64(seconds.round()) else { return "?".to_owned() };
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

/// How long `left` takes at `rate` a second; none if nothing moves.
pub(crate) fn time_left(left: u64, rate: f64) -> Option<Duration> {
    if left == 0 {
        return Some(Duration::ZERO);
    }
    Duration::try_from_secs_f64((approximate(left) / rate).ceil()).ok()
}

/// `part` of `whole` in percent.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        "-".to_owned()
    } else {
        format!("{:.1} %", approximate(part) / approximate(whole) * 100.0)
    }
}

/// The nearest float: exact up to 2^53.
fn approximate(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_the_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (12_345_678, "12.3 MB"),
            (5_000_000_000, "5.0 GB"),
            (u64::MAX, "18446.7 PB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn rates_keep_a_digit_that_matters() {
        assert_eq!(bytes_per_second(0.0), "0 B/s");
        assert_eq!(bytes_per_second(3_120_000.0), "3.1 MB/s");
        assert_eq!(per_second(0.0), "0.0/s");
        assert_eq!(per_second(0.025), "1.5/min");
        assert_eq!(per_second(4.23), "4.2/s");
        assert_eq!(per_second(1234.5), "1234/s");
    }

    #[test]
    fn durations_have_two_units() {
        let cases =
            [(0, "0 s"), (59, "59 s"), (80, "1 min 20 s"), (3_600, "1 h 00 min"), (200_000, "2 d 07 h")];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn playing_times_read_like_a_players() {
        let cases = [(0.0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754.0, "12:34"), (3_723.0, "1:02:03")];
        for (seconds, text) in cases {
            assert_eq!(playing_time(seconds), text);
        }
        assert_eq!(playing_time(f64::INFINITY), "?");
    }

    #[test]
    fn time_left_is_unknown_while_nothing_moves() {
        assert_eq!(time_left(0, 0.0), Some(Duration::ZERO));
        assert_eq!(time_left(10, 0.0), None);
        assert_eq!(time_left(10, 4.0), Some(Duration::from_secs(3)));
        assert_eq!(time_left(u64::MAX, f64::MIN_POSITIVE), None);
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(0, 0), "-");
    }
}
