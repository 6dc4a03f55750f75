//! Certificates that expire while work goes on, or while a machine is off.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::{Allowed, audit, audit_allowing},
    cluster::{Cluster, Engine, SOON},
    corpus::Corpus,
    database::Connection,
    wait::until,
};

/// Seconds that a certificate is good for.
const LIFETIME: u64 = 6;
const LIFETIMES: u64 = 10;
/// The same for a machine that joins again: an agent looks every 10 s whether
/// somebody has done that.
const LONGER: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_outlives_its_certificates_ten_times_with_work_going_on() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.certificates_last(LIFETIME);
    let (begun, rounds) = (Instant::now(), AtomicUsize::new(0));
    cluster.controller.start().await?;
    let first = Corpus::make(&cluster.path("calls-0"), 60, 1)?;
    for index in 0..2 {
        cluster.add_agent(&format!("host-{index}"), Engine::Answers(first.answers.clone())).await?;
    }
    cluster.agents_are_ready().await?;
    let batch = cluster.submit(&first).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &first, batch).await?;
    while begun.elapsed() < Duration::from_secs(LIFETIME * LIFETIMES) {
        let round = rounds.fetch_add(1, Ordering::Relaxed) + 1;
        // The same names, so that the engines know the answers, in a new batch.
        let again = cluster.submit(&first).await?;
        let ended = cluster.at_rest(again).await?;
        ensure!(ended.counts.unwrap_or_default().identified == 60, "round {round}: {ended:?}");
    }
    let mut connection = Connection::reading(cluster.controller.database()).await?;
    let issued = connection.count("SELECT COUNT(*) FROM cofiAgentCertificate WHERE ? >= 0", 0).await?;
    // Renewed after a third, or a little later: at least twice a lifetime.
    let least = i64::try_from(LIFETIMES * 2 * 2)?;
    ensure!(issued >= least, "{issued} certificates in {LIFETIMES} lifetimes of two agents");
    for agent in &cluster.agents {
        let log = agent.log_text()?;
        let calm = ["WARN", "ERROR"].iter().all(|level| !log.contains(&format!("\"level\":\"{level}\"")));
        ensure!(calm, "{} had trouble:\n{log}", agent.name);
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_was_off_for_too_long_hears_the_way_back_and_takes_it() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.certificates_last(LONGER);
    let corpus = cluster.begin(1, 40, 2).await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    let Some(mut agent) = cluster.agents.pop() else { anyhow::bail!("no agent") };
    agent.stop().await?;
    tokio::time::sleep(Duration::from_secs(LONGER + 1)).await;
    agent.start(&cluster.controller).await?;
    until("the agent to say what to do", SOON, async || {
        let log = agent.log_text()?;
        let said = log.contains("expired") && log.contains("cofi token create --join host-0");
        Ok(said.then_some(()))
    })
    .await?;
    ensure!(agent.ended()?.is_none(), "it ended");
    cluster.agent_is("host-0", pb::AgentState::Away).await?;

    // The certificates of before are none of its: it need not be started again.
    agent.join_again(&cluster.controller).await?;
    cluster.agent_is("host-0", pb::AgentState::Ready).await?;
    cluster.agents.push(agent);
    let again = cluster.submit(&corpus).await?;
    cluster.at_rest(again).await?;
    // What it said of its certificate a person had to read.
    let expired = Allowed { errors: &["certificate has expired"] };
    audit_allowing(&cluster, &corpus, again, expired).await?;
    cluster.stop().await
}
