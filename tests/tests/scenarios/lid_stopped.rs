//! Identification stops early, and is taken up where it stopped.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, ensure};
use cofi_lid::protocol::FailureClass;
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    audit::audit,
    cluster::Cluster,
    database::Kind,
    reader::Reader,
    tables::{RecordingRow, Snapshot},
    worker::Behaviour,
};
use rstest::rstest;

const RECORDINGS: u64 = 10_000;

/// Answers of each of the two agents before they fail everything.
const ANSWERS_EACH: u64 = 1_500;

/// Answers of both.
const ANSWERED: u64 = 2 * ANSWERS_EACH;

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_identifies_what_was_not_identified_and_nothing_else(#[case] kind: Kind) -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 2, usize::try_from(RECORDINGS)?, 3).await?;
    for agent in &cluster.agents {
        agent.desk.tell(&Behaviour::FailAfter { answers: ANSWERS_EACH, class: FailureClass::Recording })?;
    }
    let batch = cluster.submit(&corpus).await?;
    let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
    let stopped = cluster.at_rest(batch).await?;
    ensure!(stopped.state() == pb::BatchState::CompleteWithFailures, "{stopped:?}");

    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!((tally.identified, tally.lid_failed) == (ANSWERED, RECORDINGS - ANSWERED), "{tally:?}");
    let before = cluster.tables().await?.snapshot(batch).await?;
    let unknown =
        before.calls.iter().filter(|call| call.lang == "unknown" && call.status == "Pending").count();
    ensure!(u64::try_from(unknown)? == RECORDINGS - ANSWERED, "{unknown} calls are unknown");
    the_reasons_are_told(&cluster, batch).await?;
    let asked_before = requests(&cluster)?;
    ensure!(
        asked_before.values().all(|&times| times == 1),
        "a failure of the recording's own was tried again"
    );

    for agent in &cluster.agents {
        agent.desk.tell(&Behaviour::Answer)?;
    }
    let id = batch.to_string();
    let retried = cluster.cofi(&["--json", "batch", "retry", &id]).await?;
    ensure!(retried.code == Some(0), "{retried:?}");
    ensure!(retried.json()?["identifications"] == RECORDINGS - ANSWERED, "{retried:?}");
    ensure!(retried.json()?["placements"] == 0, "{retried:?}");
    let ended = cluster.at_rest(batch).await?;
    ensure!(ended.state() == pb::BatchState::Complete, "{ended:?}");
    reader.finish()?;

    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == RECORDINGS, "{tally:?}");
    only_failed_ones_were_asked_again(&before, &asked_before, &requests(&cluster)?)?;
    rows_stayed_the_same(&before, &cluster.tables().await?.snapshot(batch).await?)?;

    let again = cluster.cofi(&["--json", "batch", "retry", &id]).await?;
    ensure!(again.json()?["identifications"] == 0, "there is nothing to retry any more: {again:?}");
    cluster.stop().await
}

/// Why recordings failed can be asked for by program, and stands in the remarks.
async fn the_reasons_are_told(cluster: &Cluster, batch: i64) -> Result<()> {
    let failed = cluster.client()?.recordings(batch, pb::RecordingFilter::Failed).await?;
    ensure!(u64::try_from(failed.len())? == RECORDINGS - ANSWERED, "{} recordings failed", failed.len());
    for recording in &failed {
        let why = (recording.code.as_str(), recording.reason.as_str());
        ensure!(why == ("told_to", "told to fail"), "{recording:?}");
        ensure!(
            recording.placement() == pb::Placement::Stored && recording.lid() == pb::Lid::Failed,
            "{recording:?}"
        );
        ensure!(recording.language.is_empty() && recording.attempts > 0, "{recording:?}");
    }
    let newest = cluster.client()?.batch(batch).await?.newest_failures;
    ensure!(
        newest.len() == 10 && newest.iter().all(|failure| failure.reason == "told to fail"),
        "{newest:?}"
    );
    let remarks = cluster.tables().await?.batch(batch).await?.remarks.unwrap_or_default();
    ensure!(remarks.contains("7000 not identified") && remarks.contains("told_to"), "{remarks:?}");
    Ok(())
}

/// How often workers were asked for each recording, on all agents.
fn requests(cluster: &Cluster) -> Result<HashMap<String, u64>> {
    let mut requests: HashMap<String, u64> = HashMap::new();
    for agent in &cluster.agents {
        for (name, times) in agent.desk.requests()? {
            *requests.entry(name).or_default() += times;
        }
    }
    Ok(requests)
}

fn only_failed_ones_were_asked_again(
    before: &Snapshot,
    asked_before: &HashMap<String, u64>,
    asked: &HashMap<String, u64>,
) -> Result<()> {
    let failed = |row: &&RecordingRow| row.lid == "failed";
    let failed: HashSet<&str> =
        before.recordings.iter().filter(failed).map(|row| row.audio_name.as_str()).collect();
    for (name, times) in asked {
        let again = times - asked_before.get(name).copied().unwrap_or_default();
        let expected = u64::from(failed.contains(name.as_str()));
        ensure!(again == expected, "{name:?} was asked for {again} times more");
    }
    Ok(())
}

/// A retry changes rows that are there, and makes none but those of lidStatus.
fn rows_stayed_the_same(before: &Snapshot, after: &Snapshot) -> Result<()> {
    let calls = |snapshot: &Snapshot| {
        snapshot
            .calls
            .iter()
            .map(|call| (call.id, call.audio_name.clone(), call.ip.clone()))
            .collect::<Vec<_>>()
    };
    ensure!(calls(before) == calls(after), "the retry made or moved calls");
    let after: HashMap<i64, &RecordingRow> = after.recordings.iter().map(|row| (row.ordinal, row)).collect();
    for row in &before.recordings {
        let rounds = after[&row.ordinal].lid_round - row.lid_round;
        ensure!(rounds == i64::from(row.lid == "failed"), "{row:?} had {rounds} rounds more");
    }
    Ok(())
}
