//! The sessions of agents that are there.

use std::collections::{BTreeMap, HashMap};

use cofi_proto::{
    AgentName, RecordingId,
    limits::MAX_GROUP,
    session::{Heartbeat, Hello, Identify, Release, ResultReceipt},
    verify::{ListHeld, Verify},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    delivery::Host,
    lane::{Lane, Order},
    scheduler::{Fault, LaneId, MAX_UNDER_WAY, Unfit},
};

/// Messages that may wait for an agent to read them; each is a group of up to
/// 1,000. An agent that is so far behind does not read at all.
const DOWN: usize = 256;

/// What goes down a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// These recordings have their rows.
    Recorded(Vec<RecordingId>),
    /// These results are settled.
    Receipts(Vec<ResultReceipt>),
    /// These recordings are to be identified.
    Identify(Vec<Identify>),
    /// These recordings need not be held.
    Release(Vec<Release>),
    /// The checker asks whether recordings are there.
    Verify(Verify),
    /// The checker asks what is held.
    ListHeld(ListHeld),
}

/// A session, as its task holds it.
#[derive(Debug)]
pub struct Session {
    /// Tells it from other sessions of the same agent.
    pub id: u64,
    /// What its lanes carry.
    pub token: Vec<u8>,
    /// Who it leads to.
    pub host: Host,
    /// What goes down.
    pub down: mpsc::Receiver<Down>,
    /// For what its own task sends down, at the pace at which it is read.
    pub paced: mpsc::Sender<Down>,
    /// Ends it.
    pub ended: CancellationToken,
}

/// Why an agent gets no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefused {
    /// Another store is there under its name.
    #[error(
        "an agent named {0} is connected with another data_dir; give this one a name of its own, or stop the other one"
    )]
    NameInUse(AgentName),
    /// An operator has removed it.
    #[error("agent {0} was removed: `cofi agent resume {0}` lets it come back")]
    Removed(AgentName),
}

/// An agent that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentStatus {
    /// Share of work.
    pub weight: u32,
    /// What it said of itself last.
    pub heartbeat: Heartbeat,
    /// Recordings under way to it.
    pub deliveries: usize,
    /// Whether it still says what it holds.
    pub reconciling: bool,
    /// Why it gets no work; none if it does.
    pub unfit: Option<Unfit>,
    /// What it is quarantined for, if so.
    pub quarantine: Option<QuarantineStatus>,
    /// Until when it rests after an error: microseconds since 1970-01-01 UTC.
    pub paused_until: Option<i64>,
    /// Whether as much is under way to it as may be.
    pub is_full: bool,
    /// Whether it answers the checker.
    pub verifies: bool,
}

/// A quarantine, in the time of day: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineStatus {
    /// What for.
    pub fault: Fault,
    /// Why, in words.
    pub reason: String,
    /// Since when, or since the controller or the agent was started.
    pub since: i64,
    /// When the last recording was sent to see how the agent fares.
    pub last_probe: Option<i64>,
    /// When the next one is.
    pub next_probe: i64,
}

/// What is ahead of a batch and of one of its recordings, in the time of day:
/// microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prospects {
    /// Agents that are waited for after a start of the controller.
    pub expected: Vec<AgentName>,
    /// Until when.
    pub expected_until: i64,
    /// Recordings of the batch that are under way to agents.
    pub under_way: u64,
    /// Those that failed and wait until they are tried again.
    pub delayed: u64,
    /// When the first of them is.
    pub next_try: Option<i64>,
    /// Recordings of other batches in front of the first of this one.
    pub ahead: u64,
    /// Where the recording is that was asked for.
    pub recording: Option<Place>,
    /// Agents that were refused a session of late: why, and when.
    pub refused: BTreeMap<AgentName, (String, i64)>,
}

/// Where a recording is that is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the queue, or not read from the rows yet; behind so many.
    Queued(u64),
    /// Failed, and tried again at this time, after so many attempts.
    Delayed(i64, i64),
    /// Under way to this agent.
    UnderWay(AgentName),
    /// An agent says that it holds it.
    Offered,
}

/// A session, as the dispatcher holds it.
#[derive(Debug)]
pub(super) struct Seated {
    pub(super) id: u64,
    token: Vec<u8>,
    host: Host,
    storage_id: String,
    pub(super) weight: u32,
    receive_connections: u32,
    pub(super) heartbeat: Heartbeat,
    pub(super) verifies: bool,
    down: mpsc::Sender<Down>,
    pub(super) ended: CancellationToken,
}

/// All of them, and their lanes.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_agent: BTreeMap<AgentName, Seated>,
    lanes: HashMap<LaneId, (AgentName, mpsc::Sender<Order>)>,
    next: u64,
}

