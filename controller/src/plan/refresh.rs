//! A retry takes files as they are now: what changed since the batch was
//! planned is looked at again.

use cap_std::{
    ambient_authority,
    fs::{Dir, MetadataExt},
};
use cofi_proto::BatchId;

use super::{PlanError, Planner, invalid};
use crate::{ledger::SourceStamp, source};

/// Recordings looked at in one go.
const PAGE: i64 = 500;

impl Planner {
    /// Brings the manifest of a batch up to date for recordings that failed
    /// because their source had changed. Those that are gone stay as they are.
    pub async fn refresh_changed(&self, batch: BatchId) -> Result<(), PlanError> {
        let root = self.ledger.batch(batch).await?.source;
        let mut after = -1;
        loop {
            let page = self.ledger.changed_sources(batch, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            let root = root.clone();
            let stamps = tokio::task::spawn_blocking(move || stamps(&root, page)).await;
            let stamps =
                stamps.map_err(|error| invalid("batch_id", format!("look at the source: {error}")))?;
            self.ledger.restamp_sources(batch, &stamps).await?;
        }
    }
}

fn stamps(root: &str, page: Vec<(i64, String)>) -> Vec<SourceStamp> {
    let Ok(root) = Dir::open_ambient_dir(root, ambient_authority()) else { return Vec::new() };
    let stamp = |(ordinal, path): (i64, String)| {
        // Not opened: a pipe would be waited for.
        let metadata = root.metadata(path).ok()?;
        let mtime = source::nanos(metadata.mtime(), metadata.mtime_nsec());
        metadata.is_file().then_some(SourceStamp { ordinal, size: metadata.len(), mtime })
    };
    page.into_iter().filter_map(stamp).collect()
}
