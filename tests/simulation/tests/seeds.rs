//! Seeds of the simulation, with every test run.

use std::process::Command;

/// Seeds that are run, and with `COFI_FULL=1`.
const SEEDS: u64 = 40;
const ALL_SEEDS: u64 = 1_000;

/// Seeds within which a mistake is noticed.
const SEEDS_TO_NOTICE: u64 = 120;

fn simulate(arguments: &[&str]) -> (bool, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_cofi-simulation")).args(arguments).output();
    let done = done.unwrap_or_else(|error| panic!("run the simulation: {error}"));
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (done.status.success(), said)
}

/// A mistake is noticed soon, if the seeds begin with one in which it was.
fn must_notice(mistake: &str, from: &str, promise: &str) {
    let seeds = SEEDS_TO_NOTICE.to_string();
    let (kept, said) = simulate(&["--mistake", mistake, "--from", from, "--seeds", &seeds, "--until-broken"]);
    assert!(!kept, "{mistake} was not noticed");
    assert!(said.contains(promise), "{said}");
}

#[test]
fn acknowledging_before_the_flush_is_noticed() {
    must_notice("acknowledge-early", "0", "which it never did");
}

#[test]
fn not_settling_before_dialling_again_is_noticed() {
    must_notice("settle-nothing", "11", "which holds it");
}

#[test]
fn keeping_what_is_released_is_noticed() {
    must_notice("keep-released", "9", "without rows");
}

#[test]
fn answering_before_the_commit_is_noticed() {
    must_notice("answer-early", "2", "never committed");
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
