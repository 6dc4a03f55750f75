//! Following a batch across everything that may happen to the connection.
//!
//! A watch sends whole snapshots, so a client that comes back has missed
//! nothing, and coming back is all there is to do when a stream ends early.

use std::time::Duration;

use cofi_proto::pb::v1 as pb;
use rand::Rng;
use tokio::time::Instant;
use tonic::{Request, Streaming};

use super::{Client, ClientError, Connection};
use crate::view::{AnyBatch, Batch, EarlierBatch};

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What happened to a batch, or to the connection that tells of it.
#[derive(Debug)]
pub(crate) enum WatchEvent {
    Snapshot {
        batch: Box<Batch>,
        /// The connection had been lost, and is there again.
        after_outage: bool,
    },
    /// An earlier service wrote the batch: this is all there is to see of it.
    Earlier(Box<EarlierBatch>),
    /// The connection is lost; the watch goes on trying. Said once an outage.
    Lost { reason: String },
}

/// A batch being followed.
#[derive(Debug)]
pub(crate) struct Watch {
    client: Client,
    batch_id: i64,
    patience: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was tried yet: what fails now fails for good.
    New,
    /// The outage is over with the first snapshot, not before: a controller
    /// that takes connections and drops them is no controller.
    Open {
        stream: Box<Streaming<pb::Batch>>,
        outage: Option<Outage>,
    },
    Lost(Outage),
    /// The batch came to rest, or the watch failed.
    Over,
}

/// Since when there has been no word, and how long to wait before asking.
#[derive(Debug, Clone, Copy)]
struct Outage {
    since: Instant,
    wait: Duration,
}

impl Watch {
    pub(super) fn new(client: Client, batch_id: i64, patience: Duration) -> Self {
        Self { client, batch_id, patience, state: State::New }
    }

    /// What happened next; none after the snapshot of a batch at rest. Not to
    /// be called again once it was dropped before it was ready, or failed.
    pub(crate) async fn next(&mut self) -> Result<Option<WatchEvent>, ClientError> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Ok(None),
                State::New => {
                    let stream = Box::new(self.start().await?);
                    self.state = State::Open { stream, outage: None };
                }
                State::Open { stream, outage } => {
                    if let Some(event) = self.read(stream, outage).await? {
                        return Ok(Some(event));
                    }
                }
                State::Lost(outage) => self.come_back(outage).await?,
            }
        }
    }

    async fn read(
        &mut self,
        mut stream: Box<Streaming<pb::Batch>>,
        outage: Option<Outage>,
    ) -> Result<Option<WatchEvent>, ClientError> {
        let error = match stream.message().await {
            Ok(Some(snapshot)) => {
                let batch = match AnyBatch::try_from(snapshot)? {
                    AnyBatch::Own(batch) => batch,
                    AnyBatch::Earlier(batch) => return Ok(Some(WatchEvent::Earlier(batch))),
                };
                if !batch.at_rest() {
                    self.state = State::Open { stream, outage: None };
                }
                return Ok(Some(WatchEvent::Snapshot { batch, after_outage: outage.is_some() }));
            }
            Ok(None) => ClientError::WatchEnded { url: self.client.target.url() },
            Err(status) => self.client.failure(&status),
        };
        let reason = error.to_string();
        self.lose(outage, error)?;
        Ok(outage.is_none().then_some(WatchEvent::Lost { reason }))
    }

    async fn come_back(&mut self, outage: Outage) -> Result<(), ClientError> {
        let left = self.patience.saturating_sub(outage.since.elapsed());
        tokio::time::sleep(jittered(outage.wait).min(left)).await;
        match self.start_anew().await {
            Ok(stream) => self.state = State::Open { stream: Box::new(stream), outage: Some(outage) },
            Err(error) => self.lose(Some(outage), error)?,
        }
        Ok(())
    }

    /// The outage begins or goes on, unless the error is for good or patience
    /// has run out.
    fn lose(&mut self, outage: Option<Outage>, error: ClientError) -> Result<(), ClientError> {
        if !error.is_passing() {
            return Err(error);
        }
        let outage = match outage {
            None => Outage { since: Instant::now(), wait: FIRST_WAIT },
            Some(outage) if outage.since.elapsed() >= self.patience => {
                let url = self.client.target.url();
                return Err(ClientError::GaveUp { url, patience: self.patience, source: Box::new(error) });
            }
            Some(Outage { since, wait }) => Outage { since, wait: (wait * 2).min(LONGEST_WAIT) },
        };
        self.state = State::Lost(outage);
        Ok(())
    }

    async fn start_anew(&mut self) -> Result<Streaming<pb::Batch>, ClientError> {
        self.client.connection = Connection::open(&self.client.target).await?;
        self.start().await
    }

    /// Only the beginning of the answer is bounded: a batch may take days.
    async fn start(&self) -> Result<Streaming<pb::Batch>, ClientError> {
        let mut service = self.client.batches();
        let request = service.watch_batch(Request::new(pb::WatchBatchRequest { batch_id: self.batch_id }));
        let timeout = self.client.timeout();
        let answer =
            tokio::time::timeout(timeout, request).await.map_err(|_| self.client.timed_out(timeout))?;
        let answer = answer.map_err(|status| self.client.failure(&status))?;
        Ok(answer.into_inner())
    }
}

/// Between half and all of `wait`, so that many watchers do not come back at
/// the same moment.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..=1.0))
}
