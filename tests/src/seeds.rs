//! Which seeds a scenario is run with.

use std::env;

use anyhow::{Context as _, Result};

/// `usual` seeds, or `full` of them with `COFI_FULL=1`; `COFI_SEED=N` picks one.
/// Every seed is printed when its run begins, so that a failure can be had again.
pub fn seeds(usual: u64, full: u64) -> Result<Vec<u64>> {
    if let Ok(seed) = env::var("COFI_SEED") {
        return Ok(vec![seed.parse().with_context(|| format!("COFI_SEED = {seed:?}"))?]);
    }
    let count = if is_full() { full } else { usual };
    Ok((1..=count).collect())
}

/// Whether everything is to be tried that takes long.
#[must_use]
pub fn is_full() -> bool {
    env::var_os("COFI_FULL").is_some_and(|full| full == "1")
}
