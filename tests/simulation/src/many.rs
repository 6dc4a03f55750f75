//! Runs many seeds, as many at a time as there are processors.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::Context as _;
use clap::ValueEnum as _;
use cofi_simulation::{mistake::Mistake, report::Report, witness::Tally};

use super::Arguments;

#[allow(clippy::print_stdout, reason = "the report is what the program is for")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// What came of all seeds.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    seconds: u64,
    tally: Tally,
    failed: Vec<u64>,
}

/// Runs seeds and sums them up; whether every promise was kept in all of them.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let Arguments { from, seeds, until_broken, mistake, .. } = *arguments;
    let program = env::current_exe().context("find the own program")?;
    let next = AtomicU64::new(from);
    let sum = Mutex::new(Sum::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let failed = !sum.lock().unwrap_or_else(PoisonError::into_inner).failed.is_empty();
            if seed >= from.saturating_add(seeds) || (failed && until_broken) {
                return Ok(());
            }
            let outcome = run_one(&program, seed, mistake)?;
            sum.lock().unwrap_or_else(PoisonError::into_inner).add(seed, outcome);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
    })
    .map_err(|error: anyhow::Error| error)?;
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    say(&format!(
        "{} seeds, {} s of simulated time, {} failed: {}",
        sum.seeds,
        sum.seconds,
        sum.failed.len(),
        serde_json::to_string(&sum.tally)?,
    ));
    Ok(sum.failed.is_empty())
}

/// Runs a seed in a process of its own; its report, unless it broke something.
fn run_one(program: &Path, seed: u64, mistake: Option<Mistake>) -> anyhow::Result<Option<Report>> {
    let mistake = mistake.as_ref().and_then(Mistake::to_possible_value);
    let mistake: Vec<String> =
        mistake.iter().map(|mistake| format!("--mistake={}", mistake.get_name())).collect();
    let done = Command::new(program)
        .arg("--seed")
        .arg(seed.to_string())
        .args(&mistake)
        .stdin(Stdio::null())
        .output()
        .context("run a seed")?;
    let said = String::from_utf8_lossy(&done.stdout);
    let report = said.lines().last().and_then(|line| serde_json::from_str::<Report>(line).ok());
    if done.status.success() {
        return Ok(Some(report.context("a seed says nothing")?));
    }
    let broken = report.map(|report| report.broken).unwrap_or_default();
    say(&format!("seed {seed} failed ({}):", done.status));
    let complaints = String::from_utf8_lossy(&done.stderr).into_owned();
    let complaints: Vec<String> = complaints.lines().map(str::to_owned).collect();
    for line in if broken.is_empty() { &complaints[complaints.len().saturating_sub(8)..] } else { &broken } {
        say(&format!("  {line}"));
    }
    say(&format!("  again: cargo run -p cofi-simulation -- --seed {seed} --aloud {}", mistake.concat()));
    Ok(None)
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Option<Report>) {
        self.seeds += 1;
        match outcome {
            Some(report) => {
                self.seconds += report.seconds;
                self.tally.add(&report.tally);
            }
            None => self.failed.push(seed),
        }
    }
}
