//! One simulation: a controller, some agents, a few batches, and a time in which
//! things go wrong. After it everything must come to rest.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cofi_proto::{AgentName, BatchId};
use turmoil::{Builder, Sim};

use crate::{
    agent::{Agent, Disk},
    chance::Chance,
    controller::{Controller, EPOCH, PORT},
    corpus,
    faults::{Faults, LATENCY},
    ledger::{ModelLedger, Row, Rows},
    mistake::Mistake,
    rest,
    witness::{Tally, Witness},
};

/// Name of the controller's host.
pub const CONTROLLER: &str = "controller";
/// Time passes in such steps.
const TICK: Duration = Duration::from_millis(10);
/// Segments of a connection that may be under way.
const SEGMENTS: usize = 1_024;
/// Time to come to rest in, beyond the one after which hosts are given up: the
/// longest pauses and leases come one after another.
const PATIENCE: Duration = Duration::from_mins(3);
/// What is at rest stays so.
const STILL: Duration = Duration::from_secs(8);

/// The agents that there are, and their disks.
#[derive(Debug)]
pub struct Fleet {
    controller: SocketAddr,
    agents: BTreeMap<String, Place>,
    enrolled: u64,
    stores: u64,
    chance: Chance,
    witness: Witness,
    mistake: Option<Mistake>,
}

/// A machine. Its disk can be another one after a crash. A lock and no task: one
/// thread runs the simulation, and it is held for one look.
#[derive(Debug, Clone)]
struct Place {
    name: AgentName,
    disk: Arc<Mutex<Disk>>,
}

impl Place {
    fn disk(&self) -> Disk {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Fleet {
    /// One of those that are not gone for good.
    #[must_use]
    pub fn any(&self, chance: &Chance) -> String {
        self.agents.keys().nth(chance.index(self.agents.len())).cloned().unwrap_or_default()
    }

    /// A new machine with an empty disk.
    pub fn enrol(&mut self, sim: &mut Sim<'_>) {
        self.enrolled += 1;
        let host = format!("agent-{}", self.enrolled);
        let Ok(name) = host.parse::<AgentName>() else { return };
        let place = Place { disk: Arc::new(Mutex::new(self.empty_disk(&name))), name };
        self.agents.insert(host.clone(), place.clone());
        let (controller, chance, mistake) = (self.controller, self.chance.clone(), self.mistake);
        let chance = if chance.one_in(3) { chance.sluggish() } else { chance };
        let receive_connections = if chance.one_in(2) { 1 } else { 2 };
        sim.host(host, move || {
            let agent = Agent {
                name: place.name.clone(),
                controller,
                receive_connections,
                disk: place.disk(),
                chance: chance.clone(),
                mistake,
            };
            async move { Ok(agent.run().await?) }
        });
    }

    /// A machine is gone for good.
    pub fn retire(&mut self, agent: &str) {
        self.agents.remove(agent);
    }

    /// A machine has an empty disk from its next start on.
    pub fn new_disk(&mut self, agent: &str) {
        let Some(place) = self.agents.get(agent).cloned() else { return };
        let disk = self.empty_disk(&place.name);
        *place.disk.lock().unwrap_or_else(PoisonError::into_inner) = disk;
    }

    fn empty_disk(&mut self, agent: &AgentName) -> Disk {
        self.stores += 1;
        let storage = format!("store-{}", self.stores);
        Disk::new(agent.clone(), storage, self.witness.clone())
    }

    /// The disks of those that are not gone.
    #[must_use]
    pub fn disks(&self) -> BTreeMap<AgentName, Disk> {
        self.agents.values().map(|place| (place.name.clone(), place.disk())).collect()
    }
}

/// Simulates a seed, with its files in `folder`. What went wrong is known to the
/// witness; how long it took is the answer.
pub fn simulate(
    seed: u64,
    folder: &Path,
    witness: &Witness,
    mistake: Option<Mistake>,
) -> anyhow::Result<Duration> {
    let shape = Chance::new(seed, 1);
    let until = shape.millis(20_000..=100_000);
    let batches = plan(folder, &shape, until)?;
    let rows = Rows::of(folder.display().to_string());
    let ledger = ModelLedger::new(rows, Chance::new(seed, 2), witness.clone(), mistake);
    let replace_after = shape.millis(25_000..=50_000);
    let controller = Controller {
        ledger: ledger.clone(),
        replace_after,
        chance: Chance::new(seed, 3),
        witness: witness.clone(),
    };
    let mut sim = Builder::new()
        .rng_seed(seed)
        .epoch(EPOCH)
        .simulation_duration(Duration::MAX)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(LATENCY.0))
        .max_message_latency(Duration::from_millis(LATENCY.1))
        .tcp_capacity(SEGMENTS)
        .enable_random_order()
        .build();
    let address = SocketAddr::new(sim.lookup(CONTROLLER), PORT);
    sim.host(CONTROLLER, move || {
        let controller = controller.clone();
        async move { Ok(controller.run().await?) }
    });
    let mut fleet = Fleet {
        controller: address,
        agents: BTreeMap::new(),
        enrolled: 0,
        stores: 0,
        chance: Chance::new(seed, 4),
        mistake,
        witness: witness.clone(),
    };
    for _ in 0..shape.number(2..=4) {
        fleet.enrol(&mut sim);
    }
    witness.tell(format_args!(
        "{} batches, {} agents, replaced after {replace_after:?}, faults until {until:?}",
        batches.len(),
        fleet.agents.len(),
    ));
    let faults = Faults::new(Chance::new(seed, 5), until, ledger.clone(), witness.clone());
    let deadline = until + replace_after + PATIENCE;
    Course { fleet, faults, batches, ledger, witness, deadline }.run(&mut sim)
}

/// Batches, and when they are planned: from the beginning on, until things do
/// not go wrong any more.
fn plan(folder: &Path, shape: &Chance, until: Duration) -> std::io::Result<VecDeque<(Duration, Vec<Row>)>> {
    let mut batches = VecDeque::new();
    let mut at = Duration::ZERO;
    while at < until {
        let batch = BatchId(i64::try_from(batches.len() + 1).unwrap_or(i64::MAX));
        batches.push_back((at, corpus::make(folder, batch, shape.number(1..=24), shape)?));
        at += shape.millis(1_000..=30_000);
    }
    Ok(batches)
}

/// A simulation on its way.
struct Course<'a> {
    fleet: Fleet,
    faults: Faults,
    batches: VecDeque<(Duration, Vec<Row>)>,
    ledger: ModelLedger,
    witness: &'a Witness,
    deadline: Duration,
}

