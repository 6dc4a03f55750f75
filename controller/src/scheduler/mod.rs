//! Which agent gets which recording. Pure: events and the time go in, actions
//! come out; no clock, no IO, no task.
//!
//! A recording in memory is in exactly one place:
//!
//! ```text
//!            page read                 assigned              acknowledged + recorded
//!  ledger ------------> waiting ----------------> under way -------------------------> left
//!                        ^   ^                     |    |
//!                        |   +---- lease over -----+    +-- refused --> delayed, or failed
//!                        +----------------------------------------------+
//! ```
//!
//! The session of an agent may end at any time. What was under way to it then
//! stays its own until it is back and has said what it holds, or until its
//! lease is over: an acknowledgement that was on its way is not lost, and the
//! recording not sent twice. After a start of the controller the agents that
//! were connected before it have the same time.

mod backlog;
mod conduct;
mod event;
mod explain;
mod outlook;
mod rate;
mod seat;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use backlog::{Backlog, Job, PAGE, Place};
use cofi_proto::{AgentName, DeliveryId, RecordingId, receive::RefusalCode};
use conduct::Conduct;
pub use conduct::{Fault, Quarantine};
pub use event::{Action, Cause, Event, LaneId};
pub use outlook::{Outlook, Whereabouts};
use seat::Seat;
pub use seat::{Condition, MAX_UNDER_WAY, Unfit};

use crate::ledger::PlannedRecording;

/// How long a silent agent keeps what was under way to it.
pub const LEASE: Duration = Duration::from_secs(20);
/// Times a recording is tried before it rests as failed; failures that are the
/// agent's do not count.
const ATTEMPTS: i64 = 3;
/// Pause after the first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long an agent gets nothing after an error of its disk.
const DISK_PAUSE: Duration = Duration::from_secs(5);

/// Decides who gets what.
#[derive(Debug)]
pub struct Scheduler {
    generation: u64,
    sequence: u64,
    seats: BTreeMap<AgentName, Seat>,
    backlog: Backlog,
    /// Agents that were connected before the controller started, and until
    /// when they are waited for.
    expected: (BTreeSet<AgentName>, Duration),
}

impl Scheduler {
    /// A scheduler that waits for `expected` agents before it places anything,
    /// for as long as a lease.
    #[must_use]
    pub fn new(generation: u64, expected: impl IntoIterator<Item = AgentName>, now: Duration) -> Self {
        Self {
            generation,
            sequence: 0,
            seats: BTreeMap::new(),
            backlog: Backlog::default(),
            expected: (expected.into_iter().collect(), now + LEASE),
        }
    }

