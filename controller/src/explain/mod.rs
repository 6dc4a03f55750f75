//! Why something waits, rests or failed: from what the rows say and what the
//! controller knows at this moment to reasons with their parameters. Pure, and
//! nothing is remembered for it.

mod agent;
mod batch;
mod recording;

pub use agent::{AgentFacts, explain_agent};
pub use batch::{BatchFacts, explain_batch};
use cofi_proto::AgentName;
pub use recording::{RecordingFacts, explain_recording};

/// Why. Times are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Everything is placed and identified.
    Complete,
    /// Recordings rest as failed.
    Failed {
        /// How many.
        recordings: u64,
        /// A fixed word for programs.
        code: String,
        /// The words of one of them.
        detail: String,
        /// How often it was tried, if it is about one.
        attempts: u32,
    },
    /// The batch was cancelled; so many were not placed.
    Cancelled(u64),
    /// The database cannot be read; why.
    DatabaseAway(String),
    /// Hosts need not hold it any more.
    Released,
    /// So many are under way to agents.
    UnderWay(u64),
    /// Under way to this one.
    UnderWayTo(AgentName),
    /// An agent says that it holds it, which is compared with the source.
    BeingVerified,
    /// Others come first: so many.
    Queued(u64),
    /// Failed, and tried again.
    Backoff {
        /// How many.
        recordings: u64,
        /// When the first of them is.
        until: Option<i64>,
        /// How often it was tried, if it is about one.
        attempts: u32,
    },
    /// No agent was ever seen.
    NoAgentSeen,
    /// None of so many agents is connected.
    NoAgentConnected(u64),
    /// What holds up an agent, or what it does.
    Agent {
        /// Which one.
        agent: AgentName,
        /// What it is.
        state: AgentReason,
        /// Recordings that wait for it.
        recordings: u64,
    },
}

/// What an agent does, or what keeps it from work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentReason {
    /// Waited for after a start of the controller, until then.
    Expected(i64),
    /// It works on what it has.
    Works,
    /// It is ready and has nothing to do.
    Idle,
    /// It has as much under way as it may.
    Full,
    /// It has no session.
    Away {
        /// Since when.
        since: i64,
        /// When what it holds is placed again.
        until: Option<i64>,
    },
    /// It was away for too long; what it held is placed again.
    Lost(Decision),
    /// An operator removed it.
    Removed(Decision),
    /// An operator drains it.
    Draining(Decision),
    /// What it was given failed there, one after another.
    Quarantined(Decision),
    /// It says first what it holds.
    Reconciling,
    /// Its engine is not up yet.
    EngineStarting,
    /// Its engine does not come up; why.
    EngineFailed(String),
    /// It has opened no stream to receive on.
    WithoutStream,
    /// It rests after an error.
    Paused {
        /// Which one.
        why: String,
        /// Until when.
        until: Option<i64>,
    },
    /// Its disk has no room.
    DiskFull,
    /// Its disk does not work; why.
    DiskFailed(String),
    /// It asks for a session and is refused.
    Refused {
        /// Why.
        why: String,
        /// When it was last.
        at: i64,
    },
}

/// Something that was decided about an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Why, in words.
    pub why: String,
    /// Since when.
    pub since: i64,
    /// When it ends, or is looked at again.
    pub until: Option<i64>,
}
