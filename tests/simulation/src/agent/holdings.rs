//! What the link sees of the model: the same as of store and journal.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cofi_agent::{
    News, OutboxRow, Standing, StreamId,
    holdings::{Holdings, HoldingsError},
};
use cofi_proto::{
    RecordingId,
    receive::{DeliveryReport, Piece},
    session::{Held, Identify, ResultReceipt, Storage},
    verify::VerifiedState,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    disk::Disk,
    journal::Journal,
    rows::Change,
    store::{Event, Work},
};
use crate::mistake::Mistake;

/// Room that an agent says it has. Its disk is never full.
const FREE: u64 = 1 << 40;
/// Reports that may wait for a stream.
const REPORTS: usize = 2_048;

/// Store and journal of a model.
#[derive(Debug)]
pub(super) struct InMemory {
    disk: Disk,
    journal: Journal,
    events: mpsc::Sender<Event>,
    work: mpsc::Sender<Work>,
    next_stream: AtomicU64,
    mistake: Option<Mistake>,
}

impl InMemory {
    pub(super) fn new(
        disk: Disk,
        journal: Journal,
        events: mpsc::Sender<Event>,
        work: mpsc::Sender<Work>,
        mistake: Option<Mistake>,
    ) -> Self {
        Self { disk, journal, events, work, next_stream: AtomicU64::new(0), mistake }
    }

    async fn tell(&self, event: Event) -> Result<(), HoldingsError> {
        self.events.send(event).await.map_err(|_| closed())
    }

    async fn order(&self, work: Work) -> Result<(), HoldingsError> {
        self.work.send(work).await.map_err(|_| closed())
    }

    async fn post(&self, change: Change) -> Result<(), HoldingsError> {
        drop(self.journal.post(change).await);
        Ok(())
    }
}

fn closed() -> HoldingsError {
    HoldingsError::Store("its tasks have ended".into())
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[async_trait]
impl Holdings for InMemory {
    fn storage_id(&self) -> &str {
        &self.disk.storage
    }

    fn database_id(&self) -> Result<Option<String>, HoldingsError> {
        Ok(self.disk.content().database_id.clone())
    }

    fn belong_to(&self, database: &str) -> Result<(), HoldingsError> {
        let mut content = self.disk.content();
        let own = content.database_id.get_or_insert_with(|| database.to_owned());
        if own == database { Ok(()) } else { Err(HoldingsError::Store("another database".into())) }
    }

    async fn stream(&self) -> Result<(StreamId, mpsc::Receiver<DeliveryReport>), HoldingsError> {
        let stream = StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed));
        let (reports, taken) = mpsc::channel(REPORTS);
        self.tell(Event::Opened(stream, reports)).await?;
        Ok((stream, taken))
    }

    async fn put(&self, stream: StreamId, piece: Piece) -> Result<(), HoldingsError> {
        self.tell(Event::Piece(stream, piece)).await
    }

    async fn release(&self, recordings: Vec<RecordingId>) -> Result<(), HoldingsError> {
        self.order(Work::Release(recordings)).await
    }

    async fn look(&self) -> Result<(u64, Storage), HoldingsError> {
        Ok((FREE, Storage::default()))
    }

    async fn settle(&self) -> Result<(), HoldingsError> {
        if self.mistake == Some(Mistake::SettleNothing) {
            return Ok(());
        }
        let (done, received) = oneshot::channel();
        self.tell(Event::Settle(done)).await?;
        received.await.map_err(|_| closed())?;
        let (done, flushed) = oneshot::channel();
        self.order(Work::Settle(done)).await?;
        flushed.await.map_err(|_| closed())?;
        self.journal.commit(Change::Recorded(Vec::new())).await;
        Ok(())
    }

    async fn held(&self, cursor: Option<RecordingId>, most: usize) -> Result<Vec<Held>, HoldingsError> {
        Ok(self.disk.content().journal.held(cursor, most))
    }

    async fn outbox(&self, cursor: i64, most: usize) -> Result<Vec<OutboxRow>, HoldingsError> {
        Ok(self.disk.content().journal.outbox(cursor, most))
    }

    async fn receipts(&self) -> Result<(u64, u64), HoldingsError> {
        let (recorded, receipted) = self.disk.content().journal.receipts();
        Ok((number(recorded), number(receipted)))
    }

    async fn waiting(&self) -> Result<u64, HoldingsError> {
        Ok(number(self.disk.content().journal.waiting()))
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
        self.journal.commit(Change::Unrecorded).await;
        Ok(())
    }

    async fn held_of(&self, recordings: &[RecordingId]) -> Result<Vec<Standing>, HoldingsError> {
        Ok(recordings.iter().filter_map(|id| self.disk.standing(*id)).collect())
    }

    async fn inspect(
        &self,
        held: Standing,
        read: Option<CancellationToken>,
    ) -> Result<VerifiedState, HoldingsError> {
        let content = self.disk.content();
        let size = content.journal.recordings.get(&held.recording).map_or(0, |row| row.size_bytes);
        let there = content.placed.get(&held.recording);
        Ok(there.map_or(VerifiedState::Absent, |(_, digest)| VerifiedState::Present {
            size_bytes: size,
            digest: read.map(|_| *digest),
        }))
    }

    async fn everything(
        &self,
        cursor: Option<RecordingId>,
        most: usize,
    ) -> Result<Vec<RecordingId>, HoldingsError> {
        let content = self.disk.content();
        let ids = content.journal.recordings.keys().copied();
        Ok(ids.filter(|id| Some(*id) > cursor).take(most).collect())
    }

    async fn unknown_files(&self) -> Result<u64, HoldingsError> {
        let content = self.disk.content();
        let known = |id: &&RecordingId| !content.journal.recordings.contains_key(*id);
        Ok(number(content.placed.keys().filter(known).count()))
    }
}
