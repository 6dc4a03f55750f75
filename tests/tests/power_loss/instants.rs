//! Under load, at any instant: what was promised is there after a power cut.

use anyhow::{Result, ensure};
use cofi_tests::seeds::seeds;
use rand::{SeedableRng as _, rngs::StdRng, seq::IteratorRandom as _};
use rstest::rstest;

use super::{
    promises::Store,
    scene::{Instant, Lie, Scene},
    volume::{FileSystem, Mounted},
};

const RECORDINGS: usize = 3_000;

/// Instants of one run that are looked at.
const INSTANTS: usize = 60;

/// What came out of cutting the power at many instants.
#[derive(Debug, Default)]
struct Tried {
    instants: usize,
    recordings: usize,
    results: usize,
    findings: Vec<String>,
}

/// Runs a batch to its end, and then looks at what would have been left of it
/// at random instants; ends at the first finding.
async fn try_instants(mut scene: Scene, seed: u64) -> Result<Tried> {
    let mut random = StdRng::seed_from_u64(seed);
    let instants = scene.instants(&mut random).await?;
    let all = scene.promises().await?.all().await?;
    let (_, recorder) = scene.cut().await?;
    scene.cluster.controller.stop().await?;
    let (image, data) = (scene.cluster.path("cut"), scene.data_dir()?);
    let store = Store { data: &data, batch: scene.batch, all: &all };
    let mut replay = scene.replay();
    let mut tried = Tried::default();
    for Instant { at, promised } in choose(instants, all.len(), &mut random)? {
        replay.cut(&recorder, at, &image, &mut random)?;
        let mounted = Mounted::new(&image, &data)?;
        tried.findings = store.broken(&promised).await?;
        if tried.findings.is_empty() {
            scene.mend().await?;
            tried.findings = store.not_mended(&promised).await?;
        }
        mounted.end().await?;
        tried.instants += 1;
        tried.recordings += promised.stored.len();
        tried.results += promised.identified.len();
        if !tried.findings.is_empty() {
            break;
        }
    }
    let Tried { instants, recordings, results, findings } = &tried;
    eprintln!("{instants} instants, {recordings} recordings and {results} results looked at");
    eprintln!("{} findings, the first: {:?}", findings.len(), findings.first());
    Ok(tried)
}

/// Half of them while recordings came, half of them after.
fn choose(instants: Vec<Instant>, count: usize, random: &mut StdRng) -> Result<Vec<Instant>> {
    let (after, during): (Vec<_>, Vec<_>) =
        instants.into_iter().partition(|instant| instant.promised.stored.len() == count);
    ensure!(during.len().min(after.len()) >= INSTANTS / 2, "{} and {} instants", during.len(), after.len());
    let mut chosen = during.into_iter().choose_multiple(random, INSTANTS / 2);
    chosen.extend(after.into_iter().choose_multiple(random, INSTANTS / 2));
    chosen.sort_by_key(|instant| instant.at);
    Ok(chosen)
}

#[rstest]
#[case::ext4(FileSystem::Ext4)]
#[case::xfs(FileSystem::Xfs)]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: ./test --root"]
async fn what_was_acknowledged_is_whole_after_a_power_cut_at_any_instant(
    #[case] file_system: FileSystem,
) -> Result<()> {
    for seed in seeds(1, 10)? {
        eprintln!("seed {seed}");
        let tried = try_instants(Scene::begin(file_system, RECORDINGS, seed, None).await?, seed).await?;
        ensure!(tried.findings.is_empty(), "{:#?}", tried.findings);
        ensure!(tried.recordings > 10 * RECORDINGS && tried.results > RECORDINGS, "too little was promised");
    }
    Ok(())
}

/// The harness bites: flushes that do nothing are found out. That of content is
/// taken away with the write-back that is begun before it, which alone is as
/// good on a disk that keeps the order of what it is told. That of folders does
/// not show here, since the commit of the journal that follows it within
/// milliseconds carries the names with it: `flush_order` looks for that one.
#[rstest]
#[case::of_content("fadvise64,fdatasync", None)]
#[case::of_the_journal("fsync", Some("journal.sqlite-wal"))]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: ./test --root"]
async fn an_agent_whose_flushes_do_nothing_is_found_out(
    #[case] calls: &str,
    #[case] of: Option<&str>,
) -> Result<()> {
    let scene = Scene::begin(FileSystem::Ext4, RECORDINGS, 1, Some(Lie { calls, of })).await?;
    let tried = try_instants(scene, 1).await?;
    ensure!(!tried.findings.is_empty(), "nobody noticed that {calls} did nothing");
    Ok(())
}
