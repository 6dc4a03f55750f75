//! Runs that get somewhere.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::bench::{Bench, finish};

#[test]
fn every_recording_ends_with_its_language_and_the_second_run_has_nothing_to_do() {
    let bench = Bench::new(&["en-1.wav", "day/hi-2.wav", "day/zxx.wav", "notes.txt"]);
    bench.record("day/hi-3.wav", "another");
    fs::rename(bench.calls().join("day/zxx.wav"), bench.calls().join("day/mr-9.wav")).unwrap();
    let ran = bench.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (path, language) in
        [("en-1.wav", "en"), ("day/hi-2.wav", "hi"), ("day/hi-3.wav", "hi"), ("day/mr-9.wav", "mr")]
    {
        let line = ran.stdout.lines().find(|line| line.contains(path)).unwrap_or_default();
        assert!(line.contains(&format!("identified  {language}")), "{path}: {line}");
    }
    assert!(ran.stdout.contains("4 of 4 recordings identified in "), "{}", ran.stdout);

    let again = bench.run(&[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let expected = "nothing to do: all 4 recordings are known already\n\
                    every step is recorded in cofi-data/cofi.sqlite\n";
    assert_eq!(again.stdout, expected);
    assert!(bench.path("cofi-data/cofi.sqlite").is_file());
}

#[test]
fn only_files_that_are_new_or_changed_are_taken() {
    let bench = Bench::new(&["en-1.wav", "en-2.wav"]);
    assert_eq!(bench.run(&[]).code, Some(0));
    bench.record("en-2.wav", "longer than before");
    bench.record("hi-3.wav", "new");
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let taken: Vec<Value> = ran
        .lines()
        .iter()
        .filter_map(|line| line.get("recording"))
        .map(|r| r["source_path"].clone())
        .collect();
    assert_eq!(taken, ["en-2.wav", "hi-3.wav"]);
}

#[test]
fn a_failure_counts_until_a_retry_mends_it() {
    let bench = Bench::new(&["en-1.wav", "bad-2.wav"]);
    let ran = bench.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("undecodable: no audio stream"), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 of 2 recordings identified in "), "{}", ran.stdout);

    let again = bench.run(&[]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let expected = "nothing to do: all 2 recordings are known already; 1 failed: --retry tries them again\n";
    assert!(again.stdout.starts_with(expected), "{}", again.stdout);

    bench.touch("mended");
    let retried = bench.run(&["--retry"]);
    assert_eq!(retried.code, Some(0), "{retried:?}");
    assert_eq!(bench.run(&[]).code, Some(0));
}

#[test]
fn a_failure_is_outdone_by_a_newer_version_of_the_file() {
    let bench = Bench::new(&["bad-1.wav"]);
    assert_eq!(bench.run(&[]).code, Some(1));
    bench.touch("mended");
    bench.record("bad-1.wav", "recorded anew");
    let ran = bench.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_program_gets_snapshots_recordings_and_a_summary() {
    let bench = Bench::new(&["en-1.wav", "hi-2.wav"]);
    let ran = bench.run(&["--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines = ran.lines();
    assert!(lines[0]["batch"]["batch_id"].is_number(), "{ran:?}");
    let last: Vec<&Value> = lines.iter().rev().take(3).collect();
    assert_eq!(last[1]["recording"]["language"], "hi");
    assert_eq!(last[2]["recording"]["language"], "en");
    assert_eq!(last[2]["recording"]["duration_seconds"], 12.5);
    let summary = &last[0]["summary"];
    assert_eq!(summary["database"], "cofi-data/cofi.sqlite");
    assert_eq!(
        (&summary["recordings"], &summary["identified"], &summary["failed"]),
        (&json!(2), &json!(2), &json!(0))
    );
}

#[test]
fn a_data_folder_without_identities_gets_them() {
    let bench = Bench::new(&["en-1.wav"]);
    assert_eq!(bench.run(&[]).code, Some(0));
    // As before there were any; then as if only the controller's were lost.
    for lost in [&["cofi-data/identity", "cofi-data/agent/identity"][..], &["cofi-data/identity"]] {
        for folder in lost {
            fs::remove_dir_all(bench.path(folder)).unwrap();
        }
        bench.record(&format!("hi-{}.wav", lost.len()), "new");
        let ran = bench.run(&[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("1 of 1 recordings identified in "), "{}", ran.stdout);
    }
}

#[test]
fn identities_stay_and_no_secret_is_told() {
    let bench = Bench::new(&["en-1.wav"]);
    let first = bench.run(&[]);
    let identity = || fs::read(bench.path("cofi-data/agent/identity/identity.pem")).unwrap();
    let joined = identity();
    bench.record("hi-2.wav", "new");
    let second = bench.run(&[]);
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{first:?} {second:?}");
    assert_eq!(identity(), joined);

    let token = fs::read_to_string(bench.path("cofi-data/identity/operator.token")).unwrap();
    let secret = token.trim_end().rsplit('.').next().unwrap();
    let logs = ["cofi-data/cofi.log", "cofi-data/cofi.log.1"];
    let said = logs.map(|log| fs::read_to_string(bench.path(log)).unwrap()).concat();
    assert!(!said.is_empty());
    for words in [&said, &first.stdout, &first.stderr, &second.stdout, &second.stderr] {
        assert!(!words.contains(secret) && !words.contains("cofi1."), "{words}");
    }
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_the_next_one_finishes() {
    let names: Vec<String> = (0..60).map(|number| format!("en-{number:02}.wav")).collect();
    let bench = Bench::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    bench.touch("slow");
    let mut child = bench.start(&["--engine-command", "./engine", "--workers", "1"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for(&mut stderr, |line| line.contains("identified") && !line.contains("identified 0/"));
    interrupt(&child);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, Some(130), "{ran:?} {rest}");
    assert!(rest.contains("of 60 recordings identified; the same command goes on from there"), "{rest}");

    fs::remove_file(bench.path("slow")).unwrap();
    let next = bench.run(&[]);
    assert_eq!(next.code, Some(0), "{next:?}");
    assert!(next.stderr.contains("batch 1 goes on"), "{}", next.stderr);
    assert!(next.stdout.contains("60 of 60 recordings identified"), "{}", next.stdout);
}

#[test]
fn a_second_signal_does_not_wait_for_the_engine() {
    let bench = Bench::new(&["en-1.wav"]);
    let begun = Instant::now();
    let mut child = bench.start(&["--engine-command", r#"sh -c "echo '{\"ready\":{}}'; sleep 600""#]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for(&mut stderr, |line| line.contains("stored 1/1"));
    interrupt(&child);
    wait_for(&mut stderr, |line| line.contains("Ctrl-C again stops at once"));
    interrupt(&child);
    let ran = finish(child);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "waited for the engine: {:?}", begun.elapsed());
}

fn wait_for(lines: &mut impl BufRead, is_it: impl Fn(&str) -> bool) {
    let mut line = String::new();
    while !is_it(&line) {
        line.clear();
        assert_ne!(
            lines.read_line(&mut line).expect("read what cofi says"),
            0,
            "cofi ended before it said what it should"
        );
    }
}

fn interrupt(child: &Child) {
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("start kill");
    assert!(killed.success());
}
