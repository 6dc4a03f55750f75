//! Submitting, showing, retrying and cancelling batches.

use std::sync::{Arc, Mutex};

use cofi_proto::pb::v1::{self as pb, create_batch_response::Outcome};
use serde_json::json;
use tonic::Status;

use crate::{
    fake::{Fake, Script},
    program::cofi,
    samples,
};

fn answering(outcome: Outcome) -> Script {
    Script {
        create: Box::new(move |_| Ok(pb::CreateBatchResponse { outcome: Some(outcome.clone()) })),
        ..Script::default()
    }
}

fn rejection() -> Outcome {
    let offender =
        |path: &str, reason: &str| pb::Offender { path: path.to_owned(), reason: reason.to_owned() };
    Outcome::Rejection(pb::Rejection {
        offenders: vec![
            offender("a/x.wav", "the name is that of b/x.wav"),
            offender("b/x.wav", "the name is that of a/x.wav"),
            offender("long.wav", "110 characters, lidStatus.audioName holds 100"),
        ],
        total_offenders: 2_345,
    })
}

#[test]
fn everything_that_is_asked_for_reaches_the_controller() {
    let asked = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&asked);
    let fake = Fake::start(Script {
        create: Box::new(move |request| {
            *seen.lock().unwrap() = Some(request);
            Ok(pb::CreateBatchResponse { outcome: Some(Outcome::Batch(samples::under_way())) })
        }),
        ..Script::default()
    });
    let ran = cofi(
        &fake,
        &[
            "batch",
            "submit",
            "/calls",
            "--batch-date",
            "23-11-2026",
            "--process",
            "4",
            "--category-mapping",
            "5",
            "--audio-endpoint",
            "https://audio/x",
            "--candidates",
            "en,hi",
            "--idempotency-key",
            "k1",
            "--skip-known",
        ],
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "batch 7: 400 recordings\n"), "{ran:?}");
    let expected = pb::CreateBatchRequest {
        source: "/calls".to_owned(),
        batch_date: "23-11-2026".to_owned(),
        process_id: 4,
        category_mapping_id: 5,
        audio_endpoint: "https://audio/x".to_owned(),
        candidate_languages: vec!["en".to_owned(), "hi".to_owned()],
        idempotency_key: "k1".to_owned(),
        skip_known: true,
    };
    assert_eq!(asked.lock().unwrap().take(), Some(expected));
}

