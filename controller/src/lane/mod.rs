//! A lane: one `Receive` stream of an agent. Recordings go down it as pieces,
//! reports come up; what was sent and what is acknowledged are compared here.

mod reader;
mod readers;
mod stall;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cofi_proto::{
    DeliveryId,
    receive::{DeliveryOutcome, DeliveryReport, Piece},
};
pub use reader::Order;
use reader::Progress;
pub use readers::{Readers, Reading, Threads};
use stall::Stall;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    commit::ToRecord,
    delivery::{Host, Sent},
    dispatch::Dispatch,
    scheduler::{Cause, Event, LaneId},
};

/// Pieces between the reader and the network: 2 MiB at most.
const PIECES: usize = 8;
/// What the reader may have said before it is heard.
const PROGRESS: usize = 256;
/// Between two looks whether a lane stands still.
const LOOK: Duration = Duration::from_secs(5);

/// The end of a lane that a task holds.
#[derive(Debug)]
pub struct Lane {
    /// Its name.
    pub id: LaneId,
    /// Where it leads.
    pub host: Host,
    /// What is ordered for it.
    pub orders: mpsc::Receiver<Order>,
    /// Ends with the agent's session.
    pub ended: CancellationToken,
}

/// Groups of reports from the agent; none when the stream has ended.
pub trait Reports: Send {
    /// The next group.
    fn next(&mut self) -> impl Future<Output = Option<Vec<DeliveryReport>>> + Send;
}

impl Lane {
    /// Starts the reader. Gives the pieces that go down, and the rest of the
    /// lane, to be run.
    pub fn open(self, readers: &dyn Readers) -> std::io::Result<(mpsc::Receiver<Piece>, OpenLane)> {
        let (pieces, outgoing) = mpsc::channel(PIECES);
        let (said, progress) = mpsc::channel(PROGRESS);
        let Self { id, host, orders, ended } = self;
        let (given, waiting) = (Arc::new(AtomicU64::new(0)), pieces.downgrade());
        let pieces = Outgoing { pieces, given: given.clone() };
        readers.last(format!("lane-{}", id.0), Box::pin(reader::read(orders, pieces, said)))?;
        let lane = OpenLane {
            id,
            host,
            ended,
            progress,
            sent: HashMap::new(),
            given,
            waiting,
            reported: 0,
            is_strange: false,
        };
        Ok((outgoing, lane))
    }
}

/// Where the reader puts pieces.
#[derive(Debug)]
pub(super) struct Outgoing {
    pieces: mpsc::Sender<Piece>,
    /// How many it has put there. Shared, since the reader has a thread of its
    /// own.
    given: Arc<AtomicU64>,
}

/// A lane with its reader at work.
#[derive(Debug)]
pub struct OpenLane {
    id: LaneId,
    host: Host,
    ended: CancellationToken,
    progress: mpsc::Receiver<Progress>,
    sent: HashMap<DeliveryId, Sent>,
    /// Pieces that the reader has put into the queue.
    given: Arc<AtomicU64>,
    /// The queue.
    waiting: mpsc::WeakSender<Piece>,
    /// Groups of reports that have come.
    reported: u64,
    /// Whether the agent has acknowledged what was not sent; that is told once.
    is_strange: bool,
}

impl OpenLane {
    /// Compares and passes on what comes up, until the stream or the session
    /// ends; then the other one is ended as well.
    pub async fn run(
        mut self,
        mut reports: impl Reports,
        dispatch: Dispatch,
        recorder: mpsc::Sender<ToRecord>,
    ) {
        let (begun, mut stall) = (Instant::now(), Stall::default());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.ended.cancelled() => break,
                _ = looks.tick() => {
                    if stall.look(self.moved(), self.owes(), begun.elapsed()) {
                        tracing::warn!(agent = %self.host.agent, "agent takes and reports nothing, its session is ended");
                        break;
                    }
                }
                Some(progress) = self.progress.recv() => self.hear(progress, &dispatch).await,
                group = reports.next() => {
                    let Some(group) = group else { break };
                    self.reported += 1;
                    failpoint!(async ACKNOWLEDGEMENTS_HEARD => break);
                    // What a report is about was said before it could arrive.
                    while let Ok(progress) = self.progress.try_recv() {
                        self.hear(progress, &dispatch).await;
                    }
                    for report in group {
                        self.judge(report, &dispatch, &recorder).await;
                    }
                }
            }
        }
        // The agent dials anew when its session ends, and says then what it
        // holds: acknowledgements that were on their way are not lost.
        self.ended.cancel();
        dispatch.event(Event::LaneClosed { agent: self.host.agent, lane: self.id }).await;
    }

    fn moved(&self) -> u64 {
        self.given.load(Ordering::Relaxed) + self.reported
    }

    /// Whether the agent has pieces to take or deliveries to report.
    fn owes(&self) -> bool {
        !self.sent.is_empty()
            || self.waiting.upgrade().is_some_and(|pieces| pieces.capacity() < pieces.max_capacity())
    }

    async fn hear(&mut self, progress: Progress, dispatch: &Dispatch) {
        match progress {
            Progress::Sent(delivery, sent) => {
                self.sent.insert(delivery, sent);
            }
            Progress::Failed(delivery, cause) => self.refuse(delivery, cause, dispatch).await,
        }
    }

    async fn refuse(&self, delivery: DeliveryId, cause: Cause, dispatch: &Dispatch) {
        tracing::debug!(agent = %self.host.agent, %delivery, ?cause, "delivery failed");
        dispatch.event(Event::Refused { agent: self.host.agent.clone(), delivery, cause }).await;
    }

    async fn judge(
        &mut self,
        report: DeliveryReport,
        dispatch: &Dispatch,
        recorder: &mpsc::Sender<ToRecord>,
    ) {
        let delivery = report.delivery;
        match report.outcome {
            // A refusal may come while the recording is still being read.
            DeliveryOutcome::Refused { code, reason } => {
                self.sent.remove(&delivery);
                self.refuse(delivery, Cause::Agent(code, reason), dispatch).await;
            }
            DeliveryOutcome::Acknowledged { size_bytes, digest } => {
                let Some(sent) = self.sent.remove(&delivery) else {
                    if !std::mem::replace(&mut self.is_strange, true) {
                        tracing::warn!(agent = %self.host.agent, %delivery, "acknowledgement of what was not sent");
                    }
                    return;
                };
                match sent.acknowledge(self.host.clone(), size_bytes, digest) {
                    Ok(stored) => {
                        dispatch
                            .event(Event::Acknowledged { agent: self.host.agent.clone(), delivery })
                            .await;
                        // The recorder outlives the lanes; if it has gone, the
                        // process is ending and the agent will offer it again.
                        recorder.send(ToRecord::Stored(stored)).await.ok();
                    }
                    Err(mismatch) => {
                        self.refuse(delivery, Cause::Mismatch(mismatch.to_string()), dispatch).await;
                    }
                }
            }
        }
    }
}
