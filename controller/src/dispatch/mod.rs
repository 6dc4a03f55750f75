//! The one task that knows which agents are there and who gets what: it owns
//! the scheduler, the sessions and the lanes. Others talk to it through
//! [`Dispatch`].
//!
//! It never waits for anybody: what it hands out goes into queues that are as
//! long as the windows, and what needs the database runs beside it.

mod sessions;
mod task;
mod told;

use cofi_proto::{
    AgentName, BatchId, RecordingId,
    session::{Heartbeat, Hello},
};
pub use sessions::{AgentStatus, Down, JoinRefused, Place, Prospects, QuarantineStatus, Session};
pub use task::Dispatcher;
use tokio::sync::{mpsc, oneshot};

use crate::{
    delivery::StoredRecording,
    lane::Lane,
    ledger::{Applied, BatchRecord, PendingLid, Recorded, ReportedResult},
    scheduler::Event,
};

/// Messages that may wait for the dispatcher. Whoever fills it waits.
const INBOX: usize = 4_096;

enum Message {
    Event(Event),
    OpenBatch(Box<BatchRecord>),
    BatchWaits(Box<BatchRecord>),
    Join(Hello, oneshot::Sender<Result<Session, JoinRefused>>),
    Left(AgentName, u64),
    Dismiss(AgentName),
    Heartbeat(AgentName, u64, Heartbeat),
    OpenLane(AgentName, Vec<u8>, oneshot::Sender<Lane>),
    Recorded(Vec<(StoredRecording, Option<Recorded>)>),
    Applied(Vec<(ReportedResult, Option<Applied>)>),
    Identify(Vec<PendingLid>),
    Release(AgentName, RecordingId, String),
    Ask(AgentName, Down, oneshot::Sender<bool>),
    Agents(oneshot::Sender<Vec<(AgentName, AgentStatus)>>),
    /// An agent was refused a session.
    Refused(AgentName, String),
    Prospects(Option<BatchId>, Option<RecordingId>, oneshot::Sender<Prospects>),
    WaitingFor(BatchId, oneshot::Sender<Option<String>>),
}

/// Talks to the dispatcher. While it is ending, what is said is lost and what
/// is asked is answered with nothing.
#[derive(Debug, Clone)]
pub struct Dispatch {
    inbox: mpsc::Sender<Message>,
}

impl Dispatch {
    /// The handle, and the inbox that the dispatcher reads.
    fn channel() -> (Self, mpsc::Receiver<Message>) {
        let (inbox, messages) = mpsc::channel(INBOX);
        (Self { inbox }, messages)
    }

    async fn tell(&self, message: Message) {
        // Only a dispatcher that is ending does not listen.
        self.inbox.send(message).await.ok();
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(message(reply)).await;
        answer.await.ok()
    }

    /// Something happened.
    pub async fn event(&self, event: Event) {
        self.tell(Message::Event(event)).await;
    }

    /// A batch has recordings to place.
    pub async fn open_batch(&self, batch: BatchRecord) {
        self.tell(Message::OpenBatch(Box::new(batch))).await;
    }

    /// The rows say that recordings of a batch wait to be placed.
    pub async fn batch_waits(&self, batch: BatchRecord) {
        self.tell(Message::BatchWaits(Box::new(batch))).await;
    }

    /// An agent wants a session. `None`: the controller is ending.
    pub async fn join(&self, hello: Hello) -> Option<Result<Session, JoinRefused>> {
        self.ask(|reply| Message::Join(hello, reply)).await
    }

    /// A session has ended.
    pub async fn left(&self, agent: AgentName, session: u64) {
        self.tell(Message::Left(agent, session)).await;
    }

    /// An agent is to have no session any more.
    pub async fn dismiss(&self, agent: AgentName) {
        self.tell(Message::Dismiss(agent)).await;
    }

    /// An agent says how it is.
    pub async fn heartbeat(&self, agent: AgentName, session: u64, heartbeat: Heartbeat) {
        self.tell(Message::Heartbeat(agent, session, heartbeat)).await;
    }

    /// An agent opens a stream to receive on. `None`: the token belongs to no
    /// live session, or the session has as many streams as it announced.
    pub async fn open_lane(&self, agent: AgentName, token: Vec<u8>) -> Option<Lane> {
        self.ask(|reply| Message::OpenLane(agent, token, reply)).await
    }

    /// The ledger has settled acknowledged recordings.
    pub async fn recorded(&self, group: Vec<(StoredRecording, Option<Recorded>)>) {
        self.tell(Message::Recorded(group)).await;
    }

    /// The ledger has settled results.
    pub async fn applied(&self, group: Vec<(ReportedResult, Option<Applied>)>) {
        self.tell(Message::Applied(group)).await;
    }

    /// Recordings are to be identified by those who hold them.
    pub async fn identify(&self, pending: Vec<PendingLid>) {
        self.tell(Message::Identify(pending)).await;
    }

    /// An agent need not hold a recording.
    pub async fn release(&self, agent: AgentName, recording: RecordingId, reason: String) {
        self.tell(Message::Release(agent, recording, reason)).await;
    }

    /// Asks an agent for the checker: whether the question is on its way.
    pub(crate) async fn ask_agent(&self, agent: AgentName, question: Down) -> bool {
        self.ask(|reply| Message::Ask(agent, question, reply)).await.unwrap_or(false)
    }

    /// The agents that have a session.
    pub async fn agents(&self) -> Vec<(AgentName, AgentStatus)> {
        self.ask(Message::Agents).await.unwrap_or_default()
    }

    /// An agent was refused a session; why, in words.
    pub async fn refused(&self, agent: AgentName, why: String) {
        self.tell(Message::Refused(agent, why)).await;
    }

    /// What is ahead of a batch, and of a recording.
    pub async fn prospects(&self, batch: Option<BatchId>, recording: Option<RecordingId>) -> Prospects {
        self.ask(|reply| Message::Prospects(batch, recording, reply)).await.unwrap_or_default()
    }

    /// Why recordings of a batch wait, in words.
    pub async fn waiting_for(&self, batch: BatchId) -> Option<String> {
        self.ask(|reply| Message::WaitingFor(batch, reply)).await.flatten()
    }
}
