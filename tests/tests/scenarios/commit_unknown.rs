//! Connections to the database are cut around a COMMIT: whether it took place
//! is to be found out, never assumed.

use anyhow::{Context as _, Result, bail, ensure};
use cofi_lid::protocol::FailureClass;
use cofi_mariadb::shared;
use cofi_proto::pb::v1::{self as pb, create_batch_response::Outcome};
use cofi_tests::{
    audit::{Tally, audit, done_once},
    client::Client,
    cluster::{Cluster, SOON},
    corpus::Corpus,
    proxy::{Commits, Proxy, When},
    reader::Reader,
    seeds::seeds,
    tables::Totals,
    wait::until,
    worker::Behaviour,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tonic::{Code, Status};

/// Times that an operator asks again.
const TIMES: usize = 8;

/// Recordings of a batch that is only planned: two chunks of a manifest.
const PLANNED: usize = 600;

/// Recordings of a batch that goes its whole way.
const RECORDINGS: usize = 200;

/// Bytes of replies: from the middle of a login to several whole groups.
const CUT_AFTER: std::ops::Range<usize> = 10..500_000;

const BOTH: [When; 2] = [When::BeforeCommit, When::AfterCommit];

/// A cluster whose controller reaches its database through a proxy.
async fn cluster() -> Result<(Cluster, Proxy)> {
    let proxy = Proxy::start(shared().address())?;
    let mut cluster = Cluster::on_server(shared()).await?;
    cluster.controller.reach_database_at(proxy.address());
    Ok((cluster, proxy))
}

/// Asks until there is an answer. What is answered instead must say that the
/// same question may be asked again.
async fn insist<T>(mut ask: impl AsyncFnMut() -> Result<T, Status>) -> Result<T> {
    for _ in 0..TIMES {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(status) if status.code() == Code::Unavailable => eprintln!("told: {status}"),
            Err(status) => return Err(status).context("an answer that is no reason to ask again"),
        }
    }
    bail!("asked {TIMES} times in vain")
}

