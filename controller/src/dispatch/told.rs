//! What the dispatcher tells of agents and of what is ahead.

use std::time::Duration;

use cofi_proto::{AgentName, BatchId, RecordingId};

use super::{AgentStatus, Dispatcher, Place, Prospects, QuarantineStatus, sessions::Seated};
use crate::scheduler::{Unfit, Whereabouts};

/// Refused agents that are remembered.
const MAX_REFUSED: usize = 256;

impl Dispatcher {
    pub(super) fn agents(&self) -> Vec<(AgentName, AgentStatus)> {
        let status = |(agent, seated): (&AgentName, &Seated)| {
            let unfit = self.scheduler.unfit(agent, self.now());
            let status = AgentStatus {
                weight: seated.weight,
                heartbeat: seated.heartbeat.clone(),
                deliveries: self.scheduler.deliveries(agent),
                reconciling: unfit == Some(Unfit::Reconciling),
                unfit,
                quarantine: self.quarantine(agent),
                paused_until: self
                    .scheduler
                    .paused_until(agent, self.now())
                    .map(|until| self.time_of_day(until)),
                is_full: self.scheduler.is_full(agent),
                verifies: seated.verifies,
            };
            (agent.clone(), status)
        };
        self.sessions.iter().map(status).collect()
    }

    fn quarantine(&self, agent: &AgentName) -> Option<QuarantineStatus> {
        let quarantine = self.scheduler.quarantine(agent)?;
        Some(QuarantineStatus {
            fault: quarantine.fault,
            reason: quarantine.reason.clone(),
            since: self.time_of_day(quarantine.since),
            last_probe: quarantine.last_probe.map(|at| self.time_of_day(at)),
            next_probe: self.time_of_day(quarantine.next_probe),
        })
    }

    /// When a time of the scheduler's is, or was.
    fn time_of_day(&self, at: Duration) -> i64 {
        let now = self.now();
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        self.clock.now_micros().saturating_add(micros(at)).saturating_sub(micros(now))
    }

    /// Remembers why an agent has no session, for whoever asks.
    pub(super) fn refused(&mut self, agent: AgentName, why: String) {
        if self.refused.len() >= MAX_REFUSED && !self.refused.contains_key(&agent) {
            self.refused.pop_first();
        }
        self.refused.insert(agent, (why, self.clock.now_micros()));
    }

    pub(super) fn prospects(&self, batch: Option<BatchId>, recording: Option<RecordingId>) -> Prospects {
        let outlook = batch.map(|batch| self.scheduler.outlook(batch, self.now())).unwrap_or_default();
        let place = recording.map(|recording| match self.scheduler.whereabouts(recording) {
            Whereabouts::Unread => Place::Queued(outlook.ahead),
            Whereabouts::Queued(ahead) => Place::Queued(ahead),
            Whereabouts::Delayed(until, attempts) => Place::Delayed(self.time_of_day(until), attempts),
            Whereabouts::UnderWay(agent) => Place::UnderWay(agent),
            Whereabouts::Offered => Place::Offered,
        });
        Prospects {
            expected: outlook.expected,
            expected_until: self.time_of_day(outlook.expected_until),
            under_way: outlook.under_way,
            delayed: outlook.delayed,
            next_try: outlook.next_try.map(|next| self.time_of_day(next)),
            ahead: outlook.ahead,
            recording: place,
            refused: self.refused.clone(),
        }
    }
}
