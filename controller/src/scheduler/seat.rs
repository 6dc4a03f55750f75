//! An agent as the scheduler sees it: what it may take, what it has taken, and
//! how long it would need.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cofi_proto::DeliveryId;

use super::{
    LaneId,
    conduct::{Conduct, Fault},
    rate::Rate,
};

/// Bytes that may be under way to an agent of weight 100.
const WINDOW_BYTES: u64 = 64 * 1024 * 1024;
/// Recordings that may be under way to an agent of weight 100.
const WINDOW_RECORDINGS: u64 = 512;
/// Recordings that may be under way to an agent of any weight.
pub const MAX_UNDER_WAY: u64 = 4_096;
/// Weight of a usual agent.
const USUAL_WEIGHT: u64 = 100;
/// What a recording costs beside its bytes, in bytes.
const RECORDING_COST: u64 = 64 * 1024;
/// Assumed until measured: bytes a second to an agent, and through its engine.
const ASSUMED_SENDING: u64 = 100 * 1024 * 1024;
const ASSUMED_IDENTIFYING: u64 = 1024 * 1024;

/// Why an agent gets no work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It says first what it holds.
    Reconciling,
    /// An operator lets it finish what it has.
    Draining,
    /// What it was given failed there, one after another; why.
    Quarantined(String),
    /// Its engine is not up yet.
    EngineStarting,
    /// Its engine does not come up; why.
    EngineFailed(String),
    /// It has opened no stream to receive on.
    NoLane,
    /// Something went wrong there just now; what.
    Paused(String),
    /// Its disk has no room for the next recording.
    DiskFull,
    /// Its disk does not work; why.
    DiskFailed(String),
}

/// What an agent said of itself last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Bytes free for recordings.
    pub free_disk: u64,
    /// Recordings waiting for the engine.
    pub lid_waiting: u64,
    /// Why its engine cannot work, if so.
    pub engine: Option<Unfit>,
    /// Why its disk cannot take anything, if so.
    pub disk: Option<Unfit>,
}

/// A recording under way to an agent.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) job: super::backlog::Job,
    /// The stream it goes out on; none once that has closed.
    pub(super) lane: Option<LaneId>,
    /// Verified; its rows are being written.
    pub(super) acknowledged: bool,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) weight: u64,
    pub(super) condition: Condition,
    pub(super) reconciled: bool,
    /// When it left, if it has.
    pub(super) away_since: Option<Duration>,
    pub(super) paused: Option<(Duration, String)>,
    pub(super) draining: bool,
    pub(super) conduct: Conduct,
    pub(super) lanes: BTreeMap<LaneId, u64>,
    pub(super) live: BTreeMap<DeliveryId, Live>,
    outstanding_bytes: u64,
    lid_backlog: u64,
    lid_waiting: u64,
    sending: Rate,
    identifying: Rate,
}

impl Seat {
    pub(super) fn new(weight: u32, condition: Condition, now: Duration) -> Self {
        let lid_waiting = condition.lid_waiting;
        Self {
            weight: u64::from(weight).max(1),
            condition,
            reconciled: false,
            away_since: None,
            paused: None,
            draining: false,
            conduct: Conduct::default(),
            lanes: BTreeMap::new(),
            live: BTreeMap::new(),
            outstanding_bytes: 0,
            lid_backlog: lid_waiting.saturating_mul(RECORDING_COST),
            lid_waiting,
            sending: Rate::assumed(ASSUMED_SENDING, now),
            identifying: Rate::assumed(ASSUMED_IDENTIFYING, now),
        }
    }

    /// Takes over what was under way, and measured, in the session before.
    pub(super) fn adopt(&mut self, before: Self) {
        self.live = before.live;
        self.conduct = before.conduct;
        self.outstanding_bytes = before.outstanding_bytes;
        self.sending = before.sending;
        self.identifying = before.identifying;
        for live in self.live.values_mut() {
            live.lane = None;
        }
    }

    /// Why it gets no work at all at the moment.
    pub(super) fn unfit(&self, now: Duration) -> Option<Unfit> {
        if !self.reconciled {
            return Some(Unfit::Reconciling);
        }
        if self.draining {
            return Some(Unfit::Draining);
        }
        if let Some(quarantine) = self.conduct.quarantine() {
            return Some(Unfit::Quarantined(quarantine.reason.clone()));
        }
        self.hindrance(now)
    }

    /// Whether it gets the next recording, if only to see how it fares.
    pub(super) fn takes_next(&self, now: Duration) -> bool {
        match self.unfit(now) {
            None => true,
            Some(Unfit::Quarantined(_)) => {
                // An engine that has something to try needs no probe.
                let tries_itself = self.condition.lid_waiting > 0
                    && self.conduct.quarantine().is_some_and(|quarantine| quarantine.fault == Fault::Engine);
                self.live.is_empty()
                    && !tries_itself
                    && self.conduct.probe_is_due(now)
                    && self.hindrance(now).is_none()
            }
            Some(
                Unfit::Reconciling
                | Unfit::Draining
                | Unfit::EngineStarting
                | Unfit::EngineFailed(_)
                | Unfit::NoLane
                | Unfit::Paused(_)
                | Unfit::DiskFull
                | Unfit::DiskFailed(_),
            ) => false,
        }
    }

