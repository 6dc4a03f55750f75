//! Hosts that are gone, that an operator takes away, or that come back with
//! less than they had; and a database that comes back from a backup.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Cluster, SOON},
    corpus::Corpus,
    database::Kind,
    wait::until,
    worker::Behaviour,
};
use rstest::rstest;

const RECORDINGS: usize = 300;

/// Two hosts that share a batch. The first one's engine hangs after a while:
/// it holds recordings with a language and such without.
async fn shared(cluster: &mut Cluster) -> Result<(Corpus, i64)> {
    cluster.controller.replace_after(2);
    let corpus = cluster.begin(2, RECORDINGS, 1).await?;
    let batch = cluster.submit(&corpus).await?;
    let tables = cluster.tables().await?;
    until("the first host to have identified some", SOON, async || {
        Ok((!cluster.agents[0].journal().await?.finished(batch).await?.is_empty()).then_some(()))
    })
    .await?;
    cluster.agents[0].desk.tell(&Behaviour::Hang)?;
    until("all to be distributed", SOON, async || {
        Ok((usize::try_from(tables.distributed(batch).await?)? == RECORDINGS).then_some(()))
    })
    .await?;
    // What it was about to answer when it was told to hang has its row as well.
    let journal = cluster.agents[0].journal().await?;
    let mut before = 0;
    until("the first host to hang, and all its results to be heard", SOON, async || {
        let asked = cluster.agents[0].desk.requests()?.len();
        let hangs = asked > journal.finished(batch).await?.len() && asked == before;
        before = asked;
        Ok((hangs && journal.unreceipted().await? == 0).then_some(()))
    })
    .await?;
    Ok((corpus, batch))
}

/// Names that have a language by now.
async fn identified(cluster: &Cluster, batch: i64) -> Result<HashSet<String>> {
    let identified = cluster.client()?.recordings(batch, pb::RecordingFilter::Identified).await?;
    Ok(identified.into_iter().map(|recording| recording.audio_name).collect())
}

