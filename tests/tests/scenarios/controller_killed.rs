//! The controller is killed while it distributes, and started again.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::{Cluster, PATIENCE, SOON},
    corpus::Corpus,
    database::Kind,
    journal::Held,
    reader::Reader,
    seeds::seeds,
    tables::{Snapshot, Totals},
    wait::until,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rstest::rstest;

const RECORDINGS: usize = 10_000;

/// Between how many rows the controller is killed.
const KILLED_BETWEEN: std::ops::RangeInclusive<i64> = 3_000..=7_000;

/// A group commit brings up to 1,000 rows at once, and another may be done
/// before the signal arrives.
const AIM: std::ops::RangeInclusive<i64> = 3_000..=5_000;

/// Acknowledgements that must be on their way, and cannot be committed, when
/// the controller is killed.
const UNCOMMITTED: usize = 500;

/// What an agent holds, by ordinal.
type Holdings = BTreeMap<i64, Held>;

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_killed_in_the_middle_resumes_and_sends_nothing_again(#[case] kind: Kind) -> Result<()> {
    for seed in seeds(1, 20)? {
        eprintln!("{kind:?}, seed {seed}");
        let aim = StdRng::seed_from_u64(seed).random_range(AIM);
        let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 2, RECORDINGS, seed).await?;
        let batch = cluster.submit(&corpus).await?;
        let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;

        let seen = rows_reach(&cluster, batch, aim).await?;
        cluster.controller.kill().await?;

        let at_death = what_is_recorded(&cluster, &corpus, batch).await?;
        let rows = i64::try_from(at_death.calls.len())?;
        ensure!(KILLED_BETWEEN.contains(&rows), "killed at {rows} rows");
        ensure!(rows >= seen, "{seen} rows were seen before the controller was killed, {rows} after");
        let held = what_agents_hold(&cluster, batch).await?;
        eprintln!("killed at {rows} rows, agents held {}", held.values().map(Holdings::len).sum::<usize>());

        resume(cluster, &corpus, batch, reader, &held).await?;
    }
    Ok(())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_on_their_way_to_a_killed_controller_are_not_lost(#[case] kind: Kind) -> Result<()> {
    for seed in seeds(1, 5)? {
        eprintln!("{kind:?}, seed {seed}");
        let aim = StdRng::seed_from_u64(seed).random_range(AIM);
        let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 2, RECORDINGS, seed).await?;
        let batch = cluster.submit(&corpus).await?;
        let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;

        rows_reach(&cluster, batch, aim).await?;
        let lock = cluster.controller.lock_out().await?;
        let rows = cluster.tables().await?.distributed(batch).await?;
        until("agents to hold what the controller cannot record", SOON, async || {
            let mut held = 0;
            for agent in &cluster.agents {
                held += agent.journal().await?.held_count().await?;
            }
            Ok((held - rows >= i64::try_from(UNCOMMITTED)?).then_some(()))
        })
        .await?;
        cluster.controller.kill().await?;
        lock.release().await?;

        let at_death = what_is_recorded(&cluster, &corpus, batch).await?;
        ensure!(i64::try_from(at_death.calls.len())? == rows, "rows were written past a lock");
        let held = what_agents_hold(&cluster, batch).await?;
        let recorded: BTreeSet<i64> = at_death
            .recordings
            .iter()
            .filter(|row| row.placement == "stored")
            .map(|row| row.ordinal)
            .collect();
        let uncommitted =
            held.values().flat_map(Holdings::keys).filter(|held| !recorded.contains(held)).count();
        eprintln!("killed at {rows} rows, {uncommitted} acknowledgements were on their way");
        ensure!(uncommitted >= UNCOMMITTED, "only {uncommitted} acknowledgements were on their way");

        resume(cluster, &corpus, batch, reader, &held).await?;
    }
    Ok(())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_killed_while_it_plans_leaves_no_half_of_a_batch(#[case] kind: Kind) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    let corpus = Corpus::make(&cluster.path("calls"), RECORDINGS, 1)?;
    cluster.controller.start().await?;
    let tables = cluster.tables().await?;
    let (client, key) = (cluster.client()?, "the same each time".to_owned());
    let source = corpus.root.display().to_string();
    let request = pb::CreateBatchRequest { source, idempotency_key: key, ..Default::default() };

    let planning = client.create(request.clone());
    let part = until("a part of the manifest to be written", SOON, async || {
        let totals = tables.totals().await?;
        Ok((totals.cofi_recording > 0).then_some(totals))
    });
    let (answer, part) = tokio::join!(planning, async {
        let part = part.await?;
        cluster.controller.kill().await?;
        anyhow::Ok(part)
    });
    eprintln!("killed with {} recordings planned", part?.cofi_recording);
    ensure!(answer.is_err(), "it was killed too late: {answer:?}");
    let left = tables.totals().await?;
    ensure!(left.cofi_recording < i64::try_from(RECORDINGS)?, "it was killed too late: {left:?}");

    cluster.controller.start().await?;
    let none = Totals::default();
    ensure!(tables.totals().await? == none, "half of a batch was left: {:?}", tables.totals().await?);
    let batches = cluster.cofi(&["--json", "batch", "list"]).await?;
    ensure!(batches.json()?["batches"] == serde_json::json!([]), "{batches:?}");
    let batch = client.plan(request).await?;
    let planned = client.batch(batch).await?.counts.unwrap_or_default();
    ensure!(planned.recordings == u64::try_from(RECORDINGS)?, "{planned:?}");
    cluster.stop().await
}

