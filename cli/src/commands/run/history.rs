//! What earlier runs made of a folder.

use std::collections::{BTreeMap, HashMap};

use super::folders::Folders;
use crate::{
    client::{BatchQuery, Client, ClientError, RecordingFilter, RecordingQuery},
    view::{AnyBatch, Batch, Placement, Recording},
};

/// Ordinals that one retry may name.
const MAX_ORDINALS: usize = 10_000;

/// A recording of the folder that failed, and has not been outdone since: its
/// file is still there, and no later batch holds a newer version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outstanding {
    pub(super) batch_id: i64,
    pub(super) ordinal: i64,
}

/// The folder's batches, oldest first.
pub(super) async fn batches(client: &Client, folders: &Folders) -> Result<Vec<Batch>, ClientError> {
    let all = client.pages(BatchQuery, None).collect().await?;
    let own = |batch| match batch {
        AnyBatch::Own(batch) => Some(*batch),
        // It may have been about anything.
        AnyBatch::Earlier(_) => None,
    };
    let mut batches: Vec<Batch> =
        all.into_iter().filter_map(own).filter(|batch| batch.source == folders.source_text()).collect();
    batches.reverse();
    Ok(batches)
}

/// The folder's recordings that failed, by batch and ordinal.
pub(super) async fn outstanding(client: &Client, folders: &Folders) -> Result<Vec<Outstanding>, ClientError> {
    let mut failed = Failed::default();
    for batch in batches(client, folders).await? {
        if !failed.is_empty() {
            let query = RecordingQuery { batch_id: batch.batch_id, filter: None };
            let mut pages = client.pages(query, None);
            while let Some(recordings) = pages.next().await? {
                failed.outdo(&recordings);
            }
        }
        if batch.counts.failed() > 0 {
            let query = RecordingQuery { batch_id: batch.batch_id, filter: Some(RecordingFilter::Failed) };
            let mut pages = client.pages(query, None);
            while let Some(recordings) = pages.next().await? {
                failed.add(batch.batch_id, recordings);
            }
        }
    }
    Ok(failed.still_there(|path| folders.has(path)))
}

/// Tries all of them again.
pub(super) async fn retry(client: &Client, folders: &Folders) -> Result<(), ClientError> {
    let mut by_batch = BTreeMap::<i64, Vec<i64>>::new();
    for failed in outstanding(client, folders).await? {
        by_batch.entry(failed.batch_id).or_default().push(failed.ordinal);
    }
    for (batch_id, ordinals) in by_batch {
        for some in ordinals.chunks(MAX_ORDINALS) {
            client.retry(batch_id, some.to_vec()).await?;
        }
    }
    Ok(())
}

/// Failures of batches looked at in their order, by source path.
#[derive(Debug, Default)]
struct Failed(HashMap<String, Outstanding>);

impl Failed {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, batch_id: i64, recordings: Vec<Recording>) {
        let failed = |recording: Recording| {
            (recording.source_path, Outstanding { batch_id, ordinal: recording.ordinal })
        };
        self.0.extend(recordings.into_iter().map(failed));
    }

    /// A later batch decides about the files that it holds, unless it was
    /// cancelled before it got to them.
    fn outdo(&mut self, recordings: &[Recording]) {
        for recording in recordings {
            if recording.placement != Placement::Cancelled {
                self.0.remove(&recording.source_path);
            }
        }
    }

    fn still_there(mut self, has: impl Fn(&str) -> bool) -> Vec<Outstanding> {
        self.0.retain(|path, _| has(path));
        let mut left: Vec<_> = self.0.into_values().collect();
        left.sort_unstable_by_key(|failed| (failed.batch_id, failed.ordinal));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Lid;

    fn recording(ordinal: i64, source_path: &str, placement: Placement) -> Recording {
        Recording {
            ordinal,
            audio_name: source_path.to_owned(),
            source_path: source_path.to_owned(),
            size_bytes: 1,
            placement,
            lid: Lid::None,
            agent: None,
            call_id: None,
            digest: None,
            attempts: 0,
            code: None,
            reason: None,
            language: None,
            duration_seconds: None,
            release: None,
        }
    }

    fn failed(names: &[&str]) -> Failed {
        let recordings = (0..).zip(names).map(|(ordinal, name)| recording(ordinal, name, Placement::Failed));
        let mut failed = Failed::default();
        failed.add(1, recordings.collect());
        failed
    }

    #[test]
    fn a_newer_version_of_a_file_outdoes_its_failure() {
        let mut failed = failed(&["a.wav", "b.wav"]);
        failed.outdo(&[recording(0, "b.wav", Placement::Stored)]);
        assert_eq!(failed.still_there(|_| true), [Outstanding { batch_id: 1, ordinal: 0 }]);
    }

    #[test]
    fn a_newer_version_that_was_cancelled_does_not() {
        let mut failed = failed(&["a.wav"]);
        failed.outdo(&[recording(0, "a.wav", Placement::Cancelled)]);
        assert_eq!(failed.still_there(|_| true).len(), 1);
    }

    #[test]
    fn a_newer_version_that_failed_stands_for_the_file() {
        let mut failed = failed(&["a.wav"]);
        let newer = recording(7, "a.wav", Placement::Failed);
        failed.outdo(std::slice::from_ref(&newer));
        failed.add(2, vec![newer]);
        assert_eq!(failed.still_there(|_| true), [Outstanding { batch_id: 2, ordinal: 7 }]);
    }

    #[test]
    fn files_that_are_gone_are_no_longer_waited_for() {
        let left = failed(&["a.wav", "b.wav"]).still_there(|path| path == "b.wav");
        assert_eq!(left, [Outstanding { batch_id: 1, ordinal: 1 }]);
    }
}
