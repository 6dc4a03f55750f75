//! Saying which recordings are gone that the controller had released, so that
//! it need not say so again.

use std::{collections::HashSet, convert::Infallible};

use cofi_proto::{RecordingId, pb::agent as pb};
use tokio::sync::mpsc;

use super::{Link, error::LinkError, session::send};

/// Groups that may wait to be answered. What comes beyond that is not
/// answered: the controller says it again in another session.
pub(super) const GROUPS: usize = 64;

/// Hands a released group to who answers for it.
pub(super) fn note(groups: &mpsc::Sender<Vec<RecordingId>>, recordings: Vec<RecordingId>) {
    if let Err(error) = groups.try_send(recordings) {
        tracing::debug!(%error, "a release is not answered");
    }
}

/// Answers until the session ends.
pub(super) async fn run(
    link: &Link,
    mut groups: mpsc::Receiver<Vec<RecordingId>>,
    up: &mpsc::Sender<pb::FromAgent>,
) -> Result<Infallible, LinkError> {
    while let Some(recordings) = groups.recv().await {
        // The store removes what it was told to, in order, before it settles;
        // a row that is left is of a file that could not be removed.
        link.holdings.settle().await?;
        let left = link.holdings.held_of(&recordings).await?.into_iter();
        let left: HashSet<RecordingId> = left.map(|held| held.recording).collect();
        let gone = recordings.into_iter().filter(|recording| !left.contains(recording));
        let recordings = gone.map(Into::into).collect();
        send(up, pb::from_agent::Message::Removed(pb::RemovedGroup { recordings })).await?;
    }
    // The session holds the other end until it ends.
    std::future::pending().await
}
