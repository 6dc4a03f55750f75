//! A small world around the scheduler: a ledger, agents that come and go, and
//! acknowledgements that get lost. It checks each action against the promises.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cofi_proto::BatchId;

use super::steps::Step;
use crate::scheduler::*;

pub(super) const BATCH: BatchId = BatchId(7);
pub(super) const MIB: u64 = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Planned,
    Stored,
    Failed,
    Cancelled,
}

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) name: AgentName,
    weight: u32,
    connected: bool,
    engine: bool,
    draining: bool,
    away_since: Option<Duration>,
    paused_until: Duration,
    lanes: Vec<LaneId>,
    /// Sent and not answered.
    pending: BTreeMap<DeliveryId, PlannedRecording>,
    /// Durable there, without a receipt.
    held: BTreeMap<RecordingId, PlannedRecording>,
    /// Of those, what others may have since its lease was over, until it
    /// offers them.
    lapsed: BTreeSet<RecordingId>,
    /// What the scheduler must count as under way: deliveries and their sizes.
    pub(super) under_way: BTreeMap<DeliveryId, (RecordingId, u64)>,
    /// Recorded there, and not identified.
    unidentified: Vec<RecordingId>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) scheduler: Scheduler,
    now: Duration,
    lanes: u64,
    pub(super) ledger: BTreeMap<RecordingId, (PlannedRecording, Outcome)>,
    cancelled: bool,
    pub(super) agents: Vec<Agent>,
    /// Verified acknowledgements that are not committed.
    queue: VecDeque<(usize, RecordingId)>,
    loads: VecDeque<(BatchId, i64)>,
}

impl World {
    pub(super) fn new(sizes: &[u64], weights: [u32; 3]) -> Self {
        let planned = |(ordinal, size): (usize, &u64)| {
            let recording = RecordingId { batch: BATCH, ordinal: i64::try_from(ordinal).unwrap() };
            let planned = PlannedRecording {
                recording,
                audio_name: format!("{ordinal}.wav"),
                source_path: format!("{ordinal}.wav"),
                size: *size,
                mtime: 0,
                round: 1,
            };
            (recording, (planned, Outcome::Planned))
        };
        let agent = |(index, weight): (usize, u32)| Agent {
            name: format!("agent-{index}").parse().unwrap(),
            weight,
            connected: false,
            engine: true,
            draining: false,
            away_since: None,
            paused_until: Duration::ZERO,
            lanes: Vec::new(),
            pending: BTreeMap::new(),
            held: BTreeMap::new(),
            lapsed: BTreeSet::new(),
            under_way: BTreeMap::new(),
            unidentified: Vec::new(),
        };
        Self {
            scheduler: Scheduler::new(1, [], Duration::ZERO),
            now: Duration::ZERO,
            lanes: 0,
            ledger: sizes.iter().enumerate().map(planned).collect(),
            cancelled: false,
            agents: weights.into_iter().enumerate().map(agent).collect(),
            queue: VecDeque::new(),
            loads: VecDeque::new(),
        }
    }

    fn condition(&self, agent: usize) -> Condition {
        let engine = (!self.agents[agent].engine).then_some(Unfit::EngineStarting);
        Condition { free_disk: 1 << 40, lid_waiting: 0, engine, disk: None }
    }

