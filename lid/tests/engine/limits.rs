//! What a worker and its ffmpeg may take, and what is said where that is not enough.

use std::{fs, path::Path, time::Instant};

use cofi_lid::protocol::{Failure, FailureClass, WorkerLine};
use tempfile::TempDir;

use super::{folder_of_model, gsm, only_failure, parse, request, stand_in_for_ffmpeg, work_beside, worker};

/// The last words of a worker that ended over one recording.
fn given_up(programs: &Path, arguments: &[&str], recording: &Path) -> Failure {
    let model = folder_of_model();
    let line = request(recording, &[]).to_line().expect("a request") + "\n";
    let output = worker(&[&["--model", &model], arguments].concat(), programs, &line);
    assert!(!output.status.success());
    match parse(&output).pop() {
        Some(WorkerLine::GivenUp(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_recording_that_takes_too_long_ends_the_worker_with_an_answer() {
    let folder = TempDir::new().unwrap();
    stand_in_for_ffmpeg(folder.path(), "while printf '....'; do sleep 0.1; done 2>/dev/null");
    let failure = given_up(folder.path(), &["--time-limit", "1"], &gsm(folder.path()));
    assert_eq!((failure.code.as_str(), failure.class), ("too_slow", FailureClass::Recording));
    assert_eq!(failure.error, "not done after 1 s");
}

#[test]
fn a_recording_that_takes_too_much_memory_ends_the_worker_with_an_answer() {
    let folder = TempDir::new().unwrap();
    let call = folder.path().join("hour.wav");
    let header =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data";
    fs::write(&call, [header.as_slice(), &[0xff; 4]].concat()).unwrap();
    fs::OpenOptions::new().write(true).open(&call).unwrap().set_len(58_000_000).unwrap();
    let failure = given_up(folder.path(), &["--memory-limit", "24"], &call);
    assert_eq!((failure.code.as_str(), failure.class), ("too_much_memory", FailureClass::Recording));
    assert_eq!(failure.error, "takes more than 24 MiB");
}

#[test]
fn ffmpeg_has_limits_of_its_own() {
    let folder = TempDir::new().unwrap();
    let tell = r#"echo "data $(ulimit -d) cpu $(ulimit -t) files $(ulimit -f) core $(ulimit -c)""#;
    // The limits come right after the start.
    stand_in_for_ffmpeg(folder.path(), &format!("sleep 0.5; {tell} >&2; exit 1"));
    let arguments = ["--memory-limit", "300", "--time-limit", "77"];
    let failure = only_failure(work_beside(folder.path(), &arguments, &[request(&gsm(folder.path()), &[])]));
    let told = "data 307200 cpu 77 files 0 core 0";
    assert!(failure.error.contains(told), "{}", failure.error);
}

#[test]
fn an_ffmpeg_that_complains_without_end_is_heard_out() {
    let folder = TempDir::new().unwrap();
    let much = "head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; exit 1";
    stand_in_for_ffmpeg(folder.path(), &format!("echo 'bad packet' >&2; {much}"));
    let begun = Instant::now();
    let arguments = ["--time-limit", "30"];
    let failure = only_failure(work_beside(folder.path(), &arguments, &[request(&gsm(folder.path()), &[])]));
    assert_eq!(failure.code, "undecodable");
    assert!(failure.error.ends_with("ffmpeg says: bad packet"), "{}", failure.error);
    assert!(begun.elapsed().as_secs() < 30);
}

#[test]
fn a_worker_leaves_no_core_file_and_is_the_first_that_the_kernel_ends() {
    let folder = TempDir::new().unwrap();
    // What the stand-in is told by its parent's limits and its own.
    let tell = r#"echo "core $(ulimit -c) oom $(cat /proc/self/oom_score_adj) $(grep NoNewPrivs /proc/self/status | tr '\t' ' ')""#;
    stand_in_for_ffmpeg(folder.path(), &format!("{tell} >&2; exit 1"));
    let failure = only_failure(work_beside(folder.path(), &[], &[request(&gsm(folder.path()), &[])]));
    assert!(failure.error.contains("core 0 oom 500 NoNewPrivs: 1"), "{}", failure.error);
}
