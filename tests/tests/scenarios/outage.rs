//! What is promised about a database that is away, whatever the reason.

use std::time::Duration;

use anyhow::Result;
use cofi_tests::{client::Client, wait::until};

/// What is logged at ERROR about one that lasts: somebody must look.
pub(crate) const TOLD: [&str; 1] = ["the database stays away"];

/// How soon the health protocol says so.
pub(crate) const TELLS_WITHIN: Duration = Duration::from_secs(10);

/// How soon work goes on after the database is back.
pub(crate) const GOES_ON_WITHIN: Duration = Duration::from_secs(30);

/// Waits until the controller says that it cannot serve.
pub(crate) async fn is_told(client: &Client) -> Result<()> {
    until("the controller to be out of service", TELLS_WITHIN, async || {
        Ok(client.is_out_of_service().await.then_some(()))
    })
    .await
}

/// Waits until it serves again.
pub(crate) async fn is_over(client: &Client) -> Result<()> {
    until("the controller to serve again", GOES_ON_WITHIN, async || Ok(client.serves().await.then_some(())))
        .await
}
