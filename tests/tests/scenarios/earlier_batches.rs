//! Batches that an earlier service wrote, and results that others wrote for
//! batches of Cofi's.

use anyhow::{Context as _, Result, ensure};
use cofi_lid::protocol::FailureClass;
use cofi_proto::pb::v1 as pb;
use cofi_tests::{
    cluster::Cluster,
    database::{Kind, change},
    worker::Behaviour,
};
use rstest::rstest;
use serde_json::json;
use tonic::{Code, Status};

/// Two batches of an earlier service: 40 is half identified, of 41 nothing is
/// known but its row.
const EARLIER: &str = "INSERT INTO batchStatus (id, batchDate, batchStatus, sttStatus, remarks) \
    VALUES (40, '01-02-2020', 'Complete', 'InProgress', 'by hand'), (41, NULL, NULL, NULL, NULL); \
    INSERT INTO `call` (batchId, audioName, lang, audioDuration, status) VALUES \
    (40, 'done.wav', 'mr', 4.5, 'AuditDone'), (40, 'late.wav', 'unknown', 0, 'Pending'), \
    (40, 'LATE.wav', NULL, NULL, NULL), (40, 'never.wav', NULL, NULL, 'Pending'); \
    INSERT INTO fileDistribution (`file`, ip, batchId) VALUES ('late.wav', '10.0.0.1', 40); \
    INSERT INTO lidStatus (audioName, `language`, audioDuration, lidProcessingTime, batchId) VALUES \
    ('late.wav', 'en', 1.5, '0:00:02', 40), ('late.wav', 'hin', 2.5, '2 s', 40), \
    ('LATE.wav', 'Klingonese', NULL, NULL, 40), ('gone.wav', 'en', 3.5, NULL, 40)";

const BATCH: i64 = 40;

