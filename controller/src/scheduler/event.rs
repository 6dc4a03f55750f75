//! What the scheduler is told, and what it wants done.

use cofi_proto::{AgentName, BatchId, DeliveryId, RecordingId, receive::RefusalCode};

use super::{Condition, Fault};
use crate::ledger::PlannedRecording;

/// A stream that recordings go out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A batch has recordings to place: it is new, was retried, or the
    /// controller has started.
    BatchOpened(BatchId),
    /// The rows say that recordings of a batch wait to be placed. Nothing new, if
    /// it is open; otherwise whoever opened it was not heard.
    BatchWaits(BatchId),
    /// What waits of a batch is not to be placed any more.
    BatchCancelled(BatchId),
    /// A page was read, as [`Action::Load`] asked.
    Loaded {
        /// Of this batch.
        batch: BatchId,
        /// Beginning after this ordinal.
        after: i64,
        /// In order; empty if there are no more.
        recordings: Vec<PlannedRecording>,
    },
    /// A page could not be read.
    LoadFailed,
    /// An agent has a session.
    AgentJoined {
        /// Its name.
        agent: AgentName,
        /// Share of work, 100 being usual.
        weight: u32,
        /// What it says of itself.
        condition: Condition,
    },
    /// An agent says how it is.
    AgentCondition {
        /// Its name.
        agent: AgentName,
        /// What it says of itself.
        condition: Condition,
    },
    /// An operator lets an agent finish what it has, or take work again.
    AgentDraining {
        /// Its name.
        agent: AgentName,
        /// Whether it takes nothing new.
        draining: bool,
    },
    /// An agent says that it holds a recording since before this session;
    /// that is being verified.
    Offered {
        /// Its name.
        agent: AgentName,
        /// The recording.
        recording: RecordingId,
    },
    /// What an agent offered is what the source holds; its rows are being
    /// written.
    OfferCompared(RecordingId),
    /// What an agent offered is not what the source holds.
    OfferRejected(PlannedRecording),
    /// What an agent offered needs nothing more.
    OfferSettled(RecordingId),
    /// An agent has said all that it holds.
    Reconciled(AgentName),
    /// An agent's session has ended.
    AgentLeft(AgentName),
    /// An agent has opened a stream to receive on.
    LaneOpened {
        /// Its name.
        agent: AgentName,
        /// The stream.
        lane: LaneId,
    },
    /// Such a stream has closed.
    LaneClosed {
        /// Its agent.
        agent: AgentName,
        /// The stream.
        lane: LaneId,
    },
    /// A delivery was acknowledged and verified.
    Acknowledged {
        /// By this agent.
        agent: AgentName,
        /// The delivery.
        delivery: DeliveryId,
    },
    /// A delivery failed.
    Refused {
        /// On the way to this agent.
        agent: AgentName,
        /// The delivery.
        delivery: DeliveryId,
        /// Why.
        cause: Cause,
    },
    /// The ledger has settled an acknowledged or offered recording.
    Recorded {
        /// Who holds it, or offered it.
        agent: AgentName,
        /// The recording.
        recording: RecordingId,
        /// Whether it has its rows from this agent.
        stored: bool,
    },
    /// Results of an agent were applied.
    Identified {
        /// Its name.
        agent: AgentName,
        /// How many.
        recordings: u64,
        /// Whether one of them is a language.
        well: bool,
    },
    /// The engine of an agent failed on a recording, which is to be tried
    /// again.
    EngineFailed {
        /// Its name.
        agent: AgentName,
        /// The recording.
        recording: RecordingId,
        /// What happened, in words.
        why: String,
    },
    /// A recording rests as failed, since agents that do well failed on it.
    Blamed(RecordingId),
    /// The rows say that an agent is quarantined.
    AgentQuarantined {
        /// Its name.
        agent: AgentName,
        /// What for.
        fault: Fault,
        /// Why, in words.
        reason: String,
    },
    /// An operator vouches for an agent.
    AgentResumed(AgentName),
    /// Time has passed.
    Tick,
}

/// Why a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The agent refused it.
    Agent(RefusalCode, String),
    /// The source changed, or cannot be read; the code says which.
    Source {
        /// A fixed word for programs.
        code: &'static str,
        /// Words for people.
        reason: String,
    },
    /// The acknowledgement does not fit what was sent.
    Mismatch(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the next page of a batch.
    Load {
        /// The batch.
        batch: BatchId,
        /// Beginning after this ordinal.
        after: i64,
        /// At most so many.
        limit: i64,
    },
    /// Send a recording.
    Send {
        /// To this agent.
        agent: AgentName,
        /// On this stream.
        lane: LaneId,
        /// Under this name.
        delivery: DeliveryId,
        /// The recording.
        recording: PlannedRecording,
    },
    /// Record that a recording could not be placed.
    Fail {
        /// The recording.
        recording: RecordingId,
        /// A fixed word for programs.
        code: &'static str,
        /// Words for people.
        reason: String,
        /// How often it was tried.
        attempts: i64,
    },
    /// Note that a recording was not taken by an agent.
    Note {
        /// The agent.
        agent: AgentName,
        /// The recording.
        recording: RecordingId,
        /// A fixed word for programs.
        code: &'static str,
        /// Words for people.
        reason: String,
    },
    /// An agent's lease is over.
    Forget(AgentName),
}