impl Course<'_> {
    /// Runs until everything has been at rest for a while, or a promise is
    /// broken for which no more need be seen.
    fn run(mut self, sim: &mut Sim<'_>) -> anyhow::Result<Duration> {
        let mut rests_since = None;
        loop {
            let now = sim.elapsed();
            self.witness.time_is(now);
            while let Some((_, batch)) = self.batches.pop_front_if(|(at, _)| *at <= now) {
                self.witness.tell(format_args!("{} recordings are planned", batch.len()));
                self.ledger.publish(batch);
            }
            self.faults.act(now, sim, &mut self.fleet);
            if let Err(error) = sim.step() {
                self.witness.broken(format_args!("a program ended: {error}"));
                return Ok(now);
            }
            if self.faults.are_over(now) && self.is_over(now, &mut rests_since) {
                return Ok(now);
            }
        }
    }

    /// Whether everything has been at rest for a while, or does not come to it.
    /// What was on its way to a host that others have overtaken may still
    /// arrive, and is let go again: the while begins anew then.
    fn is_over(&self, now: Duration, rests_since: &mut Option<(Duration, Tally)>) -> bool {
        let (left, tally) = (rest::left_to_do(&self.ledger, &self.fleet.disks()), self.witness.tally());
        let since = rests_since.filter(|(_, before)| left.is_empty() && *before == tally);
        match since {
            Some((since, _)) if now > since + STILL => {
                rest::audit(&self.ledger, self.witness);
                return true;
            }
            Some(_) => {}
            None if now > self.deadline => {
                self.witness.broken(format_args!("nothing comes to rest: {}", left.join("; ")));
                return true;
            }
            None => *rests_since = left.is_empty().then_some((now, tally)),
        }
        false
    }
}