    /// What keeps it from work at the moment, by itself.
    fn hindrance(&self, now: Duration) -> Option<Unfit> {
        let Condition { engine, disk, .. } = &self.condition;
        if let Some(why) = engine.as_ref().or(disk.as_ref()) {
            return Some(why.clone());
        }
        if let Some((_, why)) = self.paused.as_ref().filter(|(until, _)| *until > now) {
            return Some(Unfit::Paused(why.clone()));
        }
        self.lanes.is_empty().then_some(Unfit::NoLane)
    }

    /// Whether its disk holds another recording of this size.
    pub(super) fn disk_holds(&self, size: u64) -> bool {
        self.outstanding_bytes.saturating_add(size) <= self.condition.free_disk
    }

    /// Whether its window does. The first one always fits, however large.
    pub(super) fn window_holds(&self, size: u64) -> bool {
        let count = u64::try_from(self.live.len()).unwrap_or(u64::MAX);
        let scaled = |limit: u64| (limit.saturating_mul(self.weight) / USUAL_WEIGHT).max(1);
        count == 0
            || (count < scaled(WINDOW_RECORDINGS).min(MAX_UNDER_WAY)
                && self.outstanding_bytes.saturating_add(size) <= scaled(WINDOW_BYTES))
    }

    /// When it would be done with one more recording of this size, in weighted
    /// microseconds from now.
    pub(super) fn done_after(&self, size: u64) -> u64 {
        let to_send = self.outstanding_cost().saturating_add(cost(size));
        let to_identify = self.lid_backlog.saturating_add(to_send);
        let micros =
            self.sending.micros_for(to_send).saturating_add(self.identifying.micros_for(to_identify));
        micros.saturating_mul(USUAL_WEIGHT) / self.weight
    }

    fn outstanding_cost(&self) -> u64 {
        let count = u64::try_from(self.live.len()).unwrap_or(u64::MAX);
        self.outstanding_bytes.saturating_add(count.saturating_mul(RECORDING_COST))
    }

    /// The stream with the least under way.
    pub(super) fn idlest_lane(&self) -> Option<LaneId> {
        self.lanes.iter().min_by_key(|(lane, bytes)| (**bytes, **lane)).map(|(lane, _)| *lane)
    }

    pub(super) fn start(
        &mut self,
        delivery: DeliveryId,
        lane: LaneId,
        job: super::backlog::Job,
        now: Duration,
    ) {
        self.sending.rest(now);
        self.conduct.probed(now);
        let size = job.recording.size;
        self.outstanding_bytes = self.outstanding_bytes.saturating_add(size);
        if let Some(bytes) = self.lanes.get_mut(&lane) {
            *bytes = bytes.saturating_add(cost(size));
        }
        self.live.insert(delivery, Live { job, lane: Some(lane), acknowledged: false });
    }

    /// Verified: the stream is free of it, the window not yet.
    pub(super) fn acknowledge(&mut self, delivery: DeliveryId, now: Duration) {
        let Some(live) = self.live.get_mut(&delivery) else { return };
        live.acknowledged = true;
        let size = live.job.recording.size;
        let lane = live.lane.take();
        self.conduct.stored();
        self.free_lane(lane, size);
        self.sending.count(cost(size), now);
    }

    /// Takes a delivery out of the window.
    pub(super) fn end(&mut self, delivery: DeliveryId) -> Option<Live> {
        let live = self.live.remove(&delivery)?;
        let size = live.job.recording.size;
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(size);
        self.free_lane(live.lane, size);
        Some(live)
    }

    fn free_lane(&mut self, lane: Option<LaneId>, size: u64) {
        if let Some(bytes) = lane.and_then(|lane| self.lanes.get_mut(&lane)) {
            *bytes = bytes.saturating_sub(cost(size));
        }
    }

    /// A stream has closed: what was on it is in the dark until the agent
    /// comes back, or its lease ends.
    pub(super) fn close_lane(&mut self, lane: LaneId) {
        self.lanes.remove(&lane);
        for live in self.live.values_mut().filter(|live| live.lane == Some(lane)) {
            live.lane = None;
        }
    }

    /// Deliveries that are neither on a stream nor being recorded.
    pub(super) fn in_the_dark(&self) -> BTreeSet<DeliveryId> {
        let dark = self.live.iter().filter(|(_, live)| live.lane.is_none() && !live.acknowledged);
        dark.map(|(delivery, _)| *delivery).collect()
    }

    /// A recording is on its disk, with its rows.
    pub(super) fn stored(&mut self, size: u64, now: Duration) {
        self.identifying.rest(now);
        self.lid_backlog = self.lid_backlog.saturating_add(cost(size));
        self.lid_waiting += 1;
    }

    /// It has identified (or given up) recordings.
    pub(super) fn identified(&mut self, recordings: u64, now: Duration) {
        let done = recordings.min(self.lid_waiting);
        if done == 0 {
            return;
        }
        let share = self.lid_backlog / self.lid_waiting * done;
        self.lid_backlog -= share;
        self.lid_waiting -= done;
        self.identifying.count(share, now);
    }
}

fn cost(size: u64) -> u64 {
    size.saturating_add(RECORDING_COST)
}
