//! Recordings leave their hosts once nobody needs them there: on an operator's
//! word or by retention, also from hosts that are away, killed or slow to hear
//! of it, and nothing that is still needed goes with them.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Cluster, SOON},
    corpus::Corpus,
    database::{Kind, change},
    logs,
    wait::until,
};
use rstest::rstest;
use serde_json::{Value, json};

const RECORDINGS: usize = 200;

/// Later stages are done with every other call.
const HALF: &str = "UPDATE `call` SET status = 'Complete', updatedAt = CURRENT_TIMESTAMP WHERE id % 2 = 0";
/// And with the rest.
const ALL: &str = "UPDATE `call` SET status = 'ShortCall', updatedAt = CURRENT_TIMESTAMP WHERE id % 2 = 1";

/// Two hosts with a batch that is identified and audited.
async fn identified(cluster: &mut Cluster) -> Result<(Corpus, i64)> {
    let corpus = cluster.begin(2, RECORDINGS, 1).await?;
    cluster.agents[0].stop().await?;
    let published = cluster.agents[0].publish()?;
    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    cluster.agents_are_ready().await?;
    let batch = cluster.submit(&corpus).await?;
    cluster.at_rest(batch).await?;
    let tally = audit(cluster, &corpus, batch).await?;
    ensure!(tally.identified == 200, "{tally:?}");
    let held = cluster.agents[0].journal().await?.held_count().await?;
    ensure!(fs::read_dir(published)?.count() == usize::try_from(held)?, "not all of {held} are published");
    Ok((corpus, batch))
}

