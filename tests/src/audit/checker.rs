//! The checker that operators have must agree with the audit.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cluster::Cluster;

/// Runs `cofi check` on everything and reads every file again, if the
/// controller is there to answer: it must find nothing.
pub(super) async fn finds_nothing(cluster: &Cluster) -> Result<()> {
    if !cluster.client()?.serves().await {
        return Ok(());
    }
    let ran = cluster.cofi(&["--json", "check", "--digests"]).await?;
    ensure!(ran.code == Some(0), "cofi check has findings: {ran:?}");
    let summary = ran.stdout.lines().last().context("a check without a word")?;
    let summary: Value = serde_json::from_str(summary)?;
    let batches = summary["summary"]["batches"].as_u64();
    ensure!(batches.is_some_and(|batches| batches > 0), "cofi check looked at nothing: {ran:?}");
    Ok(())
}
