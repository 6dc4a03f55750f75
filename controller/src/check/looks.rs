//! A second look at what moves: what is wrong now and not any more in a moment
//! was about to change.

use std::{collections::HashMap, time::Duration};

use crate::ledger::{Flaw, FlawKey, LedgerError};

/// Pauses before rows are looked at again. Transactions show them whole: this
/// is for writers that do not use any.
pub(super) const ROWS: &[Duration] = &[Duration::from_secs(1)];

/// The same for a batch as a whole, whose stages follow its rows: within a
/// second, and within ten looks of a poller that takes as long for a large one.
pub(super) const BATCH: &[Duration] = &[
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

/// Looks at the database that are worth it while it is away.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Looks, and again in a moment if the database has one: a connection may be
/// lost that nobody used for long.
pub(super) async fn patiently<T, F>(mut look: impl FnMut() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    for _ in 1..TRIES {
        match Box::pin(look()).await {
            Err(error) if error.is_transient() => tokio::time::sleep(BETWEEN_TRIES).await,
            seen => return seen,
        }
    }
    Box::pin(look()).await
}

/// Those of `found` that are still there after each pause, as they were seen
/// last.
pub(super) async fn that_stay<F>(
    mut found: Vec<Flaw>,
    pauses: &[Duration],
    mut look: impl FnMut() -> F,
) -> Result<Vec<Flaw>, LedgerError>
where
    F: Future<Output = Result<Vec<Flaw>, LedgerError>>,
{
    for pause in pauses {
        if found.is_empty() {
            break;
        }
        tokio::time::sleep(*pause).await;
        found = both(&found, look().await?);
    }
    Ok(found)
}

/// Those of `now` that are in `before` as well.
pub(super) fn both(before: &[Flaw], now: Vec<Flaw>) -> Vec<Flaw> {
    // As often as before: a name may be there several times.
    let mut seen: HashMap<FlawKey, usize> = HashMap::with_capacity(before.len());
    for flaw in before {
        *seen.entry(flaw.key()).or_default() += 1;
    }
    let stays = |flaw: &Flaw| {
        let left = seen.get_mut(&flaw.key()).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    now.into_iter().filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::ledger::FlawKind;

    fn flaw(name: &str) -> Flaw {
        Flaw { audio_name: Some(name.to_owned()), ..Flaw::new(FlawKind::CallMissing, "words") }
    }

    #[tokio::test]
    async fn what_goes_away_by_itself_is_not_told() {
        let looks =
            RefCell::new(vec![vec![flaw("b")], vec![flaw("b"), flaw("c")], vec![flaw("b"), flaw("a")]]);
        let look = || std::future::ready(Ok(looks.borrow_mut().pop().unwrap()));
        let found = that_stay(vec![flaw("a"), flaw("b")], &[Duration::ZERO; 3], look).await.unwrap();
        assert_eq!(found, [flaw("b")]);
    }

    #[tokio::test]
    async fn where_nothing_is_found_nobody_looks_again() {
        let look = || -> std::future::Ready<Result<Vec<Flaw>, LedgerError>> { unreachable!("a second look") };
        assert_eq!(that_stay(Vec::new(), BATCH, look).await.unwrap(), []);
    }

    #[test]
    fn what_is_there_twice_is_told_twice() {
        let twice = [flaw("a"), flaw("a")];
        assert_eq!(both(&twice, twice.to_vec()), twice);
        assert_eq!(both(&twice[..1], twice.to_vec()), twice[..1]);
    }
}