    pub(super) fn tell(&mut self, event: Event) {
        for action in self.scheduler.handle(event, self.now) {
            self.act(action);
        }
        self.no_room_is_idle();
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Load { batch, after, .. } => self.loads.push_back((batch, after)),
            Action::Forget(agent) => {
                let agent = self.agents.iter().find(|it| it.name == agent).unwrap();
                assert!(self.lease_is_over(agent), "{} forgotten before its lease was over", agent.name);
            }
            // What the rows say of a refusal is not the scheduler's.
            Action::Note { recording, .. } => assert!(self.ledger.contains_key(&recording)),
            Action::Fail { recording, .. } => {
                let entry = self.ledger.get_mut(&recording).unwrap();
                assert_eq!(entry.1, Outcome::Planned, "{recording} failed twice, or after it was stored");
                entry.1 = Outcome::Failed;
            }
            Action::Send { agent, lane, delivery, recording } => {
                let index = self.agents.iter().position(|it| it.name == agent).unwrap();
                self.may_be_sent(index, lane, &recording);
                let id = recording.recording;
                self.agents[index].under_way.insert(delivery, (id, recording.size));
                self.window_is_kept(index);
                self.agents[index].pending.insert(delivery, recording);
            }
        }
    }

    fn lease_is_over(&self, agent: &Agent) -> bool {
        agent.away_since.is_some_and(|since| self.now.saturating_sub(since) >= LEASE)
    }

    /// Never two live deliveries of a recording, never one that is settled,
    /// and nothing to an agent that cannot take it.
    fn may_be_sent(&self, to: usize, lane: LaneId, recording: &PlannedRecording) {
        let id = recording.recording;
        assert_eq!(self.ledger[&id].1, Outcome::Planned, "{id} is settled");
        assert!(!self.cancelled, "{id} of a cancelled batch");
        assert!(!self.queue.iter().any(|(_, queued)| *queued == id), "{id} is acknowledged");
        for agent in &self.agents {
            let keeps = agent.held.contains_key(&id) && !agent.lapsed.contains(&id);
            let mine = keeps || agent.pending.values().any(|pending| pending.recording == id);
            assert!(!mine || self.lease_is_over(agent), "{id} is under way to {}", agent.name);
        }
        let agent = &self.agents[to];
        assert!(
            agent.connected && agent.engine && !agent.draining && agent.lanes.contains(&lane),
            "{} cannot take {id}",
            agent.name
        );
        assert!(agent.paused_until <= self.now, "{} rests", agent.name);
        let is_probe = self.scheduler.quarantine(&agent.name).is_some();
        assert!(!is_probe || agent.under_way.is_empty(), "{} is quarantined", agent.name);
    }

    fn outstanding(agent: &Agent) -> (u64, u64) {
        let count = u64::try_from(agent.under_way.len()).unwrap();
        (count, agent.under_way.values().map(|(_, size)| size).sum())
    }

    fn window_is_kept(&self, agent: usize) {
        let agent = &self.agents[agent];
        let (count, bytes) = Self::outstanding(agent);
        let weight = u64::from(agent.weight);
        assert!(count == 1 || bytes <= 64 * MIB * weight / 100, "{} has {bytes} bytes under way", agent.name);
        assert!(count <= (512 * weight / 100).max(1), "{} has {count} recordings under way", agent.name);
    }

    /// No ready agent with room is idle while recordings are unsent, unless the
    /// next one has just failed there and another agent takes it soon.
    fn no_room_is_idle(&mut self) {
        let Some(job) = self.scheduler.backlog.peek().cloned() else { return };
        let size = job.recording.size;
        let is_ready = |agent: &Agent| {
            agent.connected
                && self.scheduler.quarantine(&agent.name).is_none()
                && agent.engine
                && !agent.draining
                && !agent.lanes.is_empty()
                && agent.paused_until <= self.now
        };
        for agent in &self.agents {
            let failed_there = job.avoid.as_ref() == Some(&agent.name);
            let another = || self.agents.iter().any(|other| other.name != agent.name && is_ready(other));
            let ready = is_ready(agent) && !(failed_there && another());
            let (count, bytes) = Self::outstanding(agent);
            let weight = u64::from(agent.weight);
            let room = count == 0
                || (count < (512 * weight / 100).max(1) && bytes + size <= 64 * MIB * weight / 100);
            assert!(
                !(ready && room),
                "{} waits with {count} recordings, {bytes} bytes under way",
                agent.name
            );
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Join(agent) => self.join(agent),
            Step::Leave(agent) => self.leave(agent),
            Step::OpenLane(agent) => self.open_lane(agent),
            Step::Store(agent, which) => self.store(agent, which, true),
            Step::StoreSilently(agent, which) => self.store(agent, which, false),
            Step::Refuse(agent, which, code) => self.refuse(agent, which, Cause::Agent(code, "why".into())),
            Step::SourceChanged(agent, which) => {
                self.refuse(agent, which, Cause::Source { code: "source_changed", reason: "why".into() });
            }
            Step::Engine(agent, works) => {
                self.agents[agent].engine = works;
                let condition = self.condition(agent);
                self.tell(Event::AgentCondition { agent: self.agents[agent].name.clone(), condition });
            }
            Step::Drain(agent, draining) => self.drain(agent, draining),
            Step::Identify(agent, well) => self.identify(agent, well),
            Step::Commit(count) => self.commit(count),
            Step::Load => self.load(),
            Step::Look => self.look(),
            Step::Advance(millis) => self.advance(Duration::from_millis(millis)),
            Step::Cancel => {
                self.cancelled = true;
                for (_, outcome) in self.ledger.values_mut() {
                    if matches!(outcome, Outcome::Planned | Outcome::Failed) {
                        *outcome = Outcome::Cancelled;
                    }
                }
                self.tell(Event::BatchCancelled(BATCH));
            }
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        // What the scheduler gives up at its lease's end is not under way.
        let now = self.now;
        let queued: BTreeSet<RecordingId> = self.queue.iter().map(|(_, recording)| *recording).collect();
        for agent in &mut self.agents {
            if agent.away_since.is_some_and(|since| now.saturating_sub(since) >= LEASE) {
                agent.pending.clear();
                agent.lapsed.extend(agent.held.keys());
                agent.under_way.retain(|_, (recording, _)| queued.contains(recording));
            }
        }
        self.tell(Event::Tick);
    }

    pub(super) fn join(&mut self, agent: usize) {
        if self.agents[agent].connected {
            return;
        }
        let name = self.agents[agent].name.clone();
        self.agents[agent].connected = true;
        self.agents[agent].away_since = None;
        self.agents[agent].paused_until = Duration::ZERO;
        // Until it has said what it holds it is not ready.
        let lanes = std::mem::take(&mut self.agents[agent].lanes);
        assert!(lanes.is_empty());
        let condition = self.condition(agent);
        self.tell(Event::AgentJoined { agent: name.clone(), weight: self.agents[agent].weight, condition });
        let draining = self.agents[agent].draining;
        self.tell(Event::AgentDraining { agent: name.clone(), draining });
        // Acknowledged before: those keep their place in the window.
        let acknowledged: BTreeSet<RecordingId> =
            self.queue.iter().filter(|(of, _)| *of == agent).map(|(_, recording)| *recording).collect();
        for recording in self.agents[agent].held.keys().copied().collect::<Vec<_>>() {
            self.agents[agent]
                .under_way
                .retain(|_, (under_way, _)| *under_way != recording || acknowledged.contains(under_way));
            self.queue.push_back((agent, recording));
            self.agents[agent].lapsed.remove(&recording);
            self.tell(Event::Offered { agent: name.clone(), recording });
            self.tell(Event::OfferCompared(recording));
        }
        // What it lost on the way is not under way any more.
        self.agents[agent].pending.clear();
        self.agents[agent].under_way.retain(|_, (recording, _)| acknowledged.contains(recording));
        self.tell(Event::Reconciled(name));
    }

    /// An operator decides; an agent that is away hears of it when it joins.
    fn drain(&mut self, agent: usize, draining: bool) {
        self.agents[agent].draining = draining;
        self.tell(Event::AgentDraining { agent: self.agents[agent].name.clone(), draining });
    }

    /// It works through what it has stored, and hears of it in one go.
    fn identify(&mut self, agent: usize, well: bool) {
        let name = self.agents[agent].name.clone();
        if !self.agents[agent].connected || self.agents[agent].unidentified.is_empty() {
            return;
        }
        let done = std::mem::take(&mut self.agents[agent].unidentified);
        if well {
            let recordings = u64::try_from(done.len()).unwrap();
            return self.tell(Event::Identified { agent: name, recordings, well });
        }
        for recording in done {
            self.tell(Event::EngineFailed { agent: name.clone(), recording, why: "why".into() });
            self.agents[agent].unidentified.push(recording);
        }
    }

    fn leave(&mut self, agent: usize) {
        if !std::mem::take(&mut self.agents[agent].connected) {
            return;
        }
        self.agents[agent].away_since = Some(self.now);
        self.agents[agent].lanes.clear();
        self.tell(Event::AgentLeft(self.agents[agent].name.clone()));
    }

    pub(super) fn open_lane(&mut self, agent: usize) {
        if !self.agents[agent].connected || self.agents[agent].lanes.len() == 2 {
            return;
        }
        self.lanes += 1;
        let lane = LaneId(self.lanes);
        self.agents[agent].lanes.push(lane);
        self.tell(Event::LaneOpened { agent: self.agents[agent].name.clone(), lane });
    }

    fn nth(&self, agent: usize, which: usize) -> Option<DeliveryId> {
        let agent = &self.agents[agent];
        let length = agent.pending.len();
        (agent.connected && length > 0).then(|| *agent.pending.keys().nth(which % length).unwrap())
    }

    fn store(&mut self, agent: usize, which: usize, heard: bool) {
        let Some(delivery) = self.nth(agent, which) else { return };
        let name = self.agents[agent].name.clone();
        let recording = self.agents[agent].pending.remove(&delivery).unwrap();
        let id = recording.recording;
        self.agents[agent].held.insert(id, recording);
        if heard {
            self.queue.push_back((agent, id));
            self.tell(Event::Acknowledged { agent: name, delivery });
        }
    }

    fn refuse(&mut self, agent: usize, which: usize, cause: Cause) {
        let Some(delivery) = self.nth(agent, which) else { return };
        let name = self.agents[agent].name.clone();
        self.agents[agent].pending.remove(&delivery);
        self.agents[agent].under_way.remove(&delivery);
        if matches!(cause, Cause::Agent(RefusalCode::DiskFull | RefusalCode::Io, _)) {
            self.agents[agent].paused_until = self.now + DISK_PAUSE;
        }
        self.tell(Event::Refused { agent: name, delivery, cause });
    }

    /// The ledger: compare and set.
    fn commit(&mut self, count: usize) {
        for _ in 0..count {
            let Some((agent, recording)) = self.queue.pop_front() else { return };
            let entry = self.ledger.get_mut(&recording).unwrap();
            let stored = match entry.1 {
                Outcome::Planned | Outcome::Failed => {
                    entry.1 = Outcome::Stored;
                    true
                }
                // The same acknowledgement again, or held elsewhere: either
                // way the agent has its answer.
                Outcome::Stored | Outcome::Cancelled => false,
            };
            self.agents[agent].held.remove(&recording);
            self.agents[agent].under_way.retain(|_, (under_way, _)| *under_way != recording);
            if stored {
                self.agents[agent].unidentified.push(recording);
            }
            let agent = self.agents[agent].name.clone();
            self.tell(Event::Recorded { agent, recording, stored });
        }
    }

    pub(super) fn load(&mut self) {
        let Some((batch, after)) = self.loads.pop_front() else { return };
        let recordings: Vec<PlannedRecording> = self
            .ledger
            .values()
            .filter(|(planned, outcome)| planned.recording.ordinal > after && *outcome == Outcome::Planned)
            .map(|(planned, _)| planned.clone())
            .take(20)
            .collect();
        self.tell(Event::Loaded { batch, after, recordings });
    }

    fn look(&mut self) {
        if self.ledger.values().any(|(_, outcome)| *outcome == Outcome::Planned) {
            self.tell(Event::BatchWaits(BATCH));
        }
    }

    /// Everything works from here on: nothing may be left over.
    pub(super) fn come_to_rest(&mut self) {
        for round in 0..10_000 {
            for agent in 0..self.agents.len() {
                self.join(agent);
                self.step(Step::Engine(agent, true));
                self.drain(agent, false);
                self.open_lane(agent);
                while self.nth(agent, 0).is_some() {
                    self.store(agent, 0, true);
                }
                // Acknowledgements that got lost come again with the session.
                if !self.agents[agent].held.is_empty() && self.queue.is_empty() {
                    self.leave(agent);
                }
            }
            self.look();
            self.load();
            self.commit(1_000);
            for agent in 0..self.agents.len() {
                self.identify(agent, true);
            }
            self.advance(Duration::from_millis(500));
            let settled = self.ledger.values().all(|(_, outcome)| *outcome != Outcome::Planned);
            let answered = self.agents.iter().all(|agent| agent.held.is_empty() && agent.pending.is_empty());
            if settled && answered && self.queue.is_empty() {
                return;
            }
            assert!(round < 9_999, "does not come to rest: {:?}", self.scheduler);
        }
    }
}
