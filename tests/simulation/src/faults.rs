//! What goes wrong, and when it is mended: all of it decided by the seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use turmoil::Sim;

use crate::{
    chance::Chance,
    ledger::ModelLedger,
    witness::Witness,
    world::{CONTROLLER, Fleet},
};

/// Usual latencies of a link, in milliseconds.
pub const LATENCY: (u64, u64) = (1, 20);

/// A range of times.
type Millis = std::ops::RangeInclusive<u64>;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ControllerCrashes,
    AgentCrashes,
    AgentStaysAway,
    DiskIsLost,
    AgentVanishes,
    LinkIsSpoilt,
    LinkIsSpoiltForLong,
    DatabaseIsAway,
    CommitsAreNotAnswered,
}

const FAULTS: [Fault; 9] = [
    Fault::ControllerCrashes,
    Fault::AgentCrashes,
    Fault::AgentStaysAway,
    Fault::DiskIsLost,
    Fault::AgentVanishes,
    Fault::LinkIsSpoilt,
    Fault::LinkIsSpoiltForLong,
    Fault::DatabaseIsAway,
    Fault::CommitsAreNotAnswered,
];

/// Something that is mended later.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mend {
    Start(String),
    Repair(String),
    Release(String),
    Quicken(String),
    DatabaseIsBack,
    CommitsAreAnswered,
}

/// Lets things go wrong until a time, and mends them.
#[derive(Debug)]
pub struct Faults {
    chance: Chance,
    /// Only some go wrong in a seed: what is rare beside others gets its turn.
    kinds: Vec<Fault>,
    until: Duration,
    /// From one fault to the next, at most.
    pause: u64,
    next: Duration,
    mends: BTreeMap<(Duration, u64), Mend>,
    count: u64,
    /// Hosts that are down, and links that something is wrong with.
    down: BTreeSet<String>,
    bad_links: BTreeSet<String>,
    ledger: ModelLedger,
    witness: Witness,
}

impl Faults {
    /// Faults until `until`.
    #[must_use]
    pub fn new(chance: Chance, until: Duration, ledger: ModelLedger, witness: Witness) -> Self {
        let pause = [1_500, 4_000, 10_000][chance.index(3)];
        let next = chance.millis(0..=2 * pause);
        let mut kinds: Vec<Fault> = FAULTS.into_iter().filter(|_| chance.one_in(2)).collect();
        kinds.push(FAULTS[chance.index(FAULTS.len())]);
        Self {
            chance,
            kinds,
            until,
            pause,
            next,
            mends: BTreeMap::new(),
            count: 0,
            down: BTreeSet::new(),
            bad_links: BTreeSet::new(),
            ledger,
            witness,
        }
    }

    /// Whether everything is mended, for good.
    #[must_use]
    pub fn are_over(&self, now: Duration) -> bool {
        now >= self.until && self.mends.is_empty()
    }

    /// Mends what is due, and lets the next thing go wrong.
    pub fn act(&mut self, now: Duration, sim: &mut Sim<'_>, fleet: &mut Fleet) {
        let over = now >= self.until;
        while let Some(entry) = self.mends.first_entry().filter(|entry| over || entry.key().0 <= now) {
            let mend = entry.remove();
            self.mend(mend, sim);
        }
        if !over && now >= self.next {
            self.next = now + self.chance.millis(1..=self.pause);
            self.harm(now, sim, fleet);
        }
    }

    fn mend(&mut self, mend: Mend, sim: &mut Sim<'_>) {
        self.witness.tell(format_args!("mended: {mend:?}"));
        match mend {
            Mend::Start(host) => {
                self.down.remove(&host);
                sim.bounce(host.as_str());
            }
            Mend::Repair(agent) => {
                self.bad_links.remove(&agent);
                sim.repair(CONTROLLER, agent.as_str());
            }
            Mend::Release(agent) => {
                self.bad_links.remove(&agent);
                sim.release(CONTROLLER, agent.as_str());
            }
            Mend::Quicken(agent) => {
                self.bad_links.remove(&agent);
                sim.set_link_latency(CONTROLLER, agent.as_str(), Duration::from_millis(LATENCY.0));
                sim.set_link_max_message_latency(
                    CONTROLLER,
                    agent.as_str(),
                    Duration::from_millis(LATENCY.1),
                );
            }
            Mend::DatabaseIsBack => self.ledger.is_away(false),
            Mend::CommitsAreAnswered => self.ledger.loses(0),
        }
    }

    fn later(&mut self, now: Duration, millis: Millis, mend: Mend) {
        self.count += 1;
        let due = now + self.chance.millis(millis);
        self.mends.insert((due, self.count), mend);
    }

