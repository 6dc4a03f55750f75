//! What is to happen at a point, as the environment says it.

use std::str::FromStr;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What would be done next fails, as it can fail in earnest.
    Error,
    /// The program gets SIGKILL.
    Kill,
    /// What would be done next is done later.
    Delay,
}

/// At which hit of which point what happens: `NAME=MODE[@HIT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) point: String,
    pub(crate) mode: Mode,
    /// From 1.
    pub(crate) hit: u64,
}

/// What cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not of the form NAME=error|kill|delay[@HIT]")]
pub(crate) struct Unclear(String);

impl FromStr for Order {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let unclear = || Unclear(text.to_owned());
        let (point, what) = text.split_once('=').ok_or_else(unclear)?;
        let (mode, hit) = what.split_once('@').unwrap_or((what, "1"));
        let mode = match mode {
            "error" => Mode::Error,
            "kill" => Mode::Kill,
            "delay" => Mode::Delay,
            _ => return Err(unclear()),
        };
        let hit = hit.parse().ok().filter(|hit| *hit > 0).ok_or_else(unclear)?;
        Ok(Self { point: point.to_owned(), mode, hit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_point_mode_and_hit() {
        let order: Order = "a.b-not-c=kill@2".parse().unwrap();
        assert_eq!(order, Order { point: "a.b-not-c".to_owned(), mode: Mode::Kill, hit: 2 });
        assert_eq!("a=delay".parse::<Order>().unwrap().hit, 1);
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for text in ["a", "a=panic", "a=kill@0", "a=kill@x", "a=kill@"] {
            assert!(text.parse::<Order>().is_err(), "{text}");
        }
    }
}
