//! Listings: pages, limits, tables and documents.

use std::sync::{Arc, Mutex};

use cofi_proto::pb::v1 as pb;
use serde_json::json;
use tonic::Status;

use crate::{
    fake::{Fake, Script},
    program::cofi,
    samples,
};

const RECORDINGS: i64 = 2_500;

/// Serves 2,500 recordings in pages, its tokens the next ordinal, and notes
/// the sizes that were asked for.
fn paged(sizes: &Arc<Mutex<Vec<i32>>>) -> Script {
    let sizes = Arc::clone(sizes);
    Script {
        recordings: Box::new(move |request| {
            sizes.lock().expect("no thread panicked").push(request.page_size);
            let first = match request.page_token.as_str() {
                "" => 0,
                token => {
                    token.parse().map_err(|_| Status::invalid_argument("page_token is not one of ours"))?
                }
            };
            let end = RECORDINGS.min(first + i64::from(request.page_size));
            let next_page_token = if end == RECORDINGS { String::new() } else { end.to_string() };
            Ok(pb::ListRecordingsResponse {
                recordings: (first..end).map(samples::recording).collect(),
                next_page_token,
            })
        }),
        ..Script::default()
    }
}

#[test]
fn a_listing_goes_through_every_page() {
    let sizes = Arc::default();
    let fake = Fake::start(paged(&sizes));
    let ran = cofi(&fake, &["batch", "recordings", "7", "--all"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ordinals: Vec<i64> = ran
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
        .collect();
    assert!(ordinals.into_iter().eq(0..RECORDINGS));
    assert_eq!(ran.stdout.matches("ORDINAL").count(), 1);
    assert_eq!(*sizes.lock().unwrap(), [1_000, 1_000, 1_000]);
}

#[test]
fn a_listing_for_programs_is_one_document_however_long() {
    let fake = Fake::start(paged(&Arc::default()));
    let document = cofi(&fake, &["batch", "recordings", "7", "--json"]).document();
    let recordings = document["recordings"].as_array().unwrap();
    assert_eq!(recordings.len(), 2_500);
    assert_eq!(document["more"], false);
    let expected = json!({
        "ordinal": 2_499,
        "audio_name": "2499.wav",
        "source_path": "day/2499.wav",
        "size_bytes": 1_000,
        "placement": "stored",
        "lid": "done",
        "agent": "gpu-1",
        "call_id": 2_500,
        "digest": "abababababababababababababababab",
        "attempts": 0,
        "code": null,
        "reason": null,
        "language": "hi",
        "duration_seconds": 12.5,
        "release": null,
    });
    assert_eq!(recordings[2_499], expected);
}

#[test]
fn a_limit_asks_for_no_more_than_it_needs_and_says_that_there_is_more() {
    let sizes = Arc::default();
    let fake = Fake::start(paged(&sizes));
    let ran = cofi(&fake, &["batch", "recordings", "7", "--limit", "1200"]);
    assert_eq!(ran.stdout.lines().count(), 1_201);
    assert!(ran.stderr.contains("the first 1200 recordings; there are more"), "{}", ran.stderr);
    assert_eq!(*sizes.lock().unwrap(), [1_000, 200]);
    let ran = cofi(&fake, &["batch", "recordings", "7", "--limit", "3", "--json"]);
    assert_eq!(ran.document()["more"], true);
}

#[test]
fn filters_reach_the_controller() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (recordings, calls) = (Arc::clone(&asked), Arc::clone(&asked));
    let fake = Fake::start(Script {
        recordings: Box::new(move |request| {
            recordings.lock().unwrap().push(format!("{:?}", request.filter()));
            Ok(pb::ListRecordingsResponse::default())
        }),
        calls: Box::new(move |request| {
            calls.lock().unwrap().push(format!("{} {:?}", request.status, request.lid()));
            Ok(pb::ListCallsResponse::default())
        }),
        ..Script::default()
    });
    for filter in ["planned", "stored", "lid-pending", "identified", "failed", "cancelled"] {
        assert_eq!(cofi(&fake, &["batch", "recordings", "7", "--filter", filter]).code, Some(0));
    }
    cofi(&fake, &["call", "list", "7", "--status", "Pending", "--lid", "done"]);
    cofi(&fake, &["call", "list", "7", "--lid", "pending"]);
    cofi(&fake, &["call", "list", "7"]);
    let expected = [
        "Planned",
        "Stored",
        "LidPending",
        "Identified",
        "Failed",
        "Cancelled",
        "Pending Done",
        " Pending",
        " Unspecified",
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn an_empty_listing_says_so() {
    let fake = Fake::start(Script {
        batches: Box::new(|_| Ok(pb::ListBatchesResponse::default())),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "list"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", "no batches\n"));
    assert_eq!(cofi(&fake, &["batch", "list", "--json"]).document(), json!({"batches": [], "more": false}));
}

#[test]
fn batches_and_calls_are_a_line_each() {
    let listed = pb::Batch { languages: Vec::new(), rates: None, ..samples::with_a_failure() };
    let fake = Fake::start(Script {
        batches: Box::new(move |_| {
            Ok(pb::ListBatchesResponse { batches: vec![listed.clone()], next_page_token: String::new() })
        }),
        calls: Box::new(|_| {
            let calls = vec![
                samples::call(1),
                pb::Call { lang: "hi".to_owned(), language_id: 9, ..samples::call(2) },
            ];
            Ok(pb::ListCallsResponse { calls, next_page_token: String::new() })
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "list"]);
    let expected =
        "    7  23-11-2026  complete with failures         400     400         399       1  40.0 MB  /calls";
    assert_eq!(ran.stdout.lines().nth(1), Some(expected), "{}", ran.stdout);
    assert_eq!(cofi(&fake, &["call", "list", "7"]).stdout.lines().count(), 3);
    let calls = cofi(&fake, &["call", "list", "7", "--json"]).document()["calls"].clone();
    assert_eq!(calls[0]["language_id"], json!(null));
    assert_eq!(calls[1]["language_id"], json!(9));
    assert_eq!(calls[1]["audio_duration_seconds"], json!(0.0));
}

#[test]
fn agents_show_their_load_while_they_are_connected() {
    let away = pb::Agent {
        reason: "lost its connection".to_owned(),
        ..samples::agent("gpu-2", pb::AgentState::Away)
    };
    let fake = Fake::start(Script {
        agents: Box::new(move |_| {
            let agents = vec![samples::agent("gpu-1", pb::AgentState::Ready), away.clone()];
            Ok(pb::ListAgentsResponse { agents, next_page_token: String::new() })
        }),
        agent: Box::new(|request| Ok(samples::agent(&request.name, pb::AgentState::Ready))),
        ..Script::default()
    });
    let agents = cofi(&fake, &["agent", "list", "--json"]).document()["agents"].clone();
    let load = json!({
        "weight": 100, "free_disk_bytes": 5_000_000_000_u64, "deliveries": 3, "lid_waiting": 17,
        "device": "cuda", "engine": "whisper-lid",
    });
    assert_eq!((&agents[0]["load"], &agents[1]["load"]), (&load, &json!(null)));
    let table = cofi(&fake, &["agent", "list"]).stdout;
    assert!(
        table
            .lines()
            .nth(2)
            .is_some_and(|line| line.contains("away") && line.contains("lost its connection"))
    );
    let shown = cofi(&fake, &["agent", "show", "gpu-1"]).stdout;
    assert!(shown.contains("free disk         5.0 GB"), "{shown}");
}

#[test]
fn agents_are_drained_resumed_and_removed() {
    let fake = Fake::start(Script {
        drain: Box::new(|request| {
            assert_eq!((request.deadline_seconds, request.reason.as_str()), (1_800, "new disk"));
            Ok(samples::agent(&request.name, pb::AgentState::Draining))
        }),
        resume: Box::new(|request| Ok(samples::agent(&request.name, pb::AgentState::Ready))),
        remove: Box::new(|request| {
            assert_eq!(request.reason, "");
            let removed = samples::agent(&request.name, pb::AgentState::Removed);
            Ok(pb::Agent { weight: 0, ..removed })
        }),
        ..Script::default()
    });
    let drain = ["agent", "drain", "gpu-1", "--deadline", "30m", "--reason", "new disk", "--json"];
    let drained = cofi(&fake, &drain).document();
    assert_eq!([&drained["state"], &drained["load"]["deliveries"]], [&json!("draining"), &json!(3)]);
    assert_eq!(cofi(&fake, &["agent", "resume", "gpu-1", "--json"]).document()["state"], json!("ready"));
    let removed = cofi(&fake, &["agent", "remove", "gpu-1", "--json"]).document();
    assert_eq!([&removed["state"], &removed["load"]], [&json!("removed"), &json!(null)]);
}