    /// Takes an event and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.take(event, now, &mut actions);
        self.assign(now, &mut actions);
        if let Some((batch, after)) = self.backlog.next_page() {
            actions.push(Action::Load { batch, after, limit: PAGE });
        }
        actions
    }

    fn take(&mut self, event: Event, now: Duration, actions: &mut Vec<Action>) {
        match event {
            Event::BatchOpened(batch) => self.backlog.open_batch(batch),
            Event::BatchWaits(batch) => {
                if self.backlog.is_idle(batch) {
                    self.backlog.open_batch(batch);
                }
            }
            Event::BatchCancelled(batch) => self.backlog.cancel_batch(batch),
            Event::Loaded { batch, after, recordings } => self.backlog.page(batch, after, recordings),
            Event::LoadFailed => self.backlog.page_failed(),
            Event::AgentJoined { agent, weight, condition } => self.join(agent, weight, condition, now),
            Event::AgentCondition { agent, condition } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.condition = condition;
                }
            }
            Event::AgentDraining { agent, draining } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.draining = draining;
                }
            }
            Event::Offered { agent, recording } => self.offered(&agent, recording),
            Event::OfferCompared(recording) => self.backlog.compared(recording),
            Event::OfferRejected(recording) => self.offer_rejected(recording),
            Event::OfferSettled(recording) => {
                if self.backlog.offer_failed(recording) {
                    self.backlog.leave(recording);
                }
            }
            Event::Reconciled(agent) => self.reconciled(&agent),
            Event::AgentLeft(agent) => self.left(&agent, now),
            Event::LaneOpened { agent, lane } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.lanes.insert(lane, 0);
                }
            }
            Event::LaneClosed { agent, lane } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.close_lane(lane);
                }
            }
            Event::Acknowledged { agent, delivery } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.acknowledge(delivery, now);
                }
            }
            Event::Refused { agent, delivery, cause } => self.refused(&agent, delivery, cause, now, actions),
            Event::Recorded { agent, recording, stored } => self.recorded(&agent, recording, stored, now),
            Event::Identified { agent, recordings, well } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.identified(recordings, now);
                    if well {
                        seat.conduct.identified();
                    }
                }
            }
            Event::EngineFailed { agent, recording, why } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.conduct.engine_failed(recording, &why, now);
                }
            }
            Event::Blamed(recording) => self.blame(recording),
            Event::AgentQuarantined { agent, fault, reason } => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.conduct.restore(fault, reason, now);
                }
            }
            Event::AgentResumed(agent) => {
                if let Some(seat) = self.seats.get_mut(&agent) {
                    seat.draining = false;
                    seat.conduct = Conduct::default();
                }
            }
            Event::Tick => self.tick(now, actions),
        }
    }

    fn join(&mut self, agent: AgentName, weight: u32, condition: Condition, now: Duration) {
        let mut seat = Seat::new(weight, condition, now);
        if let Some(before) = self.seats.remove(&agent) {
            seat.adopt(before);
        }
        self.seats.insert(agent, seat);
    }

    /// The agent holds a recording that is perhaps under way to it, or to
    /// another one: either way it is not to be sent until that is verified.
    fn offered(&mut self, agent: &AgentName, recording: RecordingId) {
        if let Some(Place::Live(delivery)) = self.backlog.place(recording) {
            let dark = |seat: &Seat| {
                seat.live.get(&delivery).is_some_and(|live| live.lane.is_none() && !live.acknowledged)
            };
            if let Some(seat) = self.seats.values_mut().find(|seat| dark(seat)) {
                seat.end(delivery);
                self.backlog.leave(recording);
            }
        }
        self.backlog.offer(recording, agent);
    }

    fn offer_rejected(&mut self, recording: PlannedRecording) {
        if self.backlog.offer_failed(recording.recording) {
            self.backlog.push_front(Job { recording, attempts: 0, avoid: None });
        }
    }

    fn reconciled(&mut self, agent: &AgentName) {
        self.expected.0.remove(agent);
        let Some(seat) = self.seats.get_mut(agent) else { return };
        seat.reconciled = true;
        self.backlog.drop_offers(agent);
        for delivery in seat.in_the_dark() {
            if let Some(live) = seat.end(delivery) {
                self.backlog.push_front(live.job);
            }
        }
    }

    fn left(&mut self, agent: &AgentName, now: Duration) {
        let Some(seat) = self.seats.get_mut(agent) else { return };
        seat.away_since = Some(now);
        seat.reconciled = false;
        for lane in seat.lanes.keys().copied().collect::<Vec<_>>() {
            seat.close_lane(lane);
        }
    }

    fn recorded(&mut self, agent: &AgentName, recording: RecordingId, stored: bool, now: Duration) {
        let delivery = match self.backlog.place(recording) {
            Some(Place::Live(delivery) | Place::Done(delivery)) => Some(delivery),
            Some(Place::Waiting | Place::Delayed | Place::Offered) | None => None,
        };
        let seat = self.seats.get_mut(agent);
        let ended = seat.and_then(|seat| {
            let ended = delivery.and_then(|delivery| seat.end(delivery));
            if stored {
                seat.stored(ended.as_ref().map_or(0, |live| live.job.recording.size), now);
            }
            ended
        });
        if ended.is_some() {
            self.backlog.leave(recording);
        } else {
            // If it is under way to another agent, that goes on, and will be
            // answered "held elsewhere".
            self.backlog.settle(recording);
        }
    }

    fn refused(
        &mut self,
        agent: &AgentName,
        delivery: DeliveryId,
        cause: Cause,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let Some(seat) = self.seats.get_mut(agent) else { return };
        let Some(live) = seat.end(delivery) else { return };
        if let Cause::Agent(RefusalCode::DiskFull | RefusalCode::Io, why) = &cause {
            seat.paused = Some((now + DISK_PAUSE, why.clone()));
        }
        let mut job = live.job;
        if !self.backlog.wants(&job) {
            return self.backlog.leave(job.id());
        }
        job.avoid = Some(agent.clone());
        let known = seat.conduct.quarantine().is_some();
        let (code, why, counts) = match cause {
            Cause::Source { code, reason } => {
                job.attempts += 1;
                return self.fail(&job, code, reason, actions);
            }
            // Trouble of the agent's, that it sees coming as a rule.
            Cause::Agent(RefusalCode::DiskFull, _) => return self.backlog.push_front(job),
            Cause::Agent(RefusalCode::Io, why) => {
                let counts = seat.conduct.disk_refused(job.id(), &why, now);
                (RefusalCode::Io, why, counts)
            }
            Cause::Agent(code @ (RefusalCode::Integrity | RefusalCode::NameTaken), why) => (code, why, true),
            Cause::Mismatch(why) => (RefusalCode::Integrity, why, true),
        };
        job.attempts += i64::from(counts);
        let (agent, recording, code) = (agent.clone(), job.id(), code.as_str());
        // Of what was under way to an agent that is known to fail, it says
        // nothing new.
        if counts || !known {
            actions.push(Action::Note { agent: agent.clone(), recording, code, reason: why.clone() });
        }
        if job.attempts >= ATTEMPTS {
            self.fail(&job, code, format!("{agent}: {why}"), actions);
            return self.blame(recording);
        }
        let doublings = u32::try_from(job.attempts - 1).unwrap_or(0);
        self.backlog.delay(job, now + FIRST_PAUSE * 2_u32.saturating_pow(doublings));
    }

    /// A recording was to blame, and not those that failed on it.
    fn blame(&mut self, recording: RecordingId) {
        for seat in self.seats.values_mut() {
            seat.conduct.blamed(recording);
        }
    }

    fn fail(&mut self, job: &Job, code: &'static str, reason: String, actions: &mut Vec<Action>) {
        self.backlog.leave(job.id());
        actions.push(Action::Fail { recording: job.id(), code, reason, attempts: job.attempts });
    }

    fn tick(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.backlog.wake(now);
        let over = |seat: &Seat| seat.away_since.is_some_and(|since| now.saturating_sub(since) >= LEASE);
        let gone: Vec<AgentName> =
            self.seats.iter().filter(|(_, seat)| over(seat)).map(|(agent, _)| agent.clone()).collect();
        for agent in gone {
            let Some(seat) = self.seats.get_mut(&agent) else { continue };
            for delivery in seat.in_the_dark() {
                if let Some(live) = seat.end(delivery) {
                    self.backlog.push_front(live.job);
                }
            }
            self.backlog.drop_offers(&agent);
            // What is being recorded for it keeps its seat until it is.
            if seat.live.is_empty() {
                self.seats.remove(&agent);
                actions.push(Action::Forget(agent));
            }
        }
    }

    /// Gives out recordings as long as some agent takes the next one.
    fn assign(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.holds_back(now) {
            return;
        }
        while let Some(job) = self.backlog.peek() {
            let size = job.recording.size;
            let fits = |seat: &Seat| seat.takes_next(now) && seat.disk_holds(size) && seat.window_holds(size);
            // One that refuses all it gets has always room, and must not be the one
            // that fails what others would take when it is their turn.
            let waits_for_another = job.avoid.as_ref().is_some_and(|failed| {
                let takes = |seat: &Seat| seat.unfit(now).is_none() && seat.disk_holds(size);
                self.seats.iter().any(|(agent, seat)| agent != failed && takes(seat))
            });
            let avoided = |agent: &AgentName| waits_for_another && job.avoid.as_ref() == Some(agent);
            let best = self
                .seats
                .iter()
                .filter(|(agent, seat)| fits(seat) && !avoided(agent))
                .min_by_key(|(agent, seat)| (job.avoid.as_ref() == Some(*agent), seat.done_after(size)));
            let Some((agent, lane)) =
                best.and_then(|(agent, seat)| Some((agent.clone(), seat.idlest_lane()?)))
            else {
                return;
            };
            self.sequence += 1;
            let delivery = DeliveryId { generation: self.generation, sequence: self.sequence };
            let Some(job) = self.backlog.start(delivery) else { return };
            let recording = job.recording.clone();
            if let Some(seat) = self.seats.get_mut(&agent) {
                seat.start(delivery, lane, job, now);
            }
            actions.push(Action::Send { agent, lane, delivery, recording });
        }
    }

    /// Whether agents that were connected before the start are waited for.
    fn holds_back(&self, now: Duration) -> bool {
        !self.expected.0.is_empty() && now < self.expected.1
    }
}
