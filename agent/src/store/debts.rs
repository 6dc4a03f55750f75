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
}

impl Debts {
    pub(super) fn new(journal: Journal, runtime: Handle) -> Self {
        Self { journal, runtime, posted: None, owed: VecDeque::new() }
    }

    /// Whether the journal has everything.
    pub(super) fn are_none(&self) -> bool {
        self.posted.is_none() && self.owed.is_empty()
    }

    /// Has the journal take a change soon, after those before it.
    pub(super) fn post(&mut self, change: Change) {
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
        self.pay_or_say();
    }

    /// Waits until the journal has everything.
    pub(super) fn pay(&mut self) -> Result<(), JournalError> {
        if let Some((change, answer)) = self.posted.take()
            && let Err(error) = self.runtime.block_on(answer.wait())
        {
            tracing::debug!(error = %Chain(&error), "change of the journal is owed");
            self.owed.push_front(change);
        }
        while let Some(change) = self.owed.front() {
            self.runtime.block_on(self.journal.commit(change.clone()))?;
            self.owed.pop_front();
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