#[test]
fn a_relative_source_is_made_absolute() {
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&asked);
    let fake = Fake::start(Script {
        create: Box::new(move |request| {
            *seen.lock().unwrap() = request.source;
            Err(Status::not_found("there is no such folder"))
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "submit", "some/calls"]);
    assert_eq!(ran.code, Some(66), "{ran:?}");
    let here = std::env::current_dir().unwrap();
    assert_eq!(*asked.lock().unwrap(), here.join("some/calls").to_str().unwrap());
}

#[test]
fn a_rejection_names_every_offender_and_the_total() {
    let fake = Fake::start(answering(rejection()));
    let ran = cofi(&fake, &["batch", "submit", "/calls"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.stdout,
        "rejected: 2345 files are in the way (the first 3)\n\
         FILE      REASON\n\
         a/x.wav   the name is that of b/x.wav\n\
         b/x.wav   the name is that of a/x.wav\n\
         long.wav  110 characters, lidStatus.audioName holds 100\n"
    );
}

#[test]
fn a_rejection_is_a_document_for_programs() {
    let fake = Fake::start(answering(rejection()));
    let ran = cofi(&fake, &["--json", "batch", "submit", "/calls", "--watch"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let document = ran.document();
    assert_eq!(document["rejection"]["total_offenders"], 2_345);
    assert_eq!(
        document["rejection"]["offenders"][0],
        json!({"path": "a/x.wav", "reason": "the name is that of b/x.wav"})
    );
}

#[test]
fn when_every_file_is_known_there_is_nothing_to_do() {
    let fake = Fake::start(answering(Outcome::NothingNew(pb::NothingNew { known: 40 })));
    let ran = cofi(&fake, &["batch", "submit", "/calls", "--skip-known"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "nothing to do: 40 recordings known already\n"));
    let ran = cofi(&fake, &["batch", "submit", "/calls", "--skip-known", "--json"]);
    assert_eq!(ran.document(), json!({"nothing_new": {"known": 40}}));
}

#[test]
fn show_prints_a_batch_in_full_and_escapes_its_names() {
    let fake = Fake::start(Script { get: Box::new(|_| Ok(samples::with_a_failure())), ..Script::default() });
    let ran = cofi(&fake, &["batch", "show", "7"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in [
        "complete with failures",
        "400 (40.0 MB)",
        "not identified  1",
        r"bad\u{1b}[2J.wav",
        "undecodable: no audio stream",
    ] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'));
}

#[test]
fn the_document_of_a_batch_keeps_its_shape() {
    let fake = Fake::start(Script { get: Box::new(|_| Ok(samples::with_a_failure())), ..Script::default() });
    let ran = cofi(&fake, &["batch", "show", "7", "--json"]);
    let expected = json!({
        "batch_id": 7,
        "batch_date": "23-11-2026",
        "source": "/calls",
        "state": "complete_with_failures",
        "process_id": 1,
        "category_mapping_id": 1,
        "audio_endpoint": "file:///calls",
        "candidate_languages": ["en"],
        "create_time": "2026-11-18T11:06:40Z",
        "counts": {
            "recordings": 400, "bytes": 40_000_000, "planned": 0, "placement_failed": 0, "cancelled": 0,
            "stored": 400, "stored_bytes": 40_000_000, "lid_pending": 0, "identified": 399, "lid_failed": 1,
        },
        "languages": [{"language": "en", "recordings": 80}],
        "newest_failures": [{
            "ordinal": 12, "audio_name": "bad\u{1b}[2J.wav", "code": "undecodable", "reason": "no audio stream",
        }],
        "rates": {
            "stored_per_second": 30.0, "stored_bytes_per_second": 3_100_000.0, "identified_per_second": 4.0,
        },
        "waiting_for": null,
        "released": 0,
        "releases_unconfirmed": 0,
    });
    assert_eq!(ran.document(), expected);
}

#[test]
fn retry_passes_the_ordinals_on_and_says_what_it_set_in_motion() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let fake = Fake::start(Script {
        retry: Box::new(move |request| {
            seen.lock().unwrap().push((request.batch_id, request.ordinals));
            Ok(pb::RetryRecordingsResponse { placements: 1, identifications: 2, released: 0 })
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "retry", "7", "--ordinal", "3", "5", "8"]);
    assert_eq!(ran.stdout, "1 recording will be placed again, 2 identified again\n", "{ran:?}");
    let ran = cofi(&fake, &["batch", "retry", "7", "--json"]);
    assert_eq!(ran.document(), json!({"placements": 1, "identifications": 2, "released": 0}));
    assert_eq!(*asked.lock().unwrap(), [(7, vec![3, 5, 8]), (7, vec![])]);
}

#[test]
fn a_retry_that_finds_nothing_says_so() {
    let fake = Fake::start(Script {
        retry: Box::new(|_| Ok(pb::RetryRecordingsResponse::default())),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "retry", "7"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "nothing to try again: none of them rests as failed\n")
    );
}

#[test]
fn cancel_says_how_many_it_reached() {
    let fake = Fake::start(Script {
        cancel: Box::new(|_| Ok(pb::CancelBatchResponse { cancelled: 280 })),
        ..Script::default()
    });
    assert_eq!(cofi(&fake, &["batch", "cancel", "7"]).stdout, "cancelled 280 recordings\n");
    assert_eq!(cofi(&fake, &["batch", "cancel", "7", "--json"]).document(), json!({"cancelled": 280}));
}
