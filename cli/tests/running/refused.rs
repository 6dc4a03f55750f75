//! Runs that cannot begin.

use std::{fs, io::Read};

use crate::bench::{Bench, finish};

#[test]
fn what_is_missing_is_named() {
    let bench = Bench::new(&["en-1.wav"]);
    let no_model = finish(bench.start(&["--model", "nowhere"]));
    assert_eq!(no_model.code, Some(66), "{no_model:?}");
    assert!(no_model.stderr.contains("there is no model in nowhere"), "{}", no_model.stderr);
    assert!(no_model.stderr.contains("make it with tools/make-model"), "{}", no_model.stderr);

    fs::remove_dir_all(bench.calls()).unwrap();
    let no_folder = bench.run(&[]);
    assert_eq!(no_folder.code, Some(66), "{no_folder:?}");
    assert!(
        no_folder.stderr.contains("open the folder calls: No such file or directory"),
        "{}",
        no_folder.stderr
    );
}

#[test]
fn a_folder_without_recordings_is_refused_by_name() {
    let bench = Bench::new(&["notes.txt"]);
    let ran = bench.run(&[]);
    assert_eq!(ran.code, Some(64), "{ran:?}");
    assert!(ran.stderr.contains("source") && ran.stderr.contains("no audio files"), "{}", ran.stderr);
}

#[test]
fn files_that_are_in_the_way_are_listed_and_nothing_is_done() {
    let bench = Bench::new(&["a/en-1.wav", "b/EN-1.wav", "hi-2.wav"]);
    let ran = bench.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.starts_with("rejected: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("EN-1.wav"), "{}", ran.stdout);
    fs::remove_file(bench.calls().join("b/EN-1.wav")).unwrap();
    assert_eq!(bench.run(&[]).code, Some(0));
}

#[test]
fn data_may_not_lie_among_the_recordings() {
    let bench = Bench::new(&["en-1.wav"]);
    let ran = bench.run(&["--data-dir", "calls/data"]);
    assert_eq!(ran.code, Some(64), "{ran:?}");
    assert!(ran.stderr.contains("name another place with --data-dir"), "{}", ran.stderr);
    assert!(!bench.calls().join("data").exists());
}

#[test]
fn a_data_folder_serves_one_run_at_a_time() {
    let bench = Bench::new(&["en-1.wav"]);
    bench.touch("slow");
    let mut first = bench.start(&["--engine-command", "./engine"]);
    // The first one has the folder once it says anything.
    first.stderr.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let second = bench.run(&[]);
    assert_eq!(second.code, Some(75), "{second:?}");
    assert!(second.stderr.contains("another `cofi run` uses the data folder cofi-data"), "{}", second.stderr);
    assert_eq!(finish(first).code, Some(0));
}

#[test]
fn a_command_line_that_contradicts_itself_exits_with_2() {
    let bench = Bench::new(&[]);
    for args in [&["--floor", "1.5"][..], &["--floor", "0.5"], &["--workers", "0"]] {
        assert_eq!(bench.run(args).code, Some(2), "{args:?}");
    }
}
