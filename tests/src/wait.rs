//! Waiting for a condition, with a deadline.

use std::{fmt::Display, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Between two looks: short, since a scenario acts on what it sees.
const PAUSE: Duration = Duration::from_millis(3);

/// Looks until there is something to see. Fails when a look fails, or when
/// there is still nothing after `within`.
pub async fn until<T>(
    what: impl Display,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s for {what}", within.as_secs());
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_comes_is_an_error_that_names_it() {
        let never = until("the cows to come home", Duration::from_millis(20), async || Ok(None::<()>)).await;
        assert!(never.unwrap_err().to_string().contains("the cows to come home"));
    }

    #[tokio::test]
    async fn what_comes_later_is_returned() {
        let mut looks = 0;
        let seen = until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            Ok((looks == 3).then_some("seen"))
        });
        assert_eq!(seen.await.unwrap(), "seen");
    }
}
