//! Following a batch, also across a controller that goes away.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cofi_proto::pb::v1::{self as pb, create_batch_response::Outcome};
use tonic::Status;

use crate::{
    fake::{Fake, Script},
    home::Home,
    program::{cofi, finish, start},
    samples,
};

fn watching(snapshots: impl Fn() -> Vec<Result<pb::Batch, Status>> + Send + Sync + 'static) -> Script {
    Script { watch: Box::new(move |_| Ok(snapshots())), ..Script::default() }
}

#[test]
fn progress_goes_to_stderr_and_the_end_to_stdout() {
    let fake = Fake::start(watching(|| vec![Ok(samples::under_way()), Ok(samples::complete())]));
    let ran = cofi(&fake, &["batch", "watch", "7"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let expected = "batch 7: stored 120/400, 12.3 MB of 40.0 MB, 3.1 MB/s; identified 80/400, 4.0/s, \
                    about 1 min 20 s left; en 80\n\
                    batch 7: stored 400/400, 40.0 MB of 40.0 MB; identified 400/400; en 80\n";
    assert_eq!(ran.stderr, expected);
    assert!(ran.stdout.contains("state       complete\n"), "{}", ran.stdout);
}

#[test]
fn each_snapshot_is_a_line_for_programs() {
    let fake = Fake::start(watching(|| vec![Ok(samples::under_way()), Ok(samples::with_a_failure())]));
    let ran = cofi(&fake, &["batch", "watch", "7", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let states: Vec<_> = ran.lines().iter().map(|line| line["batch"]["state"].clone()).collect();
    assert_eq!(states, ["distributing", "complete_with_failures"]);
}

#[test]
fn failures_and_cancellations_show_in_the_exit_code() {
    let cancelled = pb::Batch {
        state: pb::BatchState::Cancelled.into(),
        counts: Some(pb::BatchCounts { recordings: 400, cancelled: 400, ..pb::BatchCounts::default() }),
        ..samples::under_way()
    };
    for batch in [samples::with_a_failure(), cancelled] {
        let fake = Fake::start(watching(move || vec![Ok(batch.clone())]));
        assert_eq!(cofi(&fake, &["batch", "watch", "7"]).code, Some(1));
    }
}

#[test]
fn submit_goes_on_to_watch() {
    let fake = Fake::start(Script {
        create: Box::new(|_| {
            Ok(pb::CreateBatchResponse { outcome: Some(Outcome::Batch(samples::under_way())) })
        }),
        ..watching(|| vec![Ok(samples::complete())])
    });
    let ran = cofi(&fake, &["batch", "submit", "/calls", "--watch", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let states: Vec<_> = ran.lines().iter().map(|line| line["batch"]["state"].clone()).collect();
    assert_eq!(states, ["distributing", "complete"]);
}

#[test]
fn a_watch_that_breaks_off_comes_back_by_itself() {
    let watches = AtomicUsize::new(0);
    let fake = Fake::start(watching(move || match watches.fetch_add(1, Ordering::SeqCst) {
        0 => vec![Ok(samples::under_way())],
        1 => vec![Err(Status::unavailable("draining"))],
        2 => vec![],
        _ => vec![Ok(samples::complete())],
    }));
    let ran = cofi(&fake, &["batch", "watch", "7"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stderr.matches("lost the controller").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("the controller is back").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_watch_outlives_a_restart_of_the_controller() {
    let unfinished = || watching(|| vec![Ok(samples::under_way()), Err(Status::unavailable("going down"))]);
    let fake = Fake::start(unfinished());
    let address = fake.address;
    let home = Arc::clone(&fake.home);
    let mut child = start(address, &home, &["batch", "watch", "7"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("lost the controller") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "cofi ended before it lost the controller");
    }
    drop(fake);
    let _fake = Fake::start_at(address, home, watching(|| vec![Ok(samples::complete())]));
    let ran = finish(child);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("complete"), "{ran:?}");
}

#[test]
fn a_controller_that_stays_away_is_given_up() {
    let watches = AtomicUsize::new(0);
    let fake = Fake::start(watching(move || match watches.fetch_add(1, Ordering::SeqCst) {
        0 => vec![Ok(samples::under_way())],
        _ => vec![],
    }));
    let ran = cofi(&fake, &["batch", "watch", "7", "--give-up-after", "500ms"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.stderr.contains("no word from the controller"), "{}", ran.stderr);
    assert!(ran.stderr.contains("watch it again with `cofi batch watch`"), "{}", ran.stderr);
}

#[test]
fn a_batch_that_is_not_there_ends_the_watch_at_once() {
    let fake = Fake::start(Script {
        watch: Box::new(|_| Err(Status::not_found("there is no batch 7"))),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "watch", "7"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(66), "error: there is no batch 7\n"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let fake = Fake::start(watching(|| vec![Ok(samples::under_way()); 2_000]));
    let mut child = start(fake.address, &fake.home, &["batch", "watch", "7", "--json"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let ran = finish(child);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_interrupted_watch_says_so_in_its_exit_code() {
    // Takes the connection and never answers.
    let silent = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let home = Home::new();
    let child = start(silent.local_addr().unwrap(), &home, &["batch", "watch", "7"]);
    let (_connection, _) = silent.accept().unwrap();
    let killed =
        Command::new("kill").args(["-INT", &child.id().to_string()]).stdin(Stdio::null()).status().unwrap();
    assert!(killed.success());
    let ran = finish(child);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(130), "error: interrupted\n"));
}