async fn rows_reach(cluster: &Cluster, batch: i64, aim: i64) -> Result<i64> {
    let tables = cluster.tables().await?;
    until(format!("{aim} rows"), PATIENCE, async || {
        let rows = tables.distributed(batch).await?;
        Ok((rows >= aim).then_some(rows))
    })
    .await
}

/// What stands in the tables of a controller that is dead: a row for what an
/// agent holds whole, and none for anything else.
async fn what_is_recorded(cluster: &Cluster, corpus: &Corpus, batch: i64) -> Result<Snapshot> {
    let snapshot = cluster.tables().await?.snapshot(batch).await?;
    let stored: Vec<_> = snapshot.recordings.iter().filter(|row| row.placement == "stored").collect();
    ensure!(stored.len() == snapshot.calls.len(), "{} stored, {} calls", stored.len(), snapshot.calls.len());
    ensure!(stored.len() == snapshot.files.len(), "{} stored, {} files", stored.len(), snapshot.files.len());
    for row in stored {
        let agent = cluster.agents.iter().find(|agent| Some(&agent.name) == row.agent.as_ref());
        let path = agent.map(|agent| agent.recordings(batch).join(&row.audio_name));
        let content = path.map(std::fs::read).transpose()?;
        let source = corpus.samples.get(&row.audio_name).map(|sample| std::fs::read(corpus.path(sample)));
        ensure!(content.is_some() && content == source.transpose()?, "{row:?} has a row and is not there");
    }
    Ok(snapshot)
}

/// What each agent holds in its place, by the agent's name.
async fn what_agents_hold(cluster: &Cluster, batch: i64) -> Result<BTreeMap<String, Holdings>> {
    let mut agents = BTreeMap::new();
    for agent in &cluster.agents {
        let held = agent.journal().await?.held(batch).await?;
        let held = held.into_iter().filter(|held| held.placed).map(|held| (held.ordinal, held));
        agents.insert(agent.name.clone(), held.collect());
    }
    Ok(agents)
}

/// Starts the controller again and sees the batch through: what agents held
/// stays theirs and is not sent again, and everything is there once.
async fn resume(
    mut cluster: Cluster,
    corpus: &Corpus,
    batch: i64,
    reader: Reader,
    before: &BTreeMap<String, Holdings>,
) -> Result<()> {
    cluster.controller.start().await?;
    cluster.at_rest(batch).await?;
    let seen = reader.finish()?;
    let tally = audit(&cluster, corpus, batch).await?;
    ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");

    let after = what_agents_hold(&cluster, batch).await?;
    for (agent, before) in before {
        for ordinal in before.keys() {
            let held = after[agent].get(ordinal);
            ensure!(
                held.is_some_and(Held::came_once),
                "{agent} held {ordinal} when the controller was killed, and now {held:?}"
            );
        }
    }
    let sent_again: Vec<_> =
        after.values().flat_map(Holdings::values).filter(|held| !held.came_once()).collect();
    let bytes: i64 = after.values().flat_map(Holdings::values).map(|held| held.received_bytes).sum();
    let size: u64 = corpus.samples.values().map(|sample| sample.size).sum();
    eprintln!(
        "resumed: {bytes} bytes received for {size}, {} recordings came more than once, {} looks of the reader",
        sent_again.len(),
        seen.looks
    );
    ensure!(sent_again.is_empty(), "came more than once: {:?}", sent_again.first());
    cluster.stop().await
}
