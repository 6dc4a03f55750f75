//! Writes results down. Workers go on with the next recording meanwhile, so
//! that several results share one commit; a result counts only once it is
//! committed.

use tokio::{sync::mpsc, time::sleep};

use super::slot::{FIRST_RETRY, LONGEST_RESTART};
use crate::{
    backoff::Backoff,
    chain::Chain,
    journal::{Change, Finished, Journal},
};

/// Results that may wait for a commit. Workers wait beyond that.
pub(super) const RESULTS: usize = 64;

/// Writes results down until all workers have ended. A result that the journal
/// does not take is kept and tried again, since finished inference is not
/// repeated.
pub(super) async fn keep(journal: Journal, mut results: mpsc::Receiver<Finished>) -> anyhow::Result<()> {
    let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RESTART);
    let mut group = Vec::with_capacity(RESULTS);
    while results.recv_many(&mut group, RESULTS).await > 0 {
        while !group.is_empty() {
            group = commit(&journal, group).await?;
            if group.is_empty() {
                backoff.reset();
            } else {
                tracing::error!(count = group.len(), "results wait for the journal");
                sleep(backoff.pause()).await;
            }
        }
    }
    Ok(())
}

/// Those that could not be committed.
async fn commit(journal: &Journal, group: Vec<Finished>) -> anyhow::Result<Vec<Finished>> {
    failpoint!(async RESULT_IN_HAND => return Ok(group));
    let mut posted = Vec::with_capacity(group.len());
    for finished in group {
        let answer = journal.post(Change::Finished(finished.clone())).await?;
        posted.push((finished, answer));
    }
    let mut failed = Vec::new();
    for (finished, answer) in posted {
        if let Err(error) = answer.wait().await {
            tracing::error!(recording = %finished.recording, error = %Chain(&error), "could not keep a result");
            failed.push(finished);
        }
    }
    Ok(failed)
}
