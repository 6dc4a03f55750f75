//! A controller that does what a test tells it, and an agent to go with it.

mod agent;
mod controller;
mod enrolment;
mod identity;
mod journal;
mod pieces;
mod site;

pub use agent::TestAgent;
pub use controller::{Controller, Receiving, Session};
pub use enrolment::Control;
pub use identity::{Identities, Renewals};
pub use journal::journal_rows;
pub use pieces::{Recording, recording};
pub use site::{Site, now};

use std::time::Duration;

/// No test waits longer for anything.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for `future`; says what for if that takes too long.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, future).await;
    outcome.unwrap_or_else(|_| panic!("waited {DEADLINE:?} for {what}"))
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
