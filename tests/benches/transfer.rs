//! How long a batch takes from its submission until all of it is stored and
//! recorded, and for how much of that time the recording of rows is under way:
//! on `SQLite`, with every commit flushed.
//!
//! The agents' disks are in memory, which needs root. They stand for machines of
//! their own: on one disk the flushes of rows would wait for those of the
//! recordings, which they never share a disk with.
//!
//! `cargo build --release --bins && cargo bench -p cofi-tests --bench transfer
//! -- [FILES [KILOBYTES [AGENTS]]]` takes the number of recordings (2,000),
//! their size (480, half a minute of telephone) and the agents (2).
#![allow(clippy::print_stdout, reason = "prints its figures")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    cluster::{Agent, Cluster, Engine},
    corpus::Corpus,
    disk::SmallDisk,
    logs,
    wait::until,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

/// The longest that a transfer may take.
const PATIENCE: Duration = Duration::from_mins(10);

#[tokio::main]
async fn main() -> Result<()> {
    // cargo passes --bench to a benchmark without a harness.
    let numbers = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let numbers: Vec<usize> = numbers
        .map(|number| number.parse().with_context(|| format!("{number} is no number")))
        .collect::<Result<_>>()?;
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let (files, kilobytes, agents) = (number(0, 2_000), number(1, 480), number(2, 2));

    let mut cluster = Cluster::new()?;
    // What is logged of each group of rows.
    cluster.controller.wrap(&["env", "COFI_LOG=info,cofi_controller::commit=debug"]);
    let corpus = large(&cluster, files, kilobytes * 1_000)?;
    cluster.controller.start().await?;
    let mebibytes = u32::try_from(2 * files * kilobytes / 1_000 + 1_000)?;
    let mut disks = Vec::new();
    for index in 0..agents {
        let (name, address) = (format!("host-{index}"), format!("10.77.0.{}", index + 1));
        let engine = Engine::Answers(corpus.answers.clone());
        let mut agent = Agent::new(&cluster.path("."), &name, &address, engine)?;
        disks.push(SmallDisk::mount(&agent.data_dir(), mebibytes)?);
        agent.start(&cluster.controller).await?;
        cluster.agents.push(agent);
    }
    cluster.agents_are_ready().await?;

    let begun = Instant::now();
    let batch = cluster.submit(&corpus).await?;
    let client = cluster.client()?;
    until("all to be recorded", PATIENCE, async || {
        let batch = client.batch(batch).await?;
        Ok((batch.state() != pb::BatchState::Distributing).then_some(()))
    })
    .await?;
    let transfer = begun.elapsed().as_secs_f64();
    let (recorded, recording, groups) = recording(&logs::read(&cluster.controller.log())?)?;
    ensure!(recorded == u64::try_from(files)?, "{recorded} recordings of {files} were recorded");

    let megabytes = exact(files * kilobytes) / 1e3;
    println!(
        "{files} recordings of {kilobytes} kB to {agents} agents: {transfer:.2} s, {:.0} files/s, {:.0} MB/s",
        exact(files) / transfer,
        megabytes / transfer,
    );
    println!(
        "recording their rows: {recording:.3} s in {groups} groups, {:.1} % of the transfer's time",
        100.0 * recording / transfer,
    );
    cluster.stop().await?;
    drop(disks);
    Ok(())
}

/// Recordings of one size, no two of them the same.
fn large(cluster: &Cluster, files: usize, bytes: usize) -> Result<Corpus> {
    let mut corpus = Corpus::empty(&cluster.path("calls"))?;
    let mut random = StdRng::seed_from_u64(1);
    let mut content = vec![0; bytes];
    random.fill(&mut content[..]);
    for file in 0..files {
        for (byte, number) in content.iter_mut().zip(file.to_le_bytes()) {
            *byte = number;
        }
        corpus.add(&format!("call {file:06}.wav"), &content, "hi", 30.0)?;
    }
    Ok(corpus)
}

/// How many recordings got their rows, in how many seconds and groups.
fn recording(log: &str) -> Result<(u64, f64, usize)> {
    let (mut recorded, mut seconds, mut groups) = (0, 0.0, 0);
    for line in log.lines().filter(|line| line.contains("recorded a group")) {
        let line: Value = serde_json::from_str(line).context("a log line")?;
        let fields = &line["fields"];
        recorded += fields["count"].as_u64().context("no count")?;
        seconds += fields["seconds"].as_f64().context("no seconds")?;
        groups += 1;
    }
    Ok((recorded, seconds, groups))
}

fn exact(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
