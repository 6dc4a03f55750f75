//! The controller: its real half that faces agents, over the model ledger, the
//! simulated network and sources on the disk of this machine.
//!
//! Played here is what the other half does for it: batches are opened at a
//! start, and somebody looks at the rows from time to time and says which
//! batches wait.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::bail;
use cofi_controller::{
    access::Denials,
    agent_side::AgentSide,
    dispatch::Dispatch,
    health::Health,
    lane::{Readers, Reading},
};
use cofi_language::LanguageTable;
use cofi_proto::clock::Clock;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{chance::Chance, ledger::ModelLedger, net::incoming, witness::Witness};

/// Where agents dial.
pub const PORT: u16 = 7401;
/// When the simulation begins.
pub const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;
const LOOK: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(500);

/// The time of day is that of the simulation, and moves with each look as that
/// of a machine does.
#[derive(Debug)]
struct SimulatedClock {
    witness: Witness,
    last: AtomicI64,
}

impl Clock for SimulatedClock {
    fn now_micros(&self) -> i64 {
        let now = i64::try_from(self.witness.now().as_micros()).unwrap_or(i64::MAX);
        let now = now.max(self.last.load(Ordering::Relaxed) + 1);
        self.last.store(now, Ordering::Relaxed);
        now
    }
}

/// Reads in the one thread of the simulation.
#[derive(Debug, Clone, Default)]
struct Inline(TaskTracker);

impl Readers for Inline {
    fn last(&self, _name: String, reading: Reading) -> io::Result<()> {
        self.once(reading);
        Ok(())
    }

    fn once(&self, reading: Reading) {
        drop(self.0.spawn(reading));
    }
}

/// What a controller is made of.
#[derive(Debug, Clone)]
pub struct Controller {
    /// Survives it.
    pub ledger: ModelLedger,
    /// How long an agent may be away before what it holds is placed again.
    pub replace_after: Duration,
    /// Decides how long things take.
    pub chance: Chance,
    /// Sees everything.
    pub witness: Witness,
}

impl Controller {
    /// Runs until it crashes.
    pub async fn run(self) -> anyhow::Result<()> {
        sleep(self.chance.millis(20..=500)).await;
        let generation = self.ledger.begin_generation();
        let stop = CancellationToken::new();
        let half = loop {
            // Without its database a controller does not start.
            match self.side(generation).assemble(&stop).await {
                Ok(half) => break half,
                Err(_) => sleep(RETRY).await,
            }
        };
        self.witness.tell(format_args!("controller: generation {generation}"));
        let mut parts = JoinSet::new();
        for (_, part) in half.parts {
            parts.spawn(part);
        }
        for writer in half.writers {
            parts.spawn(writer);
        }
        parts.spawn(look(self.ledger.clone(), half.dispatch.clone()));
        let mut serving = JoinSet::new();
        serving.spawn(half.door.serve(incoming(PORT).await?, stop));
        tokio::select! {
            ended = serving.join_next() => bail!("the door closed: {ended:?}"),
            ended = parts.join_next() => bail!("a part of the controller ended: {ended:?}"),
        }
    }

    fn side(&self, generation: u64) -> AgentSide {
        AgentSide {
            ledger: Arc::new(self.ledger.clone()),
            database_id: "simulated".into(),
            generation,
            languages: Arc::new(LanguageTable::default()),
            clock: Arc::new(SimulatedClock { witness: self.witness.clone(), last: AtomicI64::new(0) }),
            health: Health::default(),
            readers: Arc::new(Inline::default()),
            replace_after: self.replace_after,
            denials: Denials::unheard(),
            connections_per_agent: 8,
        }
    }
}

/// Opens the batches, and says which of them wait.
async fn look(ledger: ModelLedger, dispatch: Dispatch) {
    let mut opened = BTreeSet::new();
    loop {
        if let Ok(batches) = ledger.unfinished().await {
            for batch in batches {
                if opened.insert(batch.batch) {
                    dispatch.open_batch(batch).await;
                } else if batch.counts.planned > 0 {
                    dispatch.batch_waits(batch).await;
                }
            }
        }
        sleep(LOOK).await;
    }
}
