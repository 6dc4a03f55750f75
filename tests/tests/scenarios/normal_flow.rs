//! A batch goes its way, and nothing happens to it.

use anyhow::{Result, ensure};
use cofi_proto::pb::v1 as pb;
use cofi_tests::{audit::audit, cluster::Cluster, reader::Reader};

/// The controller's memory must not grow by more than this with ten times the
/// recordings.
const MEMORY_GROWTH: f64 = 1.1;

/// Takes a batch of `count` recordings through: the controller's peak memory.
async fn take_through(count: usize) -> Result<f64> {
    let (mut cluster, corpus) = Cluster::with_corpus(2, count, 1).await?;
    let batch = cluster.submit(&corpus).await?;
    let reader = Reader::start(&cluster.controller.database(), batch, &corpus)?;
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
    eprintln!("{count} recordings: controller's VmHWM {memory} KiB, {} looks of the reader", seen.looks);
    Ok(f64::from(u32::try_from(memory)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_recordings_get_one_row_each_and_memory_does_not_grow_with_them() -> Result<()> {
    let thousand = take_through(1_000).await?;
    let ten_thousand = take_through(10_000).await?;
    let growth = ten_thousand / thousand;
    eprintln!("growth {growth:.3}");
    ensure!(growth <= MEMORY_GROWTH, "the controller's memory grew by {growth:.3}");
    Ok(())
}
