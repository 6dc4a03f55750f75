//! A batch goes its way, and nothing happens to it.

use anyhow::{Result, ensure};
use cofi_proto::pb::v1::{self as pb, create_batch_response::Outcome};
use cofi_tests::{
    audit::audit,
    cluster::{Cluster, Engine},
    corpus::{Corpus, Terms},
    database::{Kind, change},
    reader::Reader,
};
use rstest::rstest;

/// A process with an audit form, and a category mapping, beside the usual ones.
const OTHER_TERMS: &str = "INSERT INTO auditForm (id, name) VALUES (5, 'loans'); \
    INSERT INTO categoryMapping (id, name) VALUES (7, 'loans'); \
    INSERT INTO `process` (id, name, auditFormId) VALUES (3, 'loans', 5)";

/// The controller's memory must not grow by more than this with ten times the
/// recordings.
const MEMORY_GROWTH: f64 = 1.1;

/// Takes a batch of `count` recordings through: the controller's peak memory.
async fn take_through(kind: Kind, count: usize) -> Result<f64> {
    let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 2, count, 1).await?;
    let batch = cluster.submit(&corpus).await?;
    let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
    let ended = cluster.at_rest(batch).await?;
    let memory = cluster.controller.peak_memory_kib()?;
    let seen = reader.finish()?;
    let expected = u64::try_from(count)?;
    ensure!(ended.state() == pb::BatchState::Complete, "{ended:?}");
    ensure!(u64::try_from(seen.identified)? == expected, "the reader saw {seen:?}");
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == expected, "{tally:?}");
    for agent in &cluster.agents {
        ensure!(agent.journal().await?.held_count().await? > 0, "agent {} got nothing", agent.name);
    }
    cluster.stop().await?;
    eprintln!(
        "{kind:?}, {count} recordings: controller's VmHWM {memory} KiB, {} looks of the reader",
        seen.looks
    );
    Ok(f64::from(u32::try_from(memory)?))
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_recordings_get_one_row_each_and_memory_does_not_grow_with_them(
    #[case] kind: Kind,
) -> Result<()> {
    let thousand = take_through(kind, 1_000).await?;
    let ten_thousand = take_through(kind, 10_000).await?;
    let growth = ten_thousand / thousand;
    eprintln!("{kind:?}: growth {growth:.3}");
    ensure!(growth <= MEMORY_GROWTH, "the controller's memory grew by {growth:.3}");
    Ok(())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_is_planned_with_stands_in_its_rows_and_reaches_the_engine(
    #[case] kind: Kind,
) -> Result<()> {
    let mut cluster = Cluster::on(kind).await?;
    let mut corpus = Corpus::make(&cluster.path("calls"), 50, 1)?;
    cluster.controller.start().await?;
    cluster.controller.stop().await?;
    change(cluster.controller.database(), OTHER_TERMS).await?;
    cluster.controller.start().await?;
    cluster.add_agent("host-0", Engine::Answers(corpus.answers.clone())).await?;
    let request = pb::CreateBatchRequest {
        source: corpus.root.display().to_string(),
        batch_date: "29-02-2024".to_owned(),
        process_id: 3,
        category_mapping_id: 7,
        audio_endpoint: "https://calls.example/audio//".to_owned(),
        candidate_languages: vec!["mar".to_owned(), "Hindi".to_owned(), "hi".to_owned()],
        ..Default::default()
    };
    let batch = cluster.client()?.plan(request).await?;
    cluster.at_rest(batch).await?;
    corpus.terms = Terms {
        process_id: 3,
        category_mapping_id: 7,
        audit_form_id: Some(5),
        audio_endpoint: "https://calls.example/audio".to_owned(),
    };
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 50, "{tally:?}");
    ensure!(cluster.tables().await?.batch(batch).await?.batch_date == "29-02-2024");
    let candidates = cluster.agents[0].desk.candidates()?;
    ensure!(candidates.len() == 50 && candidates.iter().all(|codes| codes == "hi,mr"), "{candidates:?}");
    cluster.stop().await
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mariadb(Kind::MariaDb)]
#[tokio::test(flavor = "multi_thread")]
async fn the_same_names_in_another_batch_are_other_recordings(#[case] kind: Kind) -> Result<()> {
    let (mut cluster, corpus) = Cluster::with_corpus_on(kind, 2, 500, 1).await?;
    let (one, other) = (cluster.submit(&corpus).await?, cluster.submit(&corpus).await?);
    let tables = cluster.tables().await?;
    ensure!(tables.batch(one).await?.current_batch == 0, "two batches are the current one");
    for batch in [one, other] {
        let reader = Reader::start(cluster.controller.database(), batch, &corpus)?;
        cluster.at_rest(batch).await?;
        reader.finish()?;
    }
    for batch in [one, other] {
        let tally = audit(&cluster, &corpus, batch).await?;
        ensure!(tally.identified == 500, "{tally:?}");
    }
    let source = corpus.root.display().to_string();
    let known = pb::CreateBatchRequest { source, skip_known: true, ..Default::default() };
    let outcome = cluster.client()?.create(known).await?;
    ensure!(outcome == Outcome::NothingNew(pb::NothingNew { known: 500 }), "{outcome:?}");
    cluster.stop().await
}