async fn plan(client: &Client, corpus: &Corpus, key: &str) -> Result<i64> {
    let source = corpus.root.display().to_string();
    let request = pb::CreateBatchRequest { source, idempotency_key: key.to_owned(), ..Default::default() };
    let outcome = insist(async || client.create(request.clone()).await).await?;
    let Outcome::Batch(batch) = outcome else { bail!("the batch was not accepted: {outcome:?}") };
    Ok(batch.batch_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_planned_across_a_lost_commit_is_there_once_and_whole() -> Result<()> {
    let (mut cluster, proxy) = cluster().await?;
    let corpus = Corpus::make(&cluster.path("calls"), PLANNED, 1)?;
    cluster.controller.start().await?;
    let (client, tables) = (cluster.client()?, cluster.tables().await?);
    let mut batches = 0;
    for statement in ["begin_batch", "add_to_manifest", "publish_batch"] {
        for when in BOTH {
            eprintln!("{statement}, {when:?}");
            let cuts = proxy.cuts();
            proxy.cut(Commits::NextWith(statement), when);
            let key = format!("{statement} {when:?}");
            let batch = plan(&client, &corpus, &key).await?;
            ensure!(proxy.cuts() == cuts + 1, "nothing was cut");
            ensure!(plan(&client, &corpus, &key).await? == batch, "the same key gave another batch");
            batches += 1;
            let totals = tables.totals().await?;
            let recordings = batches * i64::try_from(PLANNED)?;
            let expected = Totals {
                batch_status: batches,
                cofi_batch: batches,
                cofi_recording: recordings,
                ..Totals::default()
            };
            ensure!(totals == expected, "{totals:?}, expected {expected:?}");
            let planned = client.batch(batch).await?;
            ensure!(planned.counts.unwrap_or_default().recordings == u64::try_from(PLANNED)?, "{planned:?}");
            ensure!(tables.batch(batch).await?.current_batch == 1, "the newest batch is not the current one");
        }
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_once_whichever_commit_is_lost() -> Result<()> {
    let (mut cluster, proxy) = cluster().await?;
    let corpus = cluster.begin(2, RECORDINGS, 1).await?;
    for statement in ["record_stored", "insert_calls", "record_identified", "set_stage", "set_resting"] {
        for when in BOTH {
            eprintln!("{statement}, {when:?}");
            let cuts = proxy.cuts();
            proxy.cut(Commits::NextWith(statement), when);
            let batch = cluster.submit(&corpus).await?;
            let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
            cluster.at_rest(batch).await?;
            until("the connection to be cut", SOON, async || Ok((proxy.cuts() == cuts + 1).then_some(())))
                .await?;
            reader.finish()?;
            let tally = audit(&cluster, &corpus, batch).await?;
            ensure!(
                tally == Tally { identified: u64::try_from(RECORDINGS)?, ..Tally::default() },
                "{tally:?}"
            );
        }
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_across_a_lost_commit_has_everything_done_again_and_says_so() -> Result<()> {
    let (mut cluster, proxy) = cluster().await?;
    let corpus = cluster.begin(2, RECORDINGS, 1).await?;
    let client = cluster.client()?;
    for when in BOTH {
        eprintln!("{when:?}");
        for agent in &cluster.agents {
            agent.desk.tell(&Behaviour::fail(FailureClass::Recording))?;
        }
        let batch = cluster.submit(&corpus).await?;
        cluster.at_rest(batch).await?;
        for agent in &cluster.agents {
            agent.desk.tell(&Behaviour::Answer)?;
        }
        let cuts = proxy.cuts();
        proxy.cut(Commits::NextWith("retry_lids"), when);
        let request = pb::RetryRecordingsRequest { batch_id: batch, ordinals: Vec::new() };
        let retry = async || client.batch_service().retry_recordings(request.clone()).await;
        let retried = insist(retry).await?.into_inner();
        ensure!(proxy.cuts() == cuts + 1, "nothing was cut");
        ensure!(retried.identifications == u64::try_from(RECORDINGS)?, "{retried:?}");
        cluster.at_rest(batch).await?;
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == u64::try_from(RECORDINGS)?, "{tally:?}");
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_across_a_lost_commit_cancels() -> Result<()> {
    let (mut cluster, proxy) = cluster().await?;
    // Nobody takes the recordings, so that all of them are there to be cancelled.
    let corpus = cluster.begin(0, RECORDINGS, 1).await?;
    let client = cluster.client()?;
    for when in BOTH {
        eprintln!("{when:?}");
        let batch = cluster.submit(&corpus).await?;
        let cuts = proxy.cuts();
        proxy.cut(Commits::NextWith("cancel_planned"), when);
        let request = pb::CancelBatchRequest { batch_id: batch };
        insist(async || client.batch_service().cancel_batch(request).await).await?;
        ensure!(proxy.cuts() == cuts + 1, "nothing was cut");
        let cancelled = cluster.at_rest(batch).await?;
        ensure!(cancelled.state() == pb::BatchState::Cancelled, "{cancelled:?}");
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.cancelled == u64::try_from(RECORDINGS)?, "{tally:?}");
    }
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_its_way_however_often_commits_are_lost() -> Result<()> {
    for seed in seeds(2, 30)? {
        let mut random = StdRng::seed_from_u64(seed);
        let commits = Commits::Every(random.random_range(4..8));
        let when = BOTH[random.random_range(0..2)];
        eprintln!("seed {seed}: {commits:?}, {when:?}");
        let (mut cluster, proxy) = cluster().await?;
        let corpus = cluster.begin(2, 10 * RECORDINGS, seed).await?;
        let client = cluster.client()?;
        for agent in &cluster.agents {
            agent.desk.tell(&Behaviour::FailAfter { answers: 700, class: FailureClass::Recording })?;
        }
        proxy.cut(commits, when);
        let batch = plan(&client, &corpus, "a key").await?;
        let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
        rests(&client, batch).await?;
        for agent in &cluster.agents {
            agent.desk.tell(&Behaviour::Answer)?;
        }
        let request = pb::RetryRecordingsRequest { batch_id: batch, ordinals: Vec::new() };
        insist(async || client.batch_service().retry_recordings(request.clone()).await).await?;
        rests(&client, batch).await?;
        proxy.heal();
        eprintln!("{} connections were cut", proxy.cuts());
        ensure!(proxy.cuts() > 2, "hardly anything was cut");
        let ended = cluster.at_rest(batch).await?;
        ensure!(ended.state() == pb::BatchState::Complete, "{ended:?}");
        reader.finish()?;
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == u64::try_from(10 * RECORDINGS)?, "{tally:?}");
        cluster.stop().await?;
    }
    Ok(())
}

/// Waits until a batch rests, over a database that is often away.
async fn rests(client: &Client, batch_id: i64) -> Result<()> {
    until(format!("batch {batch_id} to rest"), 4 * SOON, async || {
        let get = async || client.batch_service().get_batch(pb::GetBatchRequest { batch_id }).await;
        let batch = insist(get).await?.into_inner();
        let counts = batch.counts.unwrap_or_default();
        let settled = counts.identified + counts.lid_failed;
        Ok((settled == counts.recordings).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_are_cut_anywhere_do_no_harm() -> Result<()> {
    for seed in seeds(1, 10)? {
        // On a quick machine a run may be over before anything is cut.
        let mut cuts = 0;
        for again in 0..5 {
            if cuts == 0 {
                cuts = cut_anywhere(seed + 1_000 * again).await?;
            }
        }
        ensure!(cuts > 0, "nothing was cut");
    }
    Ok(())
}

/// Takes a batch through with connections that are cut; how many were.
async fn cut_anywhere(seed: u64) -> Result<u32> {
    eprintln!("seed {seed}");
    let (mut cluster, proxy) = cluster().await?;
    let corpus = cluster.begin(2, 5 * RECORDINGS, seed).await?;
    proxy.cut_replies_after(CUT_AFTER, seed);
    proxy.cut_all();
    let batch = plan(&cluster.client()?, &corpus, "a key").await?;
    rests(&cluster.client()?, batch).await?;
    proxy.heal();
    let cuts = proxy.cuts();
    eprintln!("{cuts} connections were cut");
    cluster.at_rest(batch).await?;
    audit(&cluster, &corpus, batch).await?;
    done_once(&cluster, batch).await?;
    cluster.stop().await?;
    Ok(cuts)
}
