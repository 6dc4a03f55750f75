//! What an agent holds, as its link to the controller sees it: recordings that
//! are durable here, results that wait for their receipts. The link runs over
//! store and journal, and in the simulation over a model of both.

use std::{error::Error, fmt::Debug, sync::Arc};

use async_trait::async_trait;
use cofi_proto::{
    RecordingId,
    receive::{DeliveryReport, Piece},
    session::{Held, Identify, ResultReceipt, Storage},
    verify::VerifiedState,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    journal::{Change, Journal, JournalError, News, OutboxRow, Standing},
    store::{Layout, Store, StoreError, StreamId},
};

/// What is held cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HoldingsError {
    /// Recordings cannot be stored, or not be found.
    #[error("use the store")]
    Store(#[source] Box<dyn Error + Send + Sync>),
    /// The journal cannot be read or written.
    #[error("use the journal")]
    Journal(#[source] Box<dyn Error + Send + Sync>),
}

impl From<StoreError> for HoldingsError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<JournalError> for HoldingsError {
    fn from(error: JournalError) -> Self {
        Self::Journal(Box::new(error))
    }
}

/// What an agent holds.
#[async_trait]
pub trait Holdings: Debug + Send + Sync {
    /// The UUID of the store.
    fn storage_id(&self) -> &str;
    /// The database whose recordings are held, once one is.
    fn database_id(&self) -> Result<Option<String>, HoldingsError>;
    /// Writes down whose recordings are held, unless that stands already.
    fn belong_to(&self, database: &str) -> Result<(), HoldingsError>;

    /// Begins a receive stream: its name, and where its reports come from. It
    /// has ended when the reports are dropped.
    async fn stream(&self) -> Result<(StreamId, mpsc::Receiver<DeliveryReport>), HoldingsError>;
    /// Takes a piece of a stream, waiting while the store is busy.
    async fn put(&self, stream: StreamId, piece: Piece) -> Result<(), HoldingsError>;
    /// Has recordings removed, after all that came in before.
    async fn release(&self, recordings: Vec<RecordingId>) -> Result<(), HoldingsError>;
    /// Bytes that recordings may still take, and how the disk is.
    async fn look(&self) -> Result<(u64, Storage), HoldingsError>;
    /// Waits until everything that came in before is durable or refused, and
    /// everything that was said is written down.
    async fn settle(&self) -> Result<(), HoldingsError>;

    /// Recordings after `cursor` that have their places and that the controller
    /// has not said to have rows for, in order of their ids.
    async fn held(&self, cursor: Option<RecordingId>, most: usize) -> Result<Vec<Held>, HoldingsError>;
    /// Results after position `cursor` that are not receipted, oldest first.
    async fn outbox(&self, cursor: i64, most: usize) -> Result<Vec<OutboxRow>, HoldingsError>;
    /// How many recordings the controller has said to have rows for, and of how
    /// many it has settled a result.
    async fn receipts(&self) -> Result<(u64, u64), HoldingsError>;
    /// How many recordings wait for the engine or are in it.
    async fn waiting(&self) -> Result<u64, HoldingsError>;
    /// What may be new.
    fn news(&self) -> News;

    /// The controller has rows for these recordings. Like the next two, handed
    /// on to be written down, in order; that it fails is news.
    async fn recorded(&self, recordings: Vec<RecordingId>) -> Result<(), HoldingsError>;
    /// The controller has settled these results.
    async fn receipted(&self, receipts: Vec<ResultReceipt>) -> Result<(), HoldingsError>;
    /// These recordings are to be identified if they are not yet.
    async fn identify(&self, recordings: Vec<Identify>) -> Result<(), HoldingsError>;
    /// The controller may have lost what it said: from the answer on nothing
    /// counts as recorded or receipted.
    async fn unrecorded(&self) -> Result<(), HoldingsError>;

    /// Those of these recordings that are held.
    async fn held_of(&self, recordings: &[RecordingId]) -> Result<Vec<Standing>, HoldingsError>;
    /// What is there of a recording. With `read` its content is read, until
    /// that is cancelled.
    async fn inspect(
        &self,
        held: Standing,
        read: Option<CancellationToken>,
    ) -> Result<VerifiedState, HoldingsError>;
    /// Recordings after `cursor`, in order of their ids, also those that have
    /// not got their places yet.
    async fn everything(
        &self,
        cursor: Option<RecordingId>,
        most: usize,
    ) -> Result<Vec<RecordingId>, HoldingsError>;
    /// How many files there are that nobody knows.
    async fn unknown_files(&self) -> Result<u64, HoldingsError>;
}

/// The store and its journal.
#[derive(Debug, Clone)]
pub(crate) struct OnDisk {
    pub(crate) layout: Arc<Layout>,
    pub(crate) store: Store,
    pub(crate) journal: Journal,
}

impl OnDisk {
    /// Hands on what the controller said. Answers are not waited for: what fails
    /// is offered, asked for or sent again in a later session, and the journal
    /// says itself that it failed.
    async fn post(&self, change: Change) -> Result<(), HoldingsError> {
        self.journal.post(change).await?;
        Ok(())
    }
}

#[async_trait]
impl Holdings for OnDisk {
    fn storage_id(&self) -> &str {
        self.layout.storage_id()
    }

    fn database_id(&self) -> Result<Option<String>, HoldingsError> {
        Ok(self.layout.database_id()?)
    }

    fn belong_to(&self, database: &str) -> Result<(), HoldingsError> {
        Ok(self.layout.belong_to(database)?)
    }

    async fn stream(&self) -> Result<(StreamId, mpsc::Receiver<DeliveryReport>), HoldingsError> {
        Ok(self.store.stream().await?)
    }

    async fn put(&self, stream: StreamId, piece: Piece) -> Result<(), HoldingsError> {
        Ok(self.store.put(stream, piece).await?)
    }

    async fn release(&self, recordings: Vec<RecordingId>) -> Result<(), HoldingsError> {
        Ok(self.store.release(recordings).await?)
    }

    async fn look(&self) -> Result<(u64, Storage), HoldingsError> {
        Ok(self.store.look().await?)
    }

    async fn settle(&self) -> Result<(), HoldingsError> {
        self.store.settle().await?;
        Ok(self.journal.settle().await?)
    }

    async fn held(&self, cursor: Option<RecordingId>, most: usize) -> Result<Vec<Held>, HoldingsError> {
        Ok(self.journal.held(cursor, most).await?)
    }

    async fn outbox(&self, cursor: i64, most: usize) -> Result<Vec<OutboxRow>, HoldingsError> {
        Ok(self.journal.outbox(cursor, most).await?)
    }

    async fn receipts(&self) -> Result<(u64, u64), HoldingsError> {
        Ok(self.journal.receipts().await?)
    }

    async fn waiting(&self) -> Result<u64, HoldingsError> {
        Ok(self.journal.waiting().await?)
    }

    fn news(&self) -> News {
        self.journal.news()
    }

    async fn recorded(&self, recordings: Vec<RecordingId>) -> Result<(), HoldingsError> {
        self.post(Change::Recorded(recordings)).await
    }

    async fn receipted(&self, receipts: Vec<ResultReceipt>) -> Result<(), HoldingsError> {
        self.post(Change::Receipted(receipts)).await
    }

    async fn identify(&self, recordings: Vec<Identify>) -> Result<(), HoldingsError> {
        self.post(Change::Identify(recordings)).await
    }

    async fn unrecorded(&self) -> Result<(), HoldingsError> {
        Ok(self.journal.commit(Change::Unrecorded).await?)
    }

    async fn held_of(&self, recordings: &[RecordingId]) -> Result<Vec<Standing>, HoldingsError> {
        Ok(self.journal.held_of(recordings).await?)
    }

    async fn inspect(
        &self,
        held: Standing,
        read: Option<CancellationToken>,
    ) -> Result<VerifiedState, HoldingsError> {
        Ok(self.layout.inspect(held, read).await?)
    }

    async fn everything(
        &self,
        cursor: Option<RecordingId>,
        most: usize,
    ) -> Result<Vec<RecordingId>, HoldingsError> {
        Ok(self.journal.everything(cursor, most).await?)
    }

    async fn unknown_files(&self) -> Result<u64, HoldingsError> {
        Ok(self.layout.unknown_files(&self.journal).await?)
    }
}