/// Names that a host has files of, in its store or published.
fn files(cluster: &Cluster, host: usize, batch: i64) -> Result<BTreeSet<String>> {
    let agent = &cluster.agents[host];
    let published = agent.data_dir().parent().context("no folder")?.join("published");
    let mut names = BTreeSet::new();
    for folder in [agent.recordings(batch), published] {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            names.insert(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Waits until every host has said that what is released is gone: the batch.
async fn confirmed(cluster: &Cluster, batch: i64, released: u64) -> Result<pb::Batch> {
    let client = cluster.client()?;
    until(format!("{released} recordings to be gone"), SOON, async || {
        let seen = client.batch(batch).await?;
        Ok((seen.released == released && seen.releases_unconfirmed == 0).then_some(seen))
    })
    .await
}

/// What is on hosts is what the rows give to them; and the checker agrees.
async fn hosts_have_what_they_must(cluster: &Cluster, batch: i64) -> Result<()> {
    let recordings = cluster.client()?.recordings(batch, pb::RecordingFilter::Unspecified).await?;
    for (index, agent) in cluster.agents.iter().enumerate() {
        let given: BTreeSet<String> = recordings
            .iter()
            .filter(|recording| recording.agent == agent.name)
            .map(|recording| recording.audio_name.clone())
            .collect();
        ensure!(files(cluster, index, batch)? == given, "{} has other files than it must have", agent.name);
        let held = agent.journal().await?.held(batch).await?;
        let sent = held.iter().find(|held| !held.came_once());
        ensure!(sent.is_none(), "sent again: {sent:?}");
        ensure!(held.len() == given.len(), "the journal of {} has {}", agent.name, held.len());
    }
    let checked = cluster.cofi(&["check", "--digests"]).await?;
    ensure!(checked.code == Some(0), "{checked:?}");
    Ok(())
}

async fn release(cluster: &Cluster, batch: i64, more: &[&str]) -> Result<Value> {
    let batch = batch.to_string();
    let ran = cluster.cofi(&[&["--json", "batch", "release", &batch], more].concat()).await?;
    ensure!(ran.code == Some(0), "{ran:?}");
    ran.json()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn released_recordings_leave_their_hosts_also_those_that_were_away_or_killed(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    let (_corpus, batch) = identified(&mut cluster).await?;
    let tables = cluster.tables().await?;
    let (calls, before) = (tables.totals().await?, release(&cluster, batch, &["--dry-run"]).await?);
    ensure!(before["released"] == 0 && before["needed"] == 200, "{before}");
    change(cluster.controller.database(), HALF).await?;
    let young = release(&cluster, batch, &["--older-than", "1d"]).await?;
    ensure!(young["released"] == 0 && young["too_young"] == 100, "{young}");

    // One host is away, the other is killed while it hears of it.
    cluster.agents[1].kill().await?;
    let released = release(&cluster, batch, &["--reason", "archived"]).await?;
    cluster.agents[0].kill().await?;
    ensure!(released["released"] == 100 && released["needed"] == 100, "{released}");
    let again = release(&cluster, batch, &[]).await?;
    ensure!(again["released"] == 0 && again["released_before"] == 100, "{again}");
    cluster.controller.kill().await?;
    cluster.controller.start().await?;
    for host in 0..2 {
        let agent = cluster.agents.get_mut(host).context("no agent")?;
        agent.start(&cluster.controller).await?;
    }
    let seen = confirmed(&cluster, batch, 100).await?;
    ensure!(seen.state() == pb::BatchState::Complete, "{seen:?}");
    cluster.agents_are_ready().await?;
    hosts_have_what_they_must(&cluster, batch).await?;

    // Nobody takes what they hold for more, or less, than what the rows say.
    cluster.agents[0].stop().await?;
    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    cluster.agents_are_ready().await?;
    let log = logs::read(&cluster.controller.log())?;
    ensure!(!log.contains("agent is to offer all that it holds"), "{log}");
    ensure!(tables.totals().await? == calls, "rows went with the files");
    let listed = cluster.client()?.recordings(batch, pb::RecordingFilter::Identified).await?;
    let gone: Vec<_> = listed.iter().filter_map(|recording| recording.release.as_ref()).collect();
    ensure!(gone.len() == 100 && gone.iter().all(|gone| gone.reason == "archived"), "{gone:?}");
    cluster.stop().await
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn retention_releases_what_later_stages_are_done_with_and_nothing_else(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    cluster.controller.release_after(1);
    let (_corpus, batch) = identified(&mut cluster).await?;
    change(cluster.controller.database(), HALF).await?;
    confirmed(&cluster, batch, 100).await?;
    hosts_have_what_they_must(&cluster, batch).await?;
    // A host that is gone for good takes nothing along that is needed.
    change(cluster.controller.database(), ALL).await?;
    cluster.controller.kill().await?;
    cluster.controller.start().await?;
    confirmed(&cluster, batch, 200).await?;
    hosts_have_what_they_must(&cluster, batch).await?;
    ensure!(files(&cluster, 0, batch)?.is_empty(), "something is left");
    let listed = cluster.client()?.recordings(batch, pb::RecordingFilter::Identified).await?;
    let causes: BTreeSet<i32> =
        listed.iter().filter_map(|recording| recording.release.as_ref()).map(|gone| gone.cause).collect();
    ensure!(causes == BTreeSet::from([pb::ReleaseCause::Retention.into()]), "{causes:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_is_not_placed_again_when_its_host_is_lost() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.replace_after(2);
    let (_corpus, batch) = identified(&mut cluster).await?;
    change(cluster.controller.database(), HALF).await?;
    cluster.agents[0].kill().await?;
    let held = cluster.agents[0].journal().await?.held_count().await?;
    let released = release(&cluster, batch, &[]).await?;
    ensure!(released["released"] == 100, "{released}");
    let client = cluster.client()?;
    until("what is needed to be on the other host", SOON, async || {
        let listed = client.recordings(batch, pb::RecordingFilter::Stored).await?;
        let there = listed.iter().filter(|recording| recording.agent == "host-1").count();
        Ok((there == 100).then_some(()))
    })
    .await?;
    // It is back, and lets go of what is released and of what others hold now.
    let agent = cluster.agents.first_mut().context("no agent")?;
    agent.start(&cluster.controller).await?;
    confirmed(&cluster, batch, 100).await?;
    let journal = cluster.agents[0].journal().await?;
    until(format!("it to have let go of all {held}"), SOON, async || {
        Ok((journal.held_count().await? == 0).then_some(()))
    })
    .await?;
    let asked = cluster.cofi(&["--json", "batch", "show", &batch.to_string()]).await?.json()?;
    ensure!(asked["released"] == json!(100) && asked["state"] == "complete", "{asked}");
    hosts_have_what_they_must(&cluster, batch).await?;
    cluster.stop().await
}
