//! What is ahead of a batch, and of a recording: for whoever asks why.

use std::time::Duration;

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{Scheduler, backlog::Place};

/// What is ahead of the recordings of a batch that are to be placed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Agents that are waited for after a start of the controller.
    pub expected: Vec<AgentName>,
    /// Until when.
    pub expected_until: Duration,
    /// Recordings of the batch that are under way to agents.
    pub under_way: u64,
    /// Those that failed and wait until they are tried again.
    pub delayed: u64,
    /// When the first of them is.
    pub next_try: Option<Duration>,
    /// Recordings of other batches in front of the first of this one.
    pub ahead: u64,
}

/// Where a recording is that is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// Not read from the rows yet: others come first.
    Unread,
    /// In the queue, behind so many.
    Queued(u64),
    /// Failed, and tried again at this time, after so many attempts.
    Delayed(Duration, i64),
    /// Under way to this agent.
    UnderWay(AgentName),
    /// An agent says that it holds it.
    Offered,
}

impl Scheduler {
    /// What is ahead of a batch.
    #[must_use]
    pub fn outlook(&self, batch: BatchId, now: Duration) -> Outlook {
        let (expected, expected_until) = if self.holds_back(now) {
            (self.expected.0.iter().cloned().collect(), self.expected.1)
        } else {
            (Vec::new(), Duration::ZERO)
        };
        let lives = self.seats.values().flat_map(|seat| seat.live.values());
        let under_way = lives.filter(|live| live.job.id().batch == batch).count();
        let (delayed, next_try) = self.backlog.delays(batch);
        Outlook {
            expected,
            expected_until,
            under_way: u64::try_from(under_way).unwrap_or(u64::MAX),
            delayed,
            next_try,
            ahead: self.backlog.ahead(|queued| queued.batch == batch),
        }
    }

    /// Where a recording is.
    #[must_use]
    pub fn whereabouts(&self, recording: RecordingId) -> Whereabouts {
        match self.backlog.place(recording) {
            None => Whereabouts::Unread,
            Some(Place::Waiting) => Whereabouts::Queued(self.backlog.ahead(|queued| queued == recording)),
            Some(Place::Delayed) => match self.backlog.delay_of(recording) {
                Some((until, attempts)) => Whereabouts::Delayed(until, attempts),
                None => Whereabouts::Queued(0),
            },
            Some(Place::Live(delivery) | Place::Done(delivery)) => {
                let carrier = self.seats.iter().find(|(_, seat)| seat.live.contains_key(&delivery));
                carrier.map_or(Whereabouts::Unread, |(agent, _)| Whereabouts::UnderWay(agent.clone()))
            }
            Some(Place::Offered) => Whereabouts::Offered,
        }
    }

    /// Until when an agent rests after an error.
    #[must_use]
    pub fn paused_until(&self, agent: &AgentName, now: Duration) -> Option<Duration> {
        let (until, _) = self.seats.get(agent)?.paused.as_ref()?;
        (*until > now).then_some(*until)
    }

    /// Whether as much is under way to an agent as may be.
    #[must_use]
    pub fn is_full(&self, agent: &AgentName) -> bool {
        self.seats.get(agent).is_some_and(|seat| !seat.window_holds(1))
    }
}
