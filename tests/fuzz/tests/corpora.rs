//! Every input of the corpora, and inputs that once showed something wrong.

use std::{fs, path::PathBuf};

use cofi_fuzz::{TARGETS, target};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn run(name: &str) {
    let check = target(name).expect("a target");
    let inputs = fs::read_dir(corpus().join(name)).expect("a corpus");
    let mut count = 0;
    for input in inputs {
        let path = input.expect("an input").path();
        // Shown with a test that fails.
        eprintln!("{}", path.display());
        check(&fs::read(&path).expect("an input"));
        count += 1;
    }
    assert!(count > 0, "no input for {name}");
}

#[test]
fn messages_hold() {
    run("messages");
}

#[test]
fn tokens_hold() {
    run("tokens");
}

#[test]
fn certificates_hold() {
    run("certificates");
}

#[test]
fn names_hold() {
    run("names");
}

#[test]
fn configurations_hold() {
    run("configuration");
}

#[test]
fn lines_hold() {
    run("lines");
}

#[test]
fn every_target_has_a_corpus_and_they_stay_small() {
    let mut bytes = 0;
    for (name, _) in TARGETS {
        for input in fs::read_dir(corpus().join(name)).unwrap() {
            bytes += input.unwrap().metadata().unwrap().len();
        }
    }
    assert!(bytes < 200 * 1024, "{bytes} bytes");
}
