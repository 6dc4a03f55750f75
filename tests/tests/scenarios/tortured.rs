//! A short torture; `./torture` makes longer ones.

use anyhow::{Result, ensure};
use cofi_tests::{
    database::Kind,
    seeds::seeds,
    torture::{Plan, torture},
};
use rstest::rstest;

/// Kills of one seed.
const ROUNDS: u64 = 6;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_nothing_is_lost_doubled_or_done_twice(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    for seed in seeds(1, 10)? {
        eprintln!("seed {seed}");
        let report = torture(Plan { rounds: ROUNDS, seed, kind }).await?;
        ensure!(report.rounds() == ROUNDS, "{report}");
        eprintln!("{report}");
    }
    Ok(())
}
