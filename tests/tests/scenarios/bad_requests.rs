//! Requests that cannot be carried out: an error that names the field, and
//! nothing written.

use std::{fs, future::Future};

use anyhow::{Context as _, Result, ensure};
use cofi_proto::pb::v1::{self as pb, create_batch_response::Outcome};
use cofi_tests::{
    client::Client,
    cluster::{Cluster, Engine},
    corpus::Corpus,
    tables::Tables,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What is wrong with a request.
type Change = Box<dyn Fn(&mut pb::CreateBatchRequest)>;

/// A controller with a small corpus that nobody has submitted.
struct Bench {
    cluster: Cluster,
    corpus: Corpus,
    client: Client,
    tables: Tables,
}

impl Bench {
    async fn new() -> Result<Self> {
        let mut cluster = Cluster::new()?;
        let corpus = Corpus::make(&cluster.path("calls"), 5, 1)?;
        cluster.controller.start().await?;
        let (client, tables) = (cluster.client()?, cluster.tables().await?);
        Ok(Self { cluster, corpus, client, tables })
    }

    /// A request that is fine.
    fn request(&self) -> pb::CreateBatchRequest {
        pb::CreateBatchRequest { source: self.corpus.root.display().to_string(), ..Default::default() }
    }

    /// A call that must fail with `code`, blame `field`, and write nothing.
    async fn refuses<T: std::fmt::Debug>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Status>>,
        code: Code,
        field: Option<&str>,
    ) -> Result<Status> {
        let before = self.tables.totals().await?;
        let status = call.await.err().with_context(|| format!("{what} was accepted"))?;
        ensure!(status.code() == code, "{what}: {status:?}");
        let details = status.get_details_bad_request();
        let blamed = details.and_then(|details| details.field_violations.into_iter().next());
        ensure!(blamed.as_ref().map(|blamed| blamed.field.as_str()) == field, "{what} blames {blamed:?}");
        let words = status.message();
        ensure!(
            !words.is_empty() && blamed.is_none_or(|it| !it.description.is_empty()),
            "{what}: {status:?}"
        );
        ensure!(self.tables.totals().await? == before, "{what} was refused and written");
        Ok(status)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_planned_is_refused_by_field() -> Result<()> {
    let bench = Bench::new().await?;
    let empty = bench.cluster.path("empty");
    fs::create_dir(&empty)?;
    let silent = bench.cluster.path("silent");
    fs::create_dir(&silent)?;
    fs::write(silent.join("notes.txt"), "no audio")?;
    let file = bench.corpus.path(bench.corpus.in_order().first().context("no sample")?);
    let path = |path: std::path::PathBuf| path.display().to_string();
    let source = |source: String| -> Change { Box::new(move |request| request.source.clone_from(&source)) };
    let cases: Vec<(&str, Change, &str)> = vec![
        ("no source", source(String::new()), "source"),
        ("a relative source", source("calls".to_owned()), "source"),
        ("no such folder", source(path(bench.cluster.path("nowhere"))), "source"),
        ("an empty folder", source(path(empty)), "source"),
        ("a folder without audio", source(path(silent)), "source"),
        ("a source that is a file", source(path(file)), "source"),
        ("an unknown process", Box::new(|request| request.process_id = 4_711), "process_id"),
        ("a negative process", Box::new(|request| request.process_id = -1), "process_id"),
        (
            "an unknown category",
            Box::new(|request| request.category_mapping_id = 4_711),
            "category_mapping_id",
        ),
        (
            "a date of another form",
            Box::new(|request| request.batch_date = "2026-11-23".into()),
            "batch_date",
        ),
        (
            "a date without its zeros",
            Box::new(|request| request.batch_date = "1-2-2026".into()),
            "batch_date",
        ),
        ("a day that is not", Box::new(|request| request.batch_date = "31-02-2026".into()), "batch_date"),
        (
            "a candidate that is no language",
            Box::new(|request| request.candidate_languages = vec!["hi".into(), "klingonese".into()]),
            "candidate_languages",
        ),
        (
            "an endpoint with blanks",
            Box::new(|request| request.audio_endpoint = "http://a b".into()),
            "audio_endpoint",
        ),
        (
            "a key that is too long",
            Box::new(|request| request.idempotency_key = "k".repeat(201)),
            "idempotency_key",
        ),
    ];
    for (what, change, field) in cases {
        let mut request = bench.request();
        change(&mut request);
        bench.refuses(what, bench.client.create(request), Code::InvalidArgument, Some(field)).await?;
    }
    ensure!(bench.tables.totals().await?.cofi_batch == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_outside_the_allowed_roots_is_refused() -> Result<()> {
    let mut bench = Bench::new().await?;
    bench.cluster.controller.stop().await?;
    let allowed = bench.cluster.path("allowed");
    fs::create_dir(&allowed)?;
    std::os::unix::fs::symlink(&bench.corpus.root, allowed.join("way out"))?;
    bench.cluster.controller.allow_roots(&[&allowed]);
    bench.cluster.controller.start().await?;
    for source in [bench.corpus.root.clone(), allowed.join("way out"), allowed.join("../calls")] {
        let request = pb::CreateBatchRequest { source: source.display().to_string(), ..Default::default() };
        let call = bench.client.create(request);
        let what = format!("{}", source.display());
        let status = bench.refuses(&what, call, Code::InvalidArgument, Some("source")).await?;
        ensure!(status.message().contains("allowed_roots"), "{status:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found_by_any_call() -> Result<()> {
    let bench = Bench::new().await?;
    let batch_id = 4_711;
    let (mut batches, mut calls, mut fleet) =
        (bench.client.batch_service(), bench.client.call_service(), bench.client.fleet_service());
    let batch = Some("batch_id");
    let call = batches.get_batch(pb::GetBatchRequest { batch_id });
    bench.refuses("GetBatch", call, Code::NotFound, batch).await?;
    let call = async { batches.watch_batch(pb::WatchBatchRequest { batch_id }).await };
    bench.refuses("WatchBatch", call, Code::NotFound, batch).await?;
    let call = batches.list_recordings(pb::ListRecordingsRequest { batch_id, ..Default::default() });
    bench.refuses("ListRecordings", call, Code::NotFound, batch).await?;
    let call = batches.retry_recordings(pb::RetryRecordingsRequest { batch_id, ordinals: vec![] });
    bench.refuses("RetryRecordings", call, Code::NotFound, batch).await?;
    let call = batches.cancel_batch(pb::CancelBatchRequest { batch_id });
    bench.refuses("CancelBatch", call, Code::NotFound, batch).await?;
    let call = calls.list_calls(pb::ListCallsRequest { batch_id, ..Default::default() });
    bench.refuses("ListCalls", call, Code::NotFound, batch).await?;
    let call = fleet.get_agent(pb::GetAgentRequest { name: "nobody".into() });
    bench.refuses("GetAgent", call, Code::NotFound, Some("name")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_asked_for_with_the_tokens_of_their_listing_only() -> Result<()> {
    let bench = Bench::new().await?;
    let batch_id = bench.client.plan(bench.request()).await?;
    let other = bench.client.plan(bench.request()).await?;
    let (mut batches, mut calls, mut fleet) =
        (bench.client.batch_service(), bench.client.call_service(), bench.client.fleet_service());
    let listing = |batch_id: i64, page_size: i32, page_token: &str| pb::ListRecordingsRequest {
        batch_id,
        page_size,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let first = batches.list_recordings(listing(batch_id, 2, "")).await?.into_inner();
    let token = first.next_page_token;
    let second = batches.list_recordings(listing(batch_id, 2, &token)).await?.into_inner();
    let ordinals: Vec<i64> = second.recordings.iter().map(|recording| recording.ordinal).collect();
    ensure!(ordinals == [2, 3], "{second:?}");

    let wrong = Some("page_token");
    for token in ["rubbish", &format!("{token}x"), ".", "é.1"] {
        let call = batches.list_recordings(listing(batch_id, 2, token));
        bench.refuses(token, call, Code::InvalidArgument, wrong).await?;
    }
    let call = batches.list_recordings(listing(other, 2, &token));
    bench.refuses("another batch's token", call, Code::InvalidArgument, wrong).await?;
    let call = batches.list_batches(pb::ListBatchesRequest { page_size: 0, page_token: token.clone() });
    bench.refuses("another listing's token", call, Code::InvalidArgument, wrong).await?;
    let request = pb::ListCallsRequest { batch_id, page_token: token.clone(), ..Default::default() };
    bench.refuses("ListCalls", calls.list_calls(request), Code::InvalidArgument, wrong).await?;
    let request = pb::ListAgentsRequest { page_size: 0, page_token: token };
    bench.refuses("ListAgents", fleet.list_agents(request), Code::InvalidArgument, wrong).await?;
    for size in [-1, 1_001] {
        let call = batches.list_recordings(listing(batch_id, size, ""));
        bench.refuses("a page size", call, Code::InvalidArgument, Some("page_size")).await?;
    }
    let call = batches.list_recordings(pb::ListRecordingsRequest { filter: 99, ..listing(batch_id, 2, "") });
    bench.refuses("a filter", call, Code::InvalidArgument, Some("filter")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_stands_for_one_request() -> Result<()> {
    let bench = Bench::new().await?;
    let request = pb::CreateBatchRequest { idempotency_key: "monday".into(), ..bench.request() };
    let first = bench.client.plan(request.clone()).await?;
    let before = bench.tables.totals().await?;
    ensure!(bench.client.plan(request.clone()).await? == first, "the same request made another batch");
    ensure!(bench.tables.totals().await? == before, "the same request wrote something");
    let other = pb::CreateBatchRequest { batch_date: "01-01-2026".into(), ..request };
    let call = bench.client.create(other);
    bench.refuses("another request", call, Code::AlreadyExists, Some("idempotency_key")).await?;
    ensure!(bench.client.plan(bench.request()).await? != first, "without a key each request is a batch");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_stays_cancelled_and_has_nothing_to_retry() -> Result<()> {
    let mut bench = Bench::new().await?;
    let batch_id = bench.client.plan(bench.request()).await?;
    let mut batches = bench.client.batch_service();
    let cancelled = batches.cancel_batch(pb::CancelBatchRequest { batch_id }).await?.into_inner();
    ensure!(cancelled.cancelled == 5, "{cancelled:?}");
    let again = batches.cancel_batch(pb::CancelBatchRequest { batch_id }).await?.into_inner();
    ensure!(again.cancelled == 0, "{again:?}");
    let batch = bench.cluster.at_rest(batch_id).await?;
    ensure!(batch.state() == pb::BatchState::Cancelled, "{batch:?}");

    let call = batches.retry_recordings(pb::RetryRecordingsRequest { batch_id, ordinals: vec![] });
    bench.refuses("RetryRecordings", call, Code::FailedPrecondition, None).await?;

    // An agent that comes now gets nothing of it.
    let name = "late";
    bench.cluster.add_agent(name, Engine::Answers(bench.corpus.answers.clone())).await?;
    bench.cluster.agents_are_ready().await?;
    let next = bench.client.create(bench.request()).await?;
    let Outcome::Batch(next) = next else { anyhow::bail!("{next:?}") };
    bench.cluster.at_rest(next.batch_id).await?;
    let tally = cofi_tests::audit::audit(&bench.cluster, &bench.corpus, batch_id).await?;
    ensure!((tally.cancelled, tally.stored()) == (5, 0), "{tally:?}");
    Ok(())
}