/// Everything ends on the second host; what had a language was not identified
/// again there.
async fn all_on_the_second(cluster: &Cluster, batch: i64, had: &HashSet<String>) -> Result<()> {
    until("the second host to hold and identify everything", SOON, async || {
        let recordings = cluster.client()?.recordings(batch, pb::RecordingFilter::Identified).await?;
        let moved = recordings.iter().filter(|recording| recording.agent == cluster.agents[1].name).count();
        Ok((moved == RECORDINGS).then_some(()))
    })
    .await?;
    let asked = cluster.agents[1].desk.requests()?;
    let before: HashSet<String> = cluster.agents[0].desk.requests()?.into_keys().collect();
    let twice: Vec<&String> =
        asked.keys().filter(|name| had.contains(*name) && before.contains(*name)).collect();
    ensure!(twice.is_empty(), "identified on both: {twice:?}");
    ensure!(asked.values().all(|times| *times == 1), "identified again and again: {asked:?}");
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_held_that_is_gone_for_good_is_placed_again(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    let (corpus, batch) = shared(&mut cluster).await?;
    let had = identified(&cluster, batch).await?;
    cluster.agents[0].kill().await?;
    all_on_the_second(&cluster, batch, &had).await?;
    cluster.at_rest(batch).await?;
    let away = cluster.agent_is("host-0", pb::AgentState::Away).await?;
    ensure!(away.reason.contains("away for 2 s"), "{away:?}");

    // When it is back it is told that others hold what it held.
    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    let journal = cluster.agents[0].journal().await?;
    until("it to have released everything", SOON, async || {
        Ok((journal.held_count().await? == 0).then_some(()))
    })
    .await?;
    cluster.agent_is("host-0", pb::AgentState::Ready).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 300, "{tally:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_agent_gives_up_what_it_holds_and_stays_out_until_it_is_resumed() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let (corpus, batch) = shared(&mut cluster).await?;
    let had = identified(&cluster, batch).await?;
    let removed = cluster.cofi(&["agent", "remove", "host-0", "--reason", "sold", "--json"]).await?.json()?;
    ensure!(removed["state"] == "removed" && removed["reason"] == "sold", "{removed}");
    all_on_the_second(&cluster, batch, &had).await?;
    until("the agent to be told why", SOON, async || {
        Ok(cluster.agents[0].log_text()?.contains("was removed").then_some(()))
    })
    .await?;
    cluster.agent_is("host-0", pb::AgentState::Removed).await?;

    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    ensure!(cluster.cofi(&["agent", "resume", "host-0"]).await?.code == Some(0), "it cannot be resumed");
    cluster.agent_is("host-0", pb::AgentState::Ready).await?;
    let journal = cluster.agents[0].journal().await?;
    until("it to have released everything", SOON, async || {
        Ok((journal.held_count().await? == 0).then_some(()))
    })
    .await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 300, "{tally:?}");
    // Its engine hangs to this day.
    cluster.agents.remove(0).kill().await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_agent_finishes_and_gets_nothing_new() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(2, 200, 1).await?;
    ensure!(cluster.cofi(&["agent", "drain", "host-0"]).await?.code == Some(0), "it cannot be drained");
    cluster.agent_is("host-0", pb::AgentState::Drained).await?;
    // Also after it was away.
    cluster.agents[0].stop().await?;
    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    cluster.agent_is("host-0", pb::AgentState::Drained).await?;

    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    ensure!(cluster.agents[0].journal().await?.held_count().await? == 0, "it got something");
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 200, "{tally:?}");
    ensure!(cluster.cofi(&["agent", "resume", "host-0"]).await?.code == Some(0), "it cannot be resumed");
    cluster.agent_is("host-0", pb::AgentState::Ready).await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_drained_agent_has_not_identified_in_time_goes_to_others() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let (corpus, batch) = shared(&mut cluster).await?;
    let had = identified(&cluster, batch).await?;
    let drained = cluster.cofi(&["agent", "drain", "host-0", "--deadline", "1s"]).await?;
    ensure!(drained.code == Some(0), "it cannot be drained");
    cluster.at_rest(batch).await?;
    // What had a language stays where later stages look for it.
    let recordings = cluster.client()?.recordings(batch, pb::RecordingFilter::Identified).await?;
    ensure!(recordings.len() == RECORDINGS, "{} are identified", recordings.len());
    let stayed = recordings.iter().filter(|recording| recording.agent == "host-0");
    ensure!(
        stayed.clone().all(|recording| had.contains(&recording.audio_name)),
        "one stayed without a language"
    );
    ensure!(stayed.count() > 0, "nothing stayed");
    drop(corpus);
    // Its engine hangs to this day.
    cluster.agents.remove(0).kill().await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_held_that_comes_with_an_empty_disk_is_placed_again() -> Result<()> {
    let mut cluster = Cluster::new()?;
    let (corpus, batch) = shared(&mut cluster).await?;
    let had = identified(&cluster, batch).await?;
    cluster.agents[0].kill().await?;
    fs::remove_dir_all(cluster.agents[0].data_dir())?;
    cluster.agents[0].desk.tell(&Behaviour::Answer)?;
    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    let ended = cluster.at_rest(batch).await?;
    ensure!(ended.counts.unwrap_or_default().identified == 300, "{ended:?}");
    cluster.agent_is("host-0", pb::AgentState::Ready).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 300, "{tally:?}");
    let asked = cluster.agents[1].desk.requests()?;
    ensure!(asked.values().all(|times| *times == 1), "{asked:?}");
    ensure!(!had.is_empty(), "nothing had a language");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_bring_a_database_up_to_date_that_comes_from_a_backup() -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus(2, RECORDINGS, 1).await?;
    let tables = cluster.tables().await?;
    let batch = cluster.submit(&corpus).await?;
    until("some to be identified", SOON, async || Ok((tables.identified(batch).await? > 20).then_some(())))
        .await?;
    cluster.controller.terminate().await?;
    let backup = cluster.path("backup");
    copy_database(&cluster.controller.state_dir(), &backup)?;
    let had = tables.identified(batch).await?;
    cluster.controller.start().await?;
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    let mut asked = 0;
    for agent in &cluster.agents {
        asked += agent.desk.requests()?.values().sum::<u64>();
    }

    cluster.controller.kill().await?;
    drop(tables);
    copy_database(&backup, &cluster.controller.state_dir())?;
    cluster.controller.start().await?;
    cluster.at_rest(batch).await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 300, "{tally:?}");
    let mut again = 0;
    for agent in &cluster.agents {
        again += agent.desk.requests()?.values().sum::<u64>();
        let sent = agent.journal().await?.held(batch).await?.into_iter().find(|held| !held.came_once());
        ensure!(sent.is_none(), "sent again: {sent:?}");
    }
    eprintln!("the backup had {had} languages of {RECORDINGS}");
    ensure!(again == asked, "{} were identified again", again - asked);
    cluster.stop().await
}

/// Copies the embedded database of a controller that does not run, with its
/// log, and nothing else.
fn copy_database(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for ending in ["", "-wal", "-shm"] {
        let name = format!("cofi.sqlite{ending}");
        if to.join(&name).exists() {
            fs::remove_file(to.join(&name))?;
        }
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name))?;
        }
    }
    Ok(())
}
