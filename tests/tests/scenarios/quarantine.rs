//! Agents on which what they get fails: no recording pays for it.

use anyhow::{Context as _, Result, ensure};
use cofi_lid::protocol::FailureClass;
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::{Allowed, audit, audit_allowing},
    cluster::{Agent, Cluster, Engine, SOON},
    corpus::Corpus,
    database::Kind,
    wait::until,
    worker::Behaviour,
};
use rstest::rstest;

const RECORDINGS: usize = 200;
/// A person must look: that is an ERROR.
const PROVOKED: Allowed<'_> = Allowed { errors: &["agent is quarantined"] };

/// Starts agents whose engines are tried once for each recording.
async fn begin(cluster: &mut Cluster, broken: &[bool]) -> Result<Corpus> {
    let corpus = Corpus::make(&cluster.path("calls"), RECORDINGS, 1)?;
    cluster.controller.start().await?;
    for (index, broken) in broken.iter().enumerate() {
        let engine = Engine::Answers(corpus.answers.clone());
        let (name, address) = (format!("host-{index}"), format!("10.77.0.{}", index + 1));
        let mut agent = Agent::new(&cluster.path("."), &name, &address, engine)?;
        agent.limit_attempts(1);
        if *broken {
            agent.desk.tell(&Behaviour::fail(FailureClass::Engine))?;
        }
        agent.start(&cluster.controller).await?;
        cluster.agents.push(agent);
        cluster.agent_is(&name, pb::AgentState::Ready).await?;
    }
    Ok(corpus)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_says_ready_and_fails_everything_quarantines_its_agent_and_fails_no_recording(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    let corpus = begin(&mut cluster, &[true, false]).await?;
    let batch = cluster.submit(&corpus).await?;
    let seen = cluster.agent_is("host-0", pb::AgentState::Quarantined).await?;
    ensure!(seen.reason.contains("its engine failed on 3 recordings in a row"), "{seen:?}");
    ensure!(seen.reason.contains("told to fail") && seen.since_micros > 0, "{seen:?}");

    let ended = cluster.at_rest(batch).await?;
    ensure!(ended.state() == pb::BatchState::Complete, "{ended:?}");
    let recordings = cluster.client()?.recordings(batch, pb::RecordingFilter::Identified).await?;
    let elsewhere = recordings.iter().filter(|recording| recording.agent == "host-1").count();
    ensure!(elsewhere == RECORDINGS, "{elsewhere} are on the agent that does well");
    let explained = cluster.cofi(&["explain", "agent", "host-0", "--json"]).await?.json()?;
    ensure!(explained["reasons"][0]["kind"] == "agent_quarantined", "{explained}");
    ensure!(explained["history"][0]["kind"] == "agent_quarantined", "{explained}");

    // An operator who has mended it vouches for it.
    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    ensure!(cluster.cofi(&["agent", "resume", "host-0"]).await?.code == Some(0), "it cannot be resumed");
    cluster.agent_is("host-0", pb::AgentState::Ready).await?;
    let tally = audit_allowing(&cluster, &corpus, batch, PROVOKED).await?;
    ensure!((tally.identified, tally.lid_failed) == (200, 0), "{tally:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_engines_fail_the_batch_waits_and_goes_on_by_itself_once_one_is_mended() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let corpus = begin(&mut cluster, &[true, true]).await?;
    let batch = cluster.submit(&corpus).await?;
    for agent in ["host-0", "host-1"] {
        cluster.agent_is(agent, pb::AgentState::Quarantined).await?;
    }
    let explained = cluster.cofi(&["explain", "batch", &batch.to_string(), "--json"]).await?.json()?;
    let reasons = explained["reasons"].as_array().context("no reasons")?;
    let quarantined = reasons.iter().filter(|reason| reason["kind"] == "agent_quarantined").count();
    ensure!(quarantined == 2, "{explained}");
    let failed = cluster.client()?.batch(batch).await?.counts.unwrap_or_default().lid_failed;
    ensure!(failed == 0, "{failed} recordings paid for it");

    // Also a controller that starts anew knows of it.
    cluster.controller.kill().await?;
    cluster.controller.start().await?;
    cluster.agent_is("host-1", pb::AgentState::Quarantined).await?;

    cluster.agents[1].desk.tell(&Behaviour::Answer)?;
    cluster.agent_is("host-1", pb::AgentState::Ready).await?;
    let ended = cluster.at_rest(batch).await?;
    ensure!(ended.state() == pb::BatchState::Complete, "{ended:?}");
    cluster.agent_is("host-0", pb::AgentState::Quarantined).await?;
    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    ensure!(cluster.cofi(&["agent", "resume", "host-0"]).await?.code == Some(0), "it cannot be resumed");
    let tally = audit_allowing(&cluster, &corpus, batch, PROVOKED).await?;
    ensure!((tally.identified, tally.lid_failed) == (200, 0), "{tally:?}");
    cluster.stop().await
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_agents_all_vanish_waits_says_why_and_finishes_when_one_returns(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    cluster.controller.replace_after(5);
    let corpus = cluster.begin(2, RECORDINGS, 1).await?;
    for agent in &cluster.agents {
        agent.desk.tell(&Behaviour::Delay { millis: 20 })?;
    }
    let batch = cluster.submit(&corpus).await?;
    let tables = cluster.tables().await?;
    until("some to be identified", SOON, async || Ok((tables.identified(batch).await? > 10).then_some(())))
        .await?;
    for agent in &mut cluster.agents {
        agent.kill().await?;
    }
    let id = batch.to_string();
    let away = until("the batch to say that both are away", SOON, async || {
        let explained = cluster.cofi(&["explain", "batch", &id, "--json"]).await?.json()?;
        let reasons = explained["reasons"].as_array().context("no reasons")?;
        let away = |name: &str| {
            reasons.iter().any(|reason| reason["kind"] == "agent_away" && reason["agent"] == name)
        };
        Ok((away("host-0") && away("host-1")).then_some(explained))
    })
    .await?;
    let held: u64 = away["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reason| reason["recordings"].as_u64())
        .sum();
    ensure!(held > 0 && away["state"] != "complete", "{away}");

    // Nobody comes: what they held is to be placed again, on whoever connects.
    let lost = until("them to be given up", SOON, async || {
        let explained = cluster.cofi(&["explain", "batch", &id]).await?.stdout;
        Ok(explained.contains("none of 2 agents is connected").then_some(explained))
    })
    .await?;
    ensure!(lost.contains("-> start an agent"), "{lost}");
    until("the batch to say it in its own words", SOON, async || {
        let waiting = cluster.client()?.batch(batch).await?;
        Ok(waiting.waiting_for.contains("an agent to connect").then_some(()))
    })
    .await?;

    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.desk.tell(&Behaviour::Answer)?;
    agent.start(&cluster.controller).await?;
    let ended = cluster.at_rest(batch).await?;
    ensure!(ended.state() == pb::BatchState::Complete, "{ended:?}");
    let done = cluster.cofi(&["explain", "batch", &id, "--json"]).await?.json()?;
    ensure!(done["reasons"][0]["kind"] == "complete", "{done}");

    // The other one hears that it need not hold anything.
    let agent = cluster.agents.last_mut().context("no agent")?;
    agent.desk.tell(&Behaviour::Answer)?;
    agent.start(&cluster.controller).await?;
    cluster.agent_is("host-1", pb::AgentState::Ready).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 200, "{tally:?}");
    cluster.stop().await
}
