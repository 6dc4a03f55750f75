//! The clock of every machine jumps, by days and in both directions, while a
//! batch runs: nobody is taken for lost, nothing is done twice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{
    audit::{audit, done_once},
    cluster::{Agent, Cluster, Engine, SOON},
    corpus::Corpus,
    logs,
    wait::until,
    worker::Behaviour,
};

const RECORDINGS: usize = 600;
/// How far the clocks are from the true time when so many are identified.
const JUMPS: [(i64, &str); 3] = [(50, "+3d"), (200, "-40d"), (350, "+0")];

/// The library that turns the clocks of a program.
fn library() -> Result<PathBuf> {
    let found = fs::read_dir("/usr/lib")?
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|path| path.exists());
    found.context("libfaketime is missing: install faketime")
}

/// Turns the clock of the program that follows, as `clock` says, but none of
/// those that timeouts are taken from, and no times of files.
fn wrapper(clock: &Path) -> Result<Vec<String>> {
    let (library, clock) = (library()?, clock.display());
    Ok(vec![
        "env".to_owned(),
        format!("LD_PRELOAD={}", library.display()),
        format!("FAKETIME_TIMESTAMP_FILE={clock}"),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        "NO_FAKE_STAT=1".to_owned(),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_moves_no_timeout_and_loses_nothing() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let clock = cluster.path("clock");
    fs::write(&clock, "+0")?;
    let wrapper = wrapper(&clock)?;
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let corpus = Corpus::make(&cluster.path("calls"), RECORDINGS, 1)?;
    cluster.controller.wrap(&wrapper);
    cluster.controller.start().await?;
    for index in 0..2 {
        let (name, address) = (format!("host-{index}"), format!("10.77.0.{}", index + 1));
        let engine = Engine::Answers(corpus.answers.clone());
        let mut agent = Agent::new(&cluster.path("."), &name, &address, engine)?;
        agent.wrap(&wrapper);
        agent.start(&cluster.controller).await?;
        agent.desk.tell(&Behaviour::Delay { millis: 10 })?;
        cluster.agents.push(agent);
    }
    cluster.agents_are_ready().await?;
    let batch = cluster.submit(&corpus).await?;
    let tables = cluster.tables().await?;
    for (identified, offset) in JUMPS {
        until(format!("{identified} to be identified"), SOON, async || {
            Ok((tables.identified(batch).await? >= identified).then_some(()))
        })
        .await?;
        fs::write(&clock, offset)?;
    }
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 600, "{tally:?}");
    done_once(&cluster, batch).await?;
    let log = logs::read(&cluster.controller.log())?;
    let sessions = log.lines().filter(|line| line.contains("session begins")).count();
    ensure!(sessions == 2, "a session was lost: {log}");
    let days = |log: &str| {
        let stamps = log.lines().filter_map(|line| line.split_once("\"timestamp\":\"")?.1.get(..10));
        stamps.map(str::to_owned).collect::<std::collections::BTreeSet<_>>().len()
    };
    ensure!(days(&log) > 1, "no clock has jumped: {log}");
    cluster.stop().await
}