impl Sessions {
    /// Seats an agent. One that comes back with the same store replaces its
    /// own session, which it has lost.
    pub(super) fn join(&mut self, hello: &Hello) -> Result<Session, JoinRefused> {
        if let Some(before) = self.by_agent.get(&hello.name) {
            if before.storage_id != hello.storage_id {
                return Err(JoinRefused::NameInUse(hello.name.clone()));
            }
            before.ended.cancel();
        }
        self.next += 1;
        let (down, receiver) = mpsc::channel(DOWN);
        let host = Host { agent: hello.name.clone(), address: hello.advertise_address.clone() };
        let seated = Seated {
            id: self.next,
            token: rand::random::<[u8; 16]>().to_vec(),
            host: host.clone(),
            storage_id: hello.storage_id.clone(),
            weight: hello.weight,
            receive_connections: hello.receive_connections,
            heartbeat: hello.heartbeat.clone(),
            verifies: hello.verifies,
            down: down.clone(),
            ended: CancellationToken::new(),
        };
        let session = Session {
            id: seated.id,
            token: seated.token.clone(),
            host,
            down: receiver,
            paced: down,
            ended: seated.ended.clone(),
        };
        self.by_agent.insert(hello.name.clone(), seated);
        Ok(session)
    }

    /// Ends a session. False if another one has taken its place already.
    pub(super) fn leave(&mut self, agent: &AgentName, session: u64) -> bool {
        let current = self.by_agent.get(agent).is_some_and(|seated| seated.id == session);
        if current && let Some(seated) = self.by_agent.remove(agent) {
            seated.ended.cancel();
        }
        current
    }

    pub(super) fn current(&mut self, agent: &AgentName, session: u64) -> Option<&mut Seated> {
        self.by_agent.get_mut(agent).filter(|seated| seated.id == session)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AgentName, &Seated)> {
        self.by_agent.iter()
    }

    /// Opens a lane of the session with this token.
    pub(super) fn open_lane(&mut self, agent: &AgentName, token: &[u8]) -> Option<Lane> {
        let seated = self.by_agent.get(agent).filter(|seated| seated.token == token)?;
        let open = self.lanes.values().filter(|(agent, _)| *agent == seated.host.agent).count();
        if open >= usize::try_from(seated.receive_connections).unwrap_or(usize::MAX) {
            return None;
        }
        self.next += 1;
        let id = LaneId(self.next);
        let (sender, orders) = mpsc::channel(usize::try_from(MAX_UNDER_WAY).unwrap_or(usize::MAX));
        self.lanes.insert(id, (seated.host.agent.clone(), sender));
        Some(Lane { id, host: seated.host.clone(), orders, ended: seated.ended.clone() })
    }

    pub(super) fn close_lane(&mut self, lane: LaneId) {
        self.lanes.remove(&lane);
    }

    /// Orders a recording on a lane. A lane that is closing says so by itself.
    pub(super) fn order(&self, agent: &AgentName, lane: LaneId, order: Order) {
        let Some((_, orders)) = self.lanes.get(&lane) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = orders.try_send(order) {
            tracing::error!(%agent, ?lane, "a lane holds more than its window, its session is ended");
            self.end(agent);
        }
    }

    /// Sends groups down a session, if there is one. An agent that does not
    /// read loses its session; it will be told again when it is back.
    pub(super) fn send<T: Clone>(&self, agent: &AgentName, entries: &[T], message: impl Fn(Vec<T>) -> Down) {
        let Some(seated) = self.by_agent.get(agent) else { return };
        for group in entries.chunks(MAX_GROUP) {
            if let Err(mpsc::error::TrySendError::Full(_)) = seated.down.try_send(message(group.to_vec())) {
                tracing::warn!(%agent, "agent does not read, its session is ended");
                seated.ended.cancel();
                return;
            }
        }
    }

    /// Sends a question of the checker, to which other messages come first:
    /// whether it is on its way.
    pub(super) fn ask(&self, agent: &AgentName, question: Down) -> bool {
        let seated = self.by_agent.get(agent).filter(|seated| seated.verifies);
        seated.is_some_and(|seated| seated.down.try_send(question).is_ok())
    }

    /// Ends every session; the agents dial anew.
    pub(super) fn end_all(&self) {
        for seated in self.by_agent.values() {
            seated.ended.cancel();
        }
    }

    /// Ends the session of an agent, if it has one.
    pub(super) fn end(&self, agent: &AgentName) {
        if let Some(seated) = self.by_agent.get(agent) {
            seated.ended.cancel();
        }
    }
}
