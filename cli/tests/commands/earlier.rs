//! Batches that an earlier service wrote: what is known of them is shown, and
//! nothing else; bringing their calls in line.

use std::sync::{Arc, Mutex};

use cofi_proto::pb::v1 as pb;
use serde_json::json;

use crate::{
    fake::{Fake, Script},
    program::cofi,
    samples,
};

fn showing() -> Script {
    Script {
        get: Box::new(|_| Ok(samples::earlier())),
        watch: Box::new(|_| Ok(vec![Ok(samples::earlier())])),
        ..Script::default()
    }
}

fn document() -> serde_json::Value {
    json!({
        "batch_id": 3,
        "batch_date": "02-03-2021",
        "state": "earlier",
        "languages": [{"language": "hi", "recordings": 9_000}],
        "earlier": {
            "current": false,
            "start_time": "2021-03-02 04:05:06",
            "stages": [
                {"stage": "batchStatus", "status": "Complete"},
                {"stage": "lidStatus", "status": "InProgress"},
                {"stage": "denoiseStatus", "status": null},
            ],
            "calls": 10_000,
            "identified": 9_000,
            "lid_pending": 1_000,
            "distributed": 10_002,
            "remarks": "night shift\u{7}",
        },
    })
}

#[test]
fn a_listing_shows_what_is_known_of_each_batch() {
    let fake = Fake::start(Script {
        batches: Box::new(|_| {
            Ok(pb::ListBatchesResponse {
                batches: vec![samples::complete(), samples::earlier_in_a_listing()],
                next_page_token: String::new(),
            })
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "list"]);
    let lines: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1][..3], ["7", "23-11-2026", "complete"], "{ran:?}");
    let expected = ["3", "02-03-2021", "earlier", "service", "(Complete)", "-", "10000", "-", "-", "-", "-"];
    assert_eq!(lines[2], expected, "{ran:?}");
    let listed = &cofi(&fake, &["batch", "list", "--json"]).document()["batches"];
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&json!("complete"), &json!("earlier")));
    assert_eq!(listed[1]["earlier"]["calls"], 10_000);
    assert_eq!(listed[1]["earlier"]["identified"], json!(null));
}

#[test]
fn show_prints_what_the_shared_tables_say() {
    let fake = Fake::start(showing());
    let ran = cofi(&fake, &["batch", "show", "3"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in [
        "earlier service (Complete)",
        "2021-03-02 04:05:06",
        "to be identified  1000",
        "10002",
        r"night shift\u{7}",
        "lidStatus      InProgress",
        "denoiseStatus  -",
        "hi",
    ] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
    for invented in ["source", "created", "candidates", "recordings"] {
        assert!(!ran.stdout.contains(invented), "{invented} is in {}", ran.stdout);
    }
    assert_eq!(cofi(&fake, &["batch", "show", "3", "--json"]).document(), document());
}

#[test]
fn a_watch_ends_with_the_only_snapshot_there_is() {
    let fake = Fake::start(showing());
    let ran = cofi(&fake, &["batch", "watch", "3"]);
    assert_eq!(ran.code, Some(1), "some calls have no language: {ran:?}");
    assert!(ran.stdout.contains("earlier service (Complete)"), "{ran:?}");
    let ran = cofi(&fake, &["batch", "watch", "3", "--json"]);
    assert_eq!(ran.document(), json!({"batch": document()}));
}

#[test]
fn bringing_calls_in_line_says_what_came_of_it() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let fake = Fake::start(Script {
        apply_lid: Box::new(move |request| {
            seen.lock().unwrap().push(request.batch_id);
            Ok(pb::ApplyLidResultsResponse {
                changed: 12,
                in_line: 9_000,
                settled: 0,
                without_call: 2,
                without_language: 0,
                unmapped: 3,
                unmapped_languages: vec![pb::UnmappedLanguage {
                    language: "Elvish\u{1b}".to_owned(),
                    names: 3,
                }],
            })
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "apply-lid", "3"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in ["calls changed          12", "9000", "names without a call   2", r"Elvish\u{1b}"] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("settled") && !ran.stdout.contains("without a language"), "{ran:?}");
    let expected = json!({
        "changed": 12, "in_line": 9_000, "settled": 0, "without_call": 2, "without_language": 0, "unmapped": 3,
        "unmapped_languages": [{"language": "Elvish\u{1b}", "names": 3}],
    });
    assert_eq!(cofi(&fake, &["batch", "apply-lid", "3", "--json"]).document(), expected);
    assert_eq!(*asked.lock().unwrap(), [3, 3]);
}
