//! What the journal still must have of recordings whose files are settled. A
//! disk that fails for a while makes debts; they are paid before anything else
//! is stored.

use std::collections::VecDeque;

use tokio::runtime::Handle;

use crate::{
    chain::Chain,
    journal::{Answer, Change, Journal, JournalError},
};

/// The debts of the flusher, oldest first.
#[derive(Debug)]
pub(super) struct Debts {
    journal: Journal,
    runtime: Handle,
    /// A change that is with the journal, so that its commit can be shared.
    posted: Option<(Change, Answer)>,
    owed: VecDeque<Change>,
    /// Whether one of them has failed: what the journal was asked since does
    /// not show it.
    late: bool,
}

impl Debts {
    pub(super) fn new(journal: Journal, runtime: Handle) -> Self {
        Self { journal, runtime, posted: None, owed: VecDeque::new(), late: false }
    }

    /// Whether the journal has everything.
    pub(super) fn are_none(&self) -> bool {
        self.posted.is_none() && self.owed.is_empty()
    }

    /// Has the journal take a change soon, after those before it.
    pub(super) fn post(&mut self, change: Change) {
        failpoint!(FOLDER_FLUSHED => return self.owed.push_back(change));
        if self.pay().is_err() {
            return self.owed.push_back(change);
        }
        match self.runtime.block_on(self.journal.post(change.clone())) {
            Ok(answer) => self.posted = Some((change, answer)),
            Err(_) => self.owed.push_back(change),
        }
    }

    /// Has the journal take a change before this returns, if it takes any.
    pub(super) fn commit(&mut self, change: Change) {
        self.owed.push_back(change);
        failpoint!(CHANGE_OWED => return);
        self.pay_or_say();
    }

    /// Waits until the journal has everything.
    pub(super) fn pay(&mut self) -> Result<(), JournalError> {
        if let Some((change, answer)) = self.posted.take()
            && let Err(error) = self.runtime.block_on(answer.wait())
        {
            tracing::debug!(error = %Chain(&error), "change of the journal is owed");
            self.late = true;
            self.owed.push_front(change);
        }
        while let Some(change) = self.owed.front() {
            if let Err(error) = self.runtime.block_on(self.journal.commit(change.clone())) {
                self.late = true;
                return Err(error);
            }
            self.owed.pop_front();
        }
        if std::mem::take(&mut self.late) {
            // A session that began meanwhile has told what is held without it.
            self.journal.fall_behind();
        }
        Ok(())
    }

    /// As [`Self::pay`]; what cannot be paid is paid later.
    pub(super) fn pay_or_say(&mut self) {
        if let Err(error) = self.pay() {
            tracing::error!(error = %Chain(&error), owed = self.owed.len(), "the journal is behind the files");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cofi_proto::{BatchId, Digest, RecordingId, clock::FixedClock};
    use tempfile::TempDir;
    use tokio::task::{JoinSet, spawn_blocking};

    use super::*;
    use crate::journal::NewRecording;

    fn stored(ordinal: i64) -> Change {
        Change::Stored(vec![NewRecording {
            recording: RecordingId { batch: BatchId(1), ordinal },
            audio_name: "one name.wav".to_owned(),
            size_bytes: 8,
            digest: Digest::of(b"content"),
            round: 1,
            candidates: Vec::new(),
            incoming: "incoming".to_owned(),
        }])
    }

    #[tokio::test]
    async fn a_debt_that_is_paid_late_is_told_to_those_who_have_looked_before() {
        let folder = TempDir::new().unwrap();
        let opened = Journal::open(&folder.path().join("journal.sqlite"), Arc::new(FixedClock(1))).await;
        let (journal, writing) = opened.unwrap();
        let _writer = JoinSet::from_iter([writing]);
        let mut behind = journal.news().behind;
        let mut debts = Debts::new(journal.clone(), Handle::current());
        journal.commit(stored(1)).await.unwrap();

        // Its name is taken: for the time being the journal does not take it.
        debts = spawn_blocking(move || {
            debts.post(stored(2));
            assert!(debts.pay().is_err());
            assert!(!debts.are_none());
            debts
        })
        .await
        .unwrap();
        assert!(!behind.has_changed().unwrap());

        journal.commit(Change::Forgotten(vec![RecordingId { batch: BatchId(1), ordinal: 1 }])).await.unwrap();
        let pay = move || {
            debts.pay().unwrap();
            debts
        };
        debts = spawn_blocking(pay).await.unwrap();
        assert!(debts.are_none());
        assert!(behind.has_changed().unwrap());
        behind.mark_unchanged();

        // One that is paid at once is nothing to tell.
        let pay = move || debts.commit(Change::Placed(vec![RecordingId { batch: BatchId(1), ordinal: 2 }]));
        spawn_blocking(pay).await.unwrap();
        assert!(!behind.has_changed().unwrap());
    }
}
