//! Runs seeds, each in a process of its own: chance and clocks of the whole
//! process are those of the seed.

mod many;

use std::{process::ExitCode, thread};

use anyhow::{Context as _, anyhow};
use clap::Parser;
use cofi_simulation::{log::Overheard, mistake::Mistake, report::Report, witness::Witness, world};
use mad_turmoil::{rand::set_rng, time::SimClocksGuard};
use rand::{SeedableRng as _, rngs::StdRng};
use rustix::process::{Resource, Rlimit, setrlimit};
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Seconds of a processor that a seed may take: far more than any does.
const PROCESSOR_SECONDS: u64 = 300;
/// Futures of unoptimised builds are large.
const STACK: usize = 64 * 1024 * 1024;

/// Simulates the protocol between controller and agents.
#[derive(Debug, Parser)]
struct Arguments {
    /// Runs one seed.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Tells all that happens.
    #[arg(long, requires = "seed")]
    aloud: bool,
    /// Makes a mistake on purpose.
    #[arg(long)]
    mistake: Option<Mistake>,
    /// Ends with the first seed in which a promise is broken.
    #[arg(long)]
    until_broken: bool,
    /// Runs so many seeds.
    #[arg(long, default_value_t = 40)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.seed {
        Some(seed) => one(seed, arguments.aloud, arguments.mistake),
        None => many::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("simulation: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs one seed and prints its report; whether every promise was kept.
fn one(seed: u64, aloud: bool, mistake: Option<Mistake>) -> anyhow::Result<bool> {
    // A program that spins does not spin for ever.
    let limit = Rlimit { current: Some(PROCESSOR_SECONDS), maximum: Some(PROCESSOR_SECONDS) };
    setrlimit(Resource::Cpu, limit).context("limit the processor's time")?;
    // Named by real chance, or two runs of a seed would meet in it.
    let folder = tempfile::tempdir().context("make a folder for sources")?;
    set_rng(StdRng::seed_from_u64(seed));
    let witness = if aloud { Witness::aloud() } else { Witness::default() };
    tracing_subscriber::registry().with(Overheard(witness.clone())).init();
    let path = folder.path().to_owned();
    let witnessed = witness.clone();
    // A thread of its own, since what threads draw at their start is drawn
    // from the seed only from here on.
    let simulating = thread::Builder::new().stack_size(STACK).spawn(move || {
        let _clocks = SimClocksGuard::init();
        world::simulate(seed, &path, &witnessed, mistake)
    });
    let simulated = simulating.context("start a thread")?.join();
    let simulated = simulated.map_err(|_| anyhow!("the simulation panicked")).flatten();
    let broken = witness.broken_promises();
    if (simulated.is_err() || !broken.is_empty()) && !aloud {
        for line in witness.end_of_the_story() {
            eprintln!("{line}");
        }
    }
    let report = Report {
        seed,
        digest: witness.digest().to_string(),
        seconds: simulated?.as_secs(),
        tally: witness.tally(),
        broken,
    };
    many::say(&serde_json::to_string(&report)?);
    Ok(report.broken.is_empty())
}
