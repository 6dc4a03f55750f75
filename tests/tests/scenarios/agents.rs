//! What agents are promised, and what is asked of them.

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt as _, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Agent, Cluster, Engine, SOON},
    corpus::Corpus,
    wait::until,
    worker::Behaviour,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_of_one_name_is_refused_with_words() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(1, 20, 1).await?;
    let name = cluster.agents[0].name.clone();
    let engine = Engine::Answers(corpus.answers.clone());
    let mut twin = Agent::new(&cluster.path("."), &name, "10.77.0.99", engine)?;
    twin.impersonate(&cluster.agents[0])?;
    twin.start(&cluster.controller).await?;
    until("the second agent to be told why", SOON, async || {
        Ok(twin.log_text()?.contains("is connected with another data_dir").then_some(()))
    })
    .await?;
    ensure!(twin.ended()?.is_none(), "it waits for the name to be free");

    // The first one is none the worse for it.
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    twin.stop().await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_engine_does_not_come_up_gets_no_work_and_says_why() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let corpus = Corpus::make(&cluster.path("calls"), 20, 1)?;
    cluster.controller.start().await?;
    let engine = Engine::Answers(corpus.answers.clone());
    let mut lame = Agent::new(&cluster.path("."), "lame", "10.77.0.1", engine.clone())?;
    lame.desk.tell(&Behaviour::Refuse { why: "the model is for another engine".to_owned() })?;
    lame.start(&cluster.controller).await?;
    cluster.agents.push(lame);
    let seen = cluster.agent_is("lame", pb::AgentState::Unfit).await?;
    ensure!(seen.reason.contains("the model is for another engine"), "{seen:?}");

    let batch = cluster.submit(&corpus).await?;
    let waiting = until("the batch to say what it waits for", SOON, async || {
        let batch = cluster.client()?.batch(batch).await?;
        Ok((!batch.waiting_for.is_empty()).then_some(batch))
    });
    let waiting = waiting.await?;
    ensure!(waiting.waiting_for.contains("lame"), "{waiting:?}");
    ensure!(waiting.counts.unwrap_or_default().stored == 0, "{waiting:?}");

    // Another one does all of it.
    cluster.add_agent("sound", engine).await?;
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 20, "{tally:?}");
    ensure!(cluster.agents[0].journal().await?.held_count().await? == 0, "the lame one got work");

    // And the first one comes to itself once its engine does.
    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    cluster.agent_is("lame", pb::AgentState::Ready).await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_stores_lies_in_its_publish_dir_under_its_name() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let corpus = Corpus::make(&cluster.path("calls"), 50, 1)?;
    cluster.controller.start().await?;
    let engine = Engine::Answers(corpus.answers.clone());
    let mut agent = Agent::new(&cluster.path("."), "host-0", "10.77.0.1", engine)?;
    let published = agent.publish()?;
    // Another stage's file, which happens to have a recording's name.
    let taken = corpus.in_order()[7].name.clone();
    fs::write(published.join(&taken), "somebody else's")?;
    agent.start(&cluster.controller).await?;
    cluster.agents.push(agent);

    let batch = cluster.submit(&corpus).await?;
    let ended = cluster.at_rest(batch).await?;
    let [failure] = &ended.newest_failures[..] else { anyhow::bail!("{ended:?}") };
    ensure!((failure.audio_name.as_str(), failure.code.as_str()) == (&*taken, "name_taken"), "{failure:?}");
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!((tally.identified, tally.placement_failed) == (49, 1), "{tally:?}");
    ensure!(fs::read(published.join(&taken))? == b"somebody else's", "it was overwritten");

    let stored = cluster.agents[0].recordings(batch);
    for sample in corpus.samples.values().filter(|sample| sample.name != taken) {
        let (one, other) =
            (fs::metadata(published.join(&sample.name))?, fs::metadata(stored.join(&sample.name))?);
        ensure!(one.ino() == other.ino(), "{:?} is published as a copy", sample.name);
    }
    let there: HashSet<_> =
        fs::read_dir(&published)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    ensure!(there.len() == 50, "{} names are published", there.len());
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_asked_to_end_does_and_goes_on_later() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(2, 2_000, 1).await?;
    let batch = cluster.submit(&corpus).await?;
    let tables = cluster.tables().await?;
    until("some to be distributed", SOON, async || Ok((tables.distributed(batch).await? > 0).then_some(())))
        .await?;
    let begun = tokio::time::Instant::now();
    let status = cluster.controller.terminate().await?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    ensure!(begun.elapsed() < Duration::from_secs(10), "it took {} s to end", begun.elapsed().as_secs());
    let left = 2_000 - tables.distributed(batch).await?;
    eprintln!("ended with {left} to be distributed");

    cluster.controller.start().await?;
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 2_000, "{tally:?}");
    for agent in &cluster.agents {
        let again = agent.journal().await?.held(batch).await?.into_iter().find(|held| !held.came_once());
        ensure!(again.is_none(), "sent again: {again:?}");
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_asked_to_end_finishes_what_it_has() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(1, 300, 1).await?;
    let batch = cluster.submit(&corpus).await?;
    let journal = cluster.agents[0].journal().await?;
    until("the agent to hold some", SOON, async || Ok((journal.held_count().await? > 0).then_some(())))
        .await?;
    cluster.agents[0].stop().await?;
    let away = cluster.agent_is("host-0", pb::AgentState::Away).await?;
    ensure!(!away.reason.is_empty(), "{away:?}");

    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 300, "{tally:?}");
    cluster.stop().await
}
