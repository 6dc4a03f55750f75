//! Looking for what is wrong with the record: what the tables promise, asked
//! of every row, in pages that each see one state of the database.
//!
//! ```text
//!   database  one row in cofiMeta, one current batch, nothing without its batch
//!   batch     its counts and stages against its recordings
//!   forward   each recording's columns, its rows in the shared tables
//!   back      each shared row of the batch against the manifest
//! ```
//!
//! Nothing is written. What transactions change together is seen together, so
//! that a row that is wrong is wrong; only what follows other rows later (the
//! stages of a batch) has to be looked at again before it is told.

mod batch;
mod database;
mod flaw;
mod judge;
mod rows;
mod shared;
mod strangers;

use cofi_language::LanguageTable;
use cofi_proto::{AgentName, BatchId, Digest, RecordingId};

pub use self::{
    flaw::{Flaw, FlawKey, FlawKind},
    strangers::SharedTable,
};
use super::{Ledger, LedgerError, read_transaction};

/// What there is to look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckScope {
    /// Cofi's own batches, by id.
    pub batches: Vec<BatchId>,
    /// Batches of an earlier service, which are not judged.
    pub earlier: u64,
    /// Batches that are being planned, which nobody sees yet.
    pub being_planned: u64,
}

/// A stored recording, and what its agent must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecording {
    /// The recording.
    pub recording: RecordingId,
    /// Its name.
    pub audio_name: String,
    /// Who holds it.
    pub agent: AgentName,
    /// Its size in bytes.
    pub size: u64,
    /// Of its content.
    pub digest: Digest,
}

/// A page of recordings that were looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckedPage {
    /// How many.
    pub recordings: u64,
    /// What is wrong with them.
    pub flaws: Vec<Flaw>,
    /// Those that are stored, for whoever asks the agents.
    pub held: Vec<HeldRecording>,
    /// The last ordinal; none after the last page.
    pub last: Option<i64>,
}

impl Ledger {
    /// What there is to look at: these batches, or all.
    pub async fn check_scope(&self, batches: &[BatchId]) -> Result<CheckScope, LedgerError> {
        read_transaction!(self, |tx| { database::scope(tx, batches).await })
    }

    /// Looks at what belongs to no single batch.
    pub async fn check_database(&self) -> Result<Vec<Flaw>, LedgerError> {
        read_transaction!(self, |tx| { database::check(tx).await })
    }

    /// Looks at a batch as a whole.
    pub async fn check_batch(&self, batch: BatchId) -> Result<Vec<Flaw>, LedgerError> {
        read_transaction!(self, |tx| { batch::check(tx, batch).await })
    }

    /// Looks at `limit` recordings of a batch after ordinal `after`, and at all
    /// of their rows.
    pub async fn check_recordings(
        &self,
        batch: BatchId,
        languages: &LanguageTable,
        after: i64,
        limit: i64,
    ) -> Result<CheckedPage, LedgerError> {
        read_transaction!(self, |tx| { rows::check(tx, batch, languages, after, limit).await })
    }

    /// Looks at `limit` rows of a shared table that belong to a batch, after
    /// `after`: the last of them, and rows that no recording has.
    pub async fn check_strangers(
        &self,
        batch: BatchId,
        table: SharedTable,
        after: Option<&str>,
        limit: i64,
    ) -> Result<(Option<String>, Vec<Flaw>), LedgerError> {
        read_transaction!(self, |tx| { strangers::check(tx, batch, table, after, limit).await })
    }

    /// Those of these recordings that the rows do not give to this agent.
    pub async fn not_held_by(
        &self,
        agent: &AgentName,
        recordings: &[RecordingId],
    ) -> Result<Vec<RecordingId>, LedgerError> {
        read_transaction!(self, |tx| { database::not_held_by(tx, agent, recordings).await })
    }
}