async fn cluster(kind: Kind) -> Result<Cluster> {
    let mut cluster = Cluster::on(kind).await?;
    cluster.controller.start().await?;
    change(cluster.controller.database(), EARLIER).await?;
    Ok(cluster)
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn batches_of_an_earlier_service_are_listed_and_shown_with_what_is_known(
    #[case] kind: Kind,
) -> Result<()> {
    let mut cluster = cluster(kind).await?;
    let listed = cluster.cofi(&["batch", "list", "--json"]).await?.json()?;
    let ids: Vec<_> =
        listed["batches"].as_array().context("no list")?.iter().map(|it| &it["batch_id"]).collect();
    ensure!(ids == [&json!(41), &json!(40)], "{listed}");
    ensure!(listed["batches"][0]["batch_date"].is_null() && listed["batches"][0]["earlier"]["calls"] == 0);
    ensure!(listed["batches"][1]["earlier"]["calls"] == 4, "{listed}");
    ensure!(listed["batches"][1]["earlier"]["identified"].is_null(), "{listed}");

    let shown = cluster.cofi(&["batch", "show", "40", "--json"]).await?.json()?;
    let earlier = &shown["earlier"];
    ensure!(shown["state"] == "earlier" && shown["batch_date"] == "01-02-2020", "{shown}");
    ensure!((&earlier["identified"], &earlier["lid_pending"]) == (&json!(1), &json!(3)), "{shown}");
    ensure!(earlier["distributed"] == 1 && earlier["remarks"] == "by hand", "{shown}");
    ensure!(shown["languages"] == json!([{"language": "mr", "recordings": 1}]), "{shown}");
    let stages = earlier["stages"].as_array().context("no stages")?;
    ensure!(stages.contains(&json!({"stage": "sttStatus", "status": "InProgress"})), "{shown}");
    ensure!(stages.contains(&json!({"stage": "denoiseStatus", "status": null})), "{shown}");
    let shown = cluster.cofi(&["batch", "show", "40"]).await?;
    ensure!(shown.code == Some(0) && shown.stdout.contains("earlier service (Complete)"), "{shown:?}");

    let request = pb::WatchBatchRequest { batch_id: BATCH };
    let mut snapshots = cluster.client()?.batch_service().watch_batch(request).await?.into_inner();
    let first = snapshots.message().await?.context("no snapshot")?;
    ensure!(first.state() == pb::BatchState::Earlier && first.counts.is_none(), "{first:?}");
    ensure!(snapshots.message().await?.is_none(), "the watch goes on");
    ensure!(cluster.cofi(&["batch", "watch", "40"]).await?.code == Some(1), "three calls have no language");

    let pending = cluster.cofi(&["call", "list", "40", "--lid", "pending", "--json"]).await?.json()?;
    let names: Vec<_> =
        pending["calls"].as_array().context("no list")?.iter().map(|it| &it["audio_name"]).collect();
    ensure!(names == ["late.wav", "LATE.wav", "never.wav"], "{pending}");
    ensure!(pending["calls"][1]["lang"] == "unknown" && pending["calls"][1]["status"] == "", "{pending}");
    cluster.stop().await
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_manifest_is_refused_for_them(#[case] kind: Kind) -> Result<()> {
    let mut cluster = cluster(kind).await?;
    let before = cluster.tables().await?.totals().await?;
    let mut batches = cluster.client()?.batch_service();
    let request = pb::ListRecordingsRequest { batch_id: BATCH, ..Default::default() };
    refused("ListRecordings", batches.list_recordings(request).await)?;
    let request = pb::RetryRecordingsRequest { batch_id: BATCH, ordinals: vec![] };
    refused("RetryRecordings", batches.retry_recordings(request).await)?;
    refused("CancelBatch", batches.cancel_batch(pb::CancelBatchRequest { batch_id: BATCH }).await)?;
    ensure!(cluster.tables().await?.totals().await? == before);
    let ran = cluster.cofi(&["batch", "recordings", "40"]).await?;
    ensure!(ran.code != Some(0) && ran.stderr.contains("an earlier service"), "{ran:?}");
    let unknown = batches.apply_lid_results(pb::ApplyLidResultsRequest { batch_id: 4_711 }).await;
    ensure!(unknown.is_err_and(|status| status.code() == Code::NotFound));
    cluster.stop().await
}

fn refused<T>(what: &str, answer: Result<T, Status>) -> Result<()> {
    let status = answer.err().with_context(|| format!("{what} was accepted"))?;
    ensure!(status.code() == Code::FailedPrecondition, "{what}: {status:?}");
    ensure!(status.message().contains("batch 40 was written by an earlier service"), "{what}: {status:?}");
    Ok(())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn their_calls_are_brought_in_line_once(#[case] kind: Kind) -> Result<()> {
    let mut cluster = cluster(kind).await?;
    let applied = cluster.cofi(&["batch", "apply-lid", "40", "--json"]).await?.json()?;
    let expected = json!({
        "changed": 2, "in_line": 0, "settled": 0, "without_call": 1, "without_language": 0, "unmapped": 1,
        "unmapped_languages": [{"language": "Klingonese", "names": 1}],
    });
    ensure!(applied == expected, "{applied}");
    let calls = cluster.cofi(&["call", "list", "40", "--json"]).await?.json()?;
    let told = |index: usize| {
        let call = &calls["calls"][index];
        json!([call["audio_name"], call["lang"], call["audio_duration_seconds"], call["status"]])
    };
    ensure!(told(0) == json!(["done.wav", "mr", 4.5, "AuditDone"]), "{calls}");
    ensure!(told(1) == json!(["late.wav", "hi", 2.5, "Pending"]), "{calls}");
    ensure!(told(2) == json!(["LATE.wav", "Klingonese", 0.0, ""]), "{calls}");
    ensure!(told(3) == json!(["never.wav", "unknown", 0.0, "Pending"]), "{calls}");
    let hindi = cluster.tables().await?.language_id("hi").await?;
    ensure!(hindi.is_some() && calls["calls"][1]["language_id"] == json!(hindi), "{calls}");

    let again = cluster.cofi(&["batch", "apply-lid", "40", "--json"]).await?.json()?;
    ensure!((&again["changed"], &again["in_line"]) == (&json!(0), &json!(2)), "{again}");
    ensure!(cluster.cofi(&["call", "list", "40", "--json"]).await?.json()? == calls);
    cluster.stop().await
}

/// What somebody else found out about every recording there is.
const FOUND_ELSEWHERE: &str = "INSERT INTO lidStatus (audioName, `language`, audioDuration, batchId) \
    SELECT audioName, 'Marathi', 7.5, batchId FROM cofiRecording";

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn languages_that_were_found_elsewhere_complete_a_batch_that_failed(#[case] kind: Kind) -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 1, 8, 11).await?;
    cluster.agents[0].desk.tell(&Behaviour::fail(FailureClass::Recording))?;
    let batch = cluster.submit(&corpus).await?;
    let failed = cluster.at_rest(batch).await?;
    ensure!(failed.counts.unwrap_or_default().lid_failed == 8, "{failed:?}");
    change(cluster.controller.database(), FOUND_ELSEWHERE).await?;

    let request = pb::ApplyLidResultsRequest { batch_id: batch };
    let applied = cluster.client()?.batch_service().apply_lid_results(request).await?.into_inner();
    ensure!((applied.changed, applied.settled) == (8, 8), "{applied:?}");
    let complete = cluster.client()?.batch(batch).await?;
    ensure!(complete.state() == pb::BatchState::Complete, "{complete:?}");
    ensure!(complete.newest_failures.is_empty() && complete.languages[0].language == "mr", "{complete:?}");
    let tables = cluster.tables().await?;
    let row = tables.batch(batch).await?;
    ensure!(row.lid_status == "Complete" && row.remarks.is_none(), "{row:?}");
    ensure!(tables.identified(batch).await? == 8);
    ensure!(cluster.client()?.retry(batch).await?.identifications == 0, "nothing is left to try");
    cluster.stop().await
}
