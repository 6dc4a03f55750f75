//! Programs that fail at their named points: in every way, on both databases.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use cofi_tests::{
    crash::{Combination, Mode, routes},
    database::Kind,
    failpoints::points_of,
    programs,
    seeds::is_full,
};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use rstest::rstest;

/// Points that there must be at least.
const POINTS: usize = 24;

/// Combinations that are tried on each database in every run of the tests.
const SAMPLE: usize = 6;

/// Where the points are told of.
const DOCUMENTATION: &str = include_str!("../../../docs/failpoints.md");

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_at_any_point_loses_doubles_and_repeats_nothing(
    #[values(Kind::Sqlite, Kind::MariaDb)] kind: Kind,
) -> Result<()> {
    let combinations = chosen(kind).await?;
    let mut failed = Vec::new();
    for combination in &combinations {
        let begun = tokio::time::Instant::now();
        let outcome = combination.run().await;
        let word = if outcome.is_ok() { "clean" } else { "NOT CLEAN" };
        eprintln!("{combination}: {word} after {:.1} s", begun.elapsed().as_secs_f64());
        failed.extend(outcome.err().map(|error| format!("{error:#}")));
    }
    ensure!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), combinations.len(), failed.join("\n"));
    Ok(())
}

/// All combinations, or a sample of them that a seed chooses (`COFI_SEED=N`);
/// those whose name contains `COFI_CRASH_POINT`, if that is set.
async fn chosen(kind: Kind) -> Result<Vec<Combination>> {
    let mut combinations = Vec::new();
    for route in routes().await? {
        combinations.extend(Mode::ALL.map(|mode| Combination { route: route.clone(), mode, kind }));
    }
    if let Ok(part) = std::env::var("COFI_CRASH_POINT") {
        combinations.retain(|combination| combination.to_string().contains(&part));
        return Ok(combinations);
    }
    if !is_full() {
        let seed = std::env::var("COFI_SEED").map_or(Ok(rand::random()), |seed| seed.parse())?;
        eprintln!("{kind:?}, seed {seed}");
        combinations.shuffle(&mut StdRng::seed_from_u64(seed));
        combinations.truncate(SAMPLE);
    }
    Ok(combinations)
}

#[tokio::test]
async fn every_point_has_a_name_of_its_own_and_is_documented() -> Result<()> {
    let (agent, controller) = (points_of("cofi-agent").await?, points_of("cofi-controller").await?);
    let points: Vec<&str> = agent.iter().chain(&controller).map(String::as_str).collect();
    let names: BTreeSet<&str> = points.iter().copied().collect();
    ensure!(names.len() == points.len(), "a name is used twice: {points:?}");
    ensure!(names.len() >= POINTS, "there are only {} points", names.len());
    let documented: BTreeSet<&str> = DOCUMENTATION
        .split('`')
        .filter(|word| word.starts_with("agent.") || word.starts_with("controller."))
        .collect();
    let differ: Vec<_> = names.symmetric_difference(&documented).collect();
    ensure!(differ.is_empty(), "only there, or only in the documentation: {differ:?}");
    Ok(())
}

#[tokio::test]
async fn only_programs_that_are_built_with_failpoints_hold_any() -> Result<()> {
    for program in ["cofi-agent", "cofi-controller"] {
        let mut words: BTreeSet<String> = points_of(program).await?.into_iter().collect();
        words.insert("FAILPOINTS_LOG".to_owned());
        let armed = words_in(&programs::with_failpoints(program)?, &words)?;
        ensure!(armed == words, "{program} was built with failpoints and has not all of them: {armed:?}");
        let shipped = words_in(&programs::path(program)?, &words)?;
        ensure!(shipped.is_empty(), "{program} has failpoints: {shipped:?}");
    }
    Ok(())
}

/// Those of the words that a program contains anywhere.
fn words_in(program: &Path, words: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut grep = Command::new("grep");
    grep.args(["--text", "--only-matching", "--fixed-strings"]);
    for word in words {
        grep.arg("--regexp").arg(word);
    }
    let output = grep.arg(program).output().context("run grep")?;
    // 1: nothing was found.
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}
