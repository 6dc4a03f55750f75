//! What came of a seed.

use serde::{Deserialize, Serialize};

use crate::witness::Tally;

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Of everything that was seen.
    pub digest: String,
    /// Simulated time.
    pub seconds: u64,
    /// How much of everything happened.
    pub tally: Tally,
    /// Promises that were broken.
    pub broken: Vec<String>,
}
