//! What goes wrong, what it exits with, and the words that go with it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use cofi_proto::pb::v1 as pb;
use tonic::{Code, Status};

use crate::{
    fake::{Fake, Script},
    home::Home,
    program::{cofi, finish, start},
    samples,
};

#[test]
fn without_a_controller_the_words_say_how_to_get_one() {
    let free = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().local_addr().unwrap();
    let ran = finish(start(free, &Home::new(), &["batch", "list"]));
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(
        ran.stderr.starts_with(&format!("error: no controller answers at https://{free}: ")),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("start one with `cofi-controller`, or name another with --controller"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_controller_that_does_not_answer_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let ran =
        finish(start(silent.local_addr().unwrap(), &Home::new(), &["batch", "list", "--timeout", "300ms"]));
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.stderr.contains("no controller answers at https://"), "{}", ran.stderr);

    let slow = Fake::start(Script {
        get: Box::new(|_| {
            thread::sleep(Duration::from_secs(1));
            Ok(samples::complete())
        }),
        ..Script::default()
    });
    let ran = cofi(&slow, &["batch", "show", "7", "--timeout", "300ms"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.stderr.contains("did not answer within 300ms"), "{}", ran.stderr);
}

#[test]
fn each_refusal_has_its_exit_code() {
    let codes = [
        (Code::InvalidArgument, 64),
        (Code::AlreadyExists, 64),
        (Code::FailedPrecondition, 64),
        (Code::NotFound, 66),
        (Code::Unavailable, 69),
        (Code::Internal, 70),
        (Code::DataLoss, 70),
        (Code::Unimplemented, 70),
        (Code::Aborted, 75),
        (Code::ResourceExhausted, 75),
        (Code::PermissionDenied, 77),
        (Code::Unauthenticated, 77),
    ];
    for (code, exit) in codes {
        let fake = Fake::start(Script {
            get: Box::new(move |_| Err(Status::new(code, "the words\u{1b}[2J of the controller"))),
            ..Script::default()
        });
        let ran = cofi(&fake, &["batch", "show", "7"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(exit), ""), "{code:?} {ran:?}");
        let expected = if code == Code::Unimplemented {
            "older than this `cofi`"
        } else {
            r"the words\u{1b}[2J of the controller"
        };
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains(expected),
            "{code:?} {}",
            ran.stderr
        );
    }
}

#[test]
fn an_answer_that_this_program_does_not_understand_is_not_shown_as_something_else() {
    let fake = Fake::start(Script {
        get: Box::new(|_| Ok(pb::Batch { state: 99, ..samples::complete() })),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "show", "7"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(70), ""), "{ran:?}");
    assert!(ran.stderr.contains("read the controller's answer: field state is 99"), "{}", ran.stderr);
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let fake = Fake::start(Script::default());
    let wrong: &[&[&str]] = &[
        &["batch"],
        &["batch", "show"],
        &["batch", "show", "seven"],
        &["batch", "list", "--limit", "0"],
        &["batch", "recordings", "7", "--filter", "lost"],
        &["batch", "recordings", "7", "--all", "--limit", "3"],
        &["batch", "list", "--controller", "localhost:7400"],
        &["batch", "list", "--controller", "http://localhost:7400"],
        &["batch", "list", "--timeout", "soon"],
        &["batch", "list", "--timeout", "0"],
    ];
    for args in wrong {
        let ran = cofi(&fake, args);
        assert_eq!(ran.code, Some(2), "{args:?} {ran:?}");
    }
}

#[test]
fn help_documents_the_exit_codes() {
    let fake = Fake::start(Script::default());
    let ran = cofi(&fake, &["--help"]);
    assert_eq!(ran.code, Some(0));
    for code in ["0", "1", "2", "64", "66", "69", "70", "75", "76", "77", "130"] {
        assert!(ran.stdout.contains(&format!(" {code}  ")), "{code} is not in {}", ran.stdout);
    }
}
