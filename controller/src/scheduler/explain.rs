//! Why recordings wait, in words.

use std::{fmt, time::Duration};

use cofi_proto::{AgentName, BatchId};

use super::{Quarantine, Scheduler, Unfit};

impl Scheduler {
    /// Recordings under way to an agent.
    #[must_use]
    pub fn deliveries(&self, agent: &AgentName) -> usize {
        self.seats.get(agent).map_or(0, |seat| seat.live.len())
    }

    /// Why an agent gets no work; none if it may.
    #[must_use]
    pub fn unfit(&self, agent: &AgentName, now: Duration) -> Option<Unfit> {
        let seat = self.seats.get(agent)?;
        seat.unfit(now).or_else(|| (!seat.disk_holds(1)).then_some(Unfit::DiskFull))
    }

    /// Since when and why an agent gets nothing but probes, if so.
    #[must_use]
    pub fn quarantine(&self, agent: &AgentName) -> Option<&Quarantine> {
        self.seats.get(agent)?.conduct.quarantine()
    }

    /// Whether recordings of a batch wait although none of their batch is
    /// under way; why, in words.
    #[must_use]
    pub fn waiting_for(&self, batch: BatchId, now: Duration) -> Option<String> {
        if !self.backlog.has_unsent(batch) {
            return None;
        }
        if self.holds_back(now) {
            let names: Vec<&str> = self.expected.0.iter().map(AgentName::as_str).collect();
            return Some(format!("agents that were connected before the restart: {}", names.join(", ")));
        }
        let present: Vec<_> = self.seats.iter().filter(|(_, seat)| seat.away_since.is_none()).collect();
        if present.is_empty() {
            return Some("an agent to connect".to_owned());
        }
        let why: Vec<String> = present
            .iter()
            .filter_map(|(agent, _)| Some(format!("{agent} {}", self.unfit(agent, now)?)))
            .collect();
        (why.len() == present.len()).then(|| format!("an agent to be ready: {}", why.join("; ")))
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reconciling => write!(f, "says first what it holds"),
            Self::Draining => write!(f, "is drained, and takes nothing new until it is resumed"),
            Self::Quarantined(why) => write!(f, "is quarantined: {why}"),
            Self::EngineStarting => write!(f, "starts its engine"),
            Self::EngineFailed(why) => write!(f, "has no engine: {why}"),
            Self::NoLane => write!(f, "has opened no stream to receive on"),
            Self::Paused(why) => write!(f, "rests after an error: {why}"),
            Self::DiskFull => write!(f, "has no room on its disk"),
            Self::DiskFailed(why) => write!(f, "has a disk that fails: {why}"),
        }
    }
}
