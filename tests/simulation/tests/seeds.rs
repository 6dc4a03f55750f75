//! Seeds of the simulation, with every test run.

use std::process::Command;

/// Seeds that are run, and with `COFI_FULL=1`.
const SEEDS: u64 = 40;
const ALL_SEEDS: u64 = 1_000;

fn simulate(arguments: &[&str]) -> (bool, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_cofi-simulation")).args(arguments).output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (done.status.success(), said)
}

#[test]
fn promises_are_kept_in_every_seed() {
    let full = std::env::var_os("COFI_FULL").is_some();
    let seeds = if full { ALL_SEEDS } else { SEEDS };
    let (kept, said) = simulate(&["--seeds", &seeds.to_string()]);
    assert!(kept, "{said}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed: &str| simulate(&["--seed", seed, "--aloud"]).1;
    let first = story("3");
    assert_eq!(first, story("3"));
    assert_ne!(first, story("4"));
}
