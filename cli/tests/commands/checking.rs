//! `cofi check`.

use cofi_proto::pb::v1 as pb;
use pb::check_event::Event;
use serde_json::json;
use tonic::Status;

use crate::{
    fake::{Fake, Script},
    program::cofi,
};

fn finding() -> Event {
    Event::Finding(pb::Finding {
        kind: "call_missing".to_owned(),
        batch_id: 7,
        ordinal: Some(3),
        audio_name: "a.wav".to_owned(),
        agent: "host-0".to_owned(),
        words: "7/3 \"a.wav\" has 0 rows in call\u{1b}[2J".to_owned(),
    })
}

fn summary(findings: u64) -> Event {
    let counts = vec![pb::FindingCount { kind: "call_missing".to_owned(), findings }];
    let agent = pb::AgentCheck {
        name: "host-0".to_owned(),
        state: pb::AgentCheckState::LookedAt.into(),
        recordings_looked_at: 20,
        recordings_not_its_own: Some(1),
        unknown_files: Some(0),
        ..pb::AgentCheck::default()
    };
    Event::Summary(pb::CheckSummary {
        batches: 2,
        recordings: 20,
        earlier_batches: 4,
        findings,
        counts: if findings == 0 { Vec::new() } else { counts },
        agents: vec![agent],
        ..pb::CheckSummary::default()
    })
}

fn controller(events: Vec<Event>) -> Fake {
    let check = move |_| {
        let events = events.clone().into_iter();
        Ok(events.map(|event| Ok(pb::CheckEvent { event: Some(event) })).collect())
    };
    Fake::start(Script { check: Box::new(check), ..Script::default() })
}

#[test]
fn check_that_finds_nothing_says_what_it_looked_at_and_exits_with_0() {
    let ran = cofi(&controller(vec![summary(0)]), &["check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "looked at 20 recordings of 2 batches; not at 4 batches of an earlier service");
    assert!(lines.iter().any(|line| line.contains("host-0") && line.contains("looked at")), "{ran:?}");
    assert_eq!(lines.last(), Some(&"nothing is wrong"), "{ran:?}");
}

#[test]
fn check_that_finds_something_lists_it_and_exits_with_1() {
    let fake = controller(vec![finding(), summary(1)]);
    let ran = cofi(&fake, &["check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let first = "call_missing: 7/3 \"a.wav\" has 0 rows in call\\u{1b}[2J\n";
    assert!(ran.stdout.starts_with(first), "{ran:?}");
    assert!(ran.stdout.ends_with("1 finding: call_missing 1\n"), "{ran:?}");
    let ran = cofi(&fake, &["check", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let [finding, summary] = ran.lines().try_into().expect("two lines");
    assert_eq!(finding["finding"]["kind"], "call_missing");
    assert_eq!(finding["finding"]["ordinal"], 3);
    assert_eq!(summary["summary"]["counts"], json!({"call_missing": 1}));
    assert_eq!(summary["summary"]["agents"][0]["recordings_not_looked_at"], 0);
}

#[test]
fn check_asks_for_what_was_named() {
    let check = |request: pb::CheckRequest| {
        assert_eq!((request.batch_ids, request.digests), (vec![7, 9], true));
        Ok(vec![Ok(pb::CheckEvent { event: Some(summary(0)) })])
    };
    let fake = Fake::start(Script { check: Box::new(check), ..Script::default() });
    assert_eq!(cofi(&fake, &["check", "7", "9", "--digests"]).code, Some(0));
}

#[test]
fn check_without_its_summary_is_no_check() {
    let ran = cofi(&controller(vec![finding()]), &["check"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.stderr.contains("ended the check before its summary"), "{ran:?}");
    let broken = Fake::start(Script {
        check: Box::new(|_| Ok(vec![Err(Status::unavailable("the database is unavailable"))])),
        ..Script::default()
    });
    assert_eq!(cofi(&broken, &["check"]).code, Some(69));
}
