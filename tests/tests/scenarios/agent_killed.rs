//! Agents and their workers end in the middle of their work.

use std::{collections::HashMap, time::Duration};

use anyhow::{Result, ensure};
use cofi_lid::protocol::FailureClass;
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Agent, Cluster, Engine, PATIENCE},
    corpus::Corpus,
    journal::Held,
    reader::Reader,
    seeds::seeds,
    wait::until,
    worker::Behaviour,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const RECORDINGS: usize = 8_000;

/// What one of the two agents holds when it is killed in the middle of its
/// share.
const HELD: std::ops::Range<i64> = 200..2_500;

/// Recordings that may be identified again: the one in the worker's hands, and
/// those whose answers were not written down yet, 64 of which may be with the
/// journal and 64 on their way to it.
const IN_HAND: usize = 1 + 2 * 64;

/// Times that an engine may fail on a recording.
const ATTEMPTS: u32 = 2;

/// Slow enough that most recordings still wait when the agent is killed.
const SLOW: Behaviour = Behaviour::Delay { millis: 2 };

/// Recordings that are identified when the agent is killed.
const IDENTIFIED: std::ops::Range<i64> = 50..400;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_while_it_receives_keeps_what_it_acknowledged() -> Result<()> {
    for seed in seeds(1, 10)? {
        eprintln!("seed {seed}");
        let aim = StdRng::seed_from_u64(seed).random_range(HELD);
        let (mut cluster, corpus) = Cluster::with_corpus(2, RECORDINGS, seed).await?;
        let batch = cluster.submit(&corpus).await?;
        let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
        let journal = cluster.agents[0].journal().await?;
        until(format!("agent to hold {aim}"), PATIENCE, async || {
            Ok((journal.held_count().await? >= aim).then_some(()))
        })
        .await?;
        cluster.agents[0].kill().await?;
        let held = journal.held(batch).await?;
        eprintln!("killed with {} held", held.len());
        let distributed = cluster.tables().await?.distributed(batch).await?;
        ensure!(usize::try_from(distributed)? < RECORDINGS, "the agent was killed too late");

        let agent = &mut cluster.agents[0];
        agent.start(&cluster.controller).await?;
        cluster.at_rest(batch).await?;
        reader.finish()?;
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
        let after: HashMap<i64, Held> =
            journal.held(batch).await?.into_iter().map(|held| (held.ordinal, held)).collect();
        for before in held.iter().filter(|before| before.placed) {
            let now = after.get(&before.ordinal);
            ensure!(now.is_some_and(Held::came_once), "held when it was killed: {before:?}, now {now:?}");
        }
        cluster.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_while_it_identifies_does_no_finished_work_again() -> Result<()> {
    for seed in seeds(1, 10)? {
        eprintln!("seed {seed}");
        let aim = StdRng::seed_from_u64(seed).random_range(IDENTIFIED);
        let (mut cluster, corpus) = Cluster::with_corpus(1, 1_500, seed).await?;
        cluster.agents[0].desk.tell(&SLOW)?;
        let batch = cluster.submit(&corpus).await?;
        let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
        let tables = cluster.tables().await?;
        until("enough to be identified, and everything distributed", PATIENCE, async || {
            let (identified, distributed) =
                (tables.identified(batch).await?, tables.distributed(batch).await?);
            Ok((identified >= aim && distributed == 1_500).then_some(()))
        })
        .await?;
        cluster.agents[0].kill().await?;
        let finished = cluster.agents[0].journal().await?.finished(batch).await?;
        eprintln!("killed with {} finished", finished.len());
        ensure!(finished.len() < 1_500, "the agent was killed too late");
        let asked_before = cluster.agents[0].desk.requests()?;

        cluster.agents[0].desk.tell(&Behaviour::Answer)?;
        let agent = &mut cluster.agents[0];
        agent.start(&cluster.controller).await?;
        let ended = cluster.at_rest(batch).await?;
        ensure!(ended.state() == pb::BatchState::Complete, "{ended:?}");
        reader.finish()?;
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == 1_500, "{tally:?}");
        let asked = cluster.agents[0].desk.requests()?;
        for name in &finished {
            ensure!(asked[name] == asked_before[name], "{name:?} was finished and identified again");
        }
        let twice = asked.values().filter(|&&times| times > 1).count();
        ensure!(twice <= IN_HAND, "{twice} recordings were identified again");
        cluster.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_work_costs_attempts_and_no_agent() -> Result<()> {
    for (behaviour, code) in [
        (Behaviour::Crash, "worker_crashed"),
        (Behaviour::Hang, "timeout"),
        (Behaviour::fail(FailureClass::Engine), "told_to"),
    ] {
        let mut cluster = Cluster::new()?;
        let corpus = Corpus::make(&cluster.path("calls"), 1, 1)?;
        cluster.controller.start().await?;
        let engine = Engine::Answers(corpus.answers.clone());
        let mut agent = Agent::new(&cluster.path("."), "host-0", "10.77.0.1", engine)?;
        agent.limit_engine(Duration::from_secs(1));
        agent.limit_attempts(ATTEMPTS);
        agent.desk.tell(&behaviour)?;
        agent.start(&cluster.controller).await?;
        cluster.agents.push(agent);
        let batch = cluster.submit(&corpus).await?;
        let ended = cluster.at_rest(batch).await?;
        let [failure] = &ended.newest_failures[..] else { anyhow::bail!("{behaviour:?}: {ended:?}") };
        ensure!(failure.code == code, "{behaviour:?}: {failure:?}");
        // In each of the two rounds after which a recording is blamed.
        let attempts: u64 = cluster.agents[0].desk.requests()?.values().sum();
        ensure!(attempts == u64::from(2 * ATTEMPTS), "{behaviour:?}: {attempts} attempts");
        ensure!(cluster.agents[0].ended()?.is_none(), "{behaviour:?}: the agent ended with its worker");

        cluster.agents[0].desk.tell(&Behaviour::Answer)?;
        cluster.client()?.retry(batch).await?;
        cluster.at_rest(batch).await?;
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == 1, "{behaviour:?}: {tally:?}");
        cluster.stop().await?;
    }
    Ok(())
}