    fn harm(&mut self, now: Duration, sim: &mut Sim<'_>, fleet: &mut Fleet) {
        let agent = fleet.any(&self.chance);
        let kind = self.kinds[self.chance.index(self.kinds.len())];
        match kind {
            Fault::ControllerCrashes => self.crash_controller(now, sim),
            Fault::AgentCrashes => drop(self.crash(&agent, 10..=5_000, now, sim)),
            Fault::AgentStaysAway => drop(self.crash(&agent, 10_000..=90_000, now, sim)),
            Fault::DiskIsLost => self.lose_disk(&agent, now, sim, fleet),
            Fault::AgentVanishes => self.vanish(&agent, sim, fleet),
            Fault::LinkIsSpoilt => self.spoil_link(&agent, 200..=8_000, now, sim),
            Fault::LinkIsSpoiltForLong => self.spoil_link(&agent, 10_000..=80_000, now, sim),
            Fault::DatabaseIsAway => {
                self.witness.count(|tally| tally.ledger_faults += 1);
                self.witness.tell("fault: the database is away");
                self.ledger.is_away(true);
                let away = if self.chance.one_in(5) { 3_000..=15_000 } else { 100..=3_000 };
                self.later(now, away, Mend::DatabaseIsBack);
            }
            Fault::CommitsAreNotAnswered => {
                self.witness.tell("fault: answers to commits are lost");
                self.ledger.loses(30);
                self.later(now, 1_000..=15_000, Mend::CommitsAreAnswered);
            }
        }
    }

    fn crash_controller(&mut self, now: Duration, sim: &mut Sim<'_>) {
        if self.down.insert(CONTROLLER.to_owned()) {
            self.witness.count(|tally| tally.controller_crashes += 1);
            self.witness.tell("fault: the controller crashes");
            sim.crash(CONTROLLER);
            let away = if self.chance.one_in(6) { 5_000..=45_000 } else { 10..=4_000 };
            self.later(now, away, Mend::Start(CONTROLLER.to_owned()));
        }
    }

    fn crash(&mut self, agent: &str, away: Millis, now: Duration, sim: &mut Sim<'_>) -> bool {
        if !self.down.insert(agent.to_owned()) {
            return false;
        }
        self.witness.count(|tally| tally.agent_crashes += 1);
        self.witness.tell(format_args!("fault: {agent} crashes"));
        sim.crash(agent);
        self.later(now, away, Mend::Start(agent.to_owned()));
        true
    }

    fn lose_disk(&mut self, agent: &str, now: Duration, sim: &mut Sim<'_>, fleet: &mut Fleet) {
        if self.crash(agent, 10..=10_000, now, sim) {
            self.witness.count(|tally| tally.lost_disks += 1);
            self.witness.tell(format_args!("fault: {agent} loses its disk"));
            fleet.new_disk(agent);
        }
    }

    /// A machine that is never seen again, and another one in its place.
    fn vanish(&mut self, agent: &str, sim: &mut Sim<'_>, fleet: &mut Fleet) {
        if self.down.contains(agent) || self.bad_links.contains(agent) {
            return;
        }
        self.witness.count(|tally| tally.lost_disks += 1);
        self.witness.tell(format_args!("fault: {agent} vanishes"));
        sim.crash(agent);
        fleet.retire(agent);
        fleet.enrol(sim);
    }

    fn spoil_link(&mut self, agent: &str, long: Millis, now: Duration, sim: &mut Sim<'_>) {
        if !self.bad_links.insert(agent.to_owned()) {
            return;
        }
        self.witness.count(|tally| tally.link_faults += 1);
        match self.chance.number(0..=4) {
            0 | 1 => {
                self.witness.tell(format_args!("fault: {agent} is cut off"));
                sim.partition(CONTROLLER, agent);
                self.later(now, long, Mend::Repair(agent.to_owned()));
            }
            2 => {
                let (from, to) =
                    if self.chance.one_in(2) { (CONTROLLER, agent) } else { (agent, CONTROLLER) };
                self.witness.tell(format_args!("fault: nothing comes from {from} to {to}"));
                sim.partition_oneway(from, to);
                self.later(now, long, Mend::Repair(agent.to_owned()));
            }
            3 => {
                self.witness.tell(format_args!("fault: the link to {agent} stands still"));
                sim.hold(CONTROLLER, agent);
                self.later(now, 200..=25_000, Mend::Release(agent.to_owned()));
            }
            _ => {
                let latency = self.chance.millis(100..=3_000);
                self.witness.tell(format_args!("fault: the link to {agent} takes {latency:?}"));
                sim.set_link_max_message_latency(CONTROLLER, agent, latency);
                self.later(now, 1_000..=30_000, Mend::Quicken(agent.to_owned()));
            }
        }
    }
}
