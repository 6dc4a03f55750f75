//! The power is cut in the middle of a batch, comes back, and the batch goes on.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{audit::audit, cluster::PATIENCE, seeds::seeds, wait::until};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{scene::Scene, volume::FileSystem};

const RECORDINGS: usize = 3_000;

/// Recordings that have their rows, or their language, when the power is cut.
const CUTS: [(i64, i64); 3] = [(300, 0), (1_500, 0), (0, 2_000)];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: ./test --root"]
async fn a_batch_goes_on_after_its_agent_lost_power() -> Result<()> {
    for seed in seeds(1, 10)? {
        eprintln!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut scene = Scene::begin(FileSystem::Ext4, RECORDINGS, seed, None).await?;
        let tables = scene.cluster.tables().await?;
        let mut asked_for_nothing = HashSet::new();
        let mut before = scene.cluster.agents[0].desk.requests()?;
        for (cut, (distributed, identified)) in CUTS.into_iter().enumerate() {
            let jitter = random.random_range(0..100);
            until(format!("cut {cut}"), PATIENCE, async || {
                let enough = tables.distributed(scene.batch).await? >= distributed + jitter
                    && tables.identified(scene.batch).await? >= identified + jitter;
                Ok(enough.then_some(()))
            })
            .await?;
            let (instant, recorder) = scene.cut().await?;
            eprintln!("cut {cut} with {} promised", instant.promised.stored.len());
            let image = scene.cluster.path(&format!("after cut {cut}"));
            scene.replay().cut(&recorder, instant.at, &image, &mut random)?;
            drop(recorder);
            let asked = scene.cluster.agents[0].desk.requests()?;
            for name in &asked_for_nothing {
                ensure!(asked.get(name) == before.get(name), "{name:?} was finished and identified again");
            }
            let all = scene.promises().await?.all().await?;
            asked_for_nothing
                .extend(instant.promised.identified.iter().map(|ordinal| all[ordinal].name.clone()));
            before = asked;
            scene.power_on(&image).await?;
        }
        scene.cluster.at_rest(scene.batch).await?;
        let tally = audit(&scene.cluster, &scene.corpus, scene.batch).await?;
        ensure!(tally.identified == u64::try_from(scene.corpus.samples.len())?, "{tally:?}");
        let asked = scene.cluster.agents[0].desk.requests()?;
        for name in &asked_for_nothing {
            ensure!(asked.get(name) == before.get(name), "{name:?} was finished and identified again");
        }
        let held = scene.cluster.agents[0].journal().await?.held(scene.batch).await?;
        let twice = held.iter().find(|held| !held.came_once());
        ensure!(twice.is_none(), "acknowledged and sent again: {twice:?}");
        scene.end().await.context("end the scene")?;
    }
    Ok(())
}
