//! Releasing recordings, and how released ones are shown.

use std::sync::{Arc, Mutex};

use cofi_proto::pb::v1 as pb;
use serde_json::json;

use crate::{
    fake::{Fake, Script},
    program::cofi,
    samples,
};

fn answer() -> pb::ReleaseRecordingsResponse {
    pb::ReleaseRecordingsResponse {
        released: 380,
        released_bytes: 38_000_000,
        released_before: 0,
        needed: 12,
        unidentified: 1,
        too_young: 7,
    }
}

#[test]
fn release_passes_on_what_is_asked_and_says_what_came_of_it() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let fake = Fake::start(Script {
        release: Box::new(move |request| {
            seen.lock().unwrap().push(request);
            Ok(answer())
        }),
        ..Script::default()
    });
    let ran = cofi(&fake, &["batch", "release", "7", "--older-than", "30d", "--reason", "archived"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for line in ["380 (38.0 MB)", "12", "7"] {
        assert!(ran.stdout.contains(line), "{line} is missing: {ran:?}");
    }
    assert!(ran.stdout.starts_with("released"), "{ran:?}");
    assert!(!ran.stdout.contains("released before"), "{ran:?}");
    let dry = cofi(&fake, &["batch", "release", "7", "--dry-run"]);
    assert!(dry.stdout.starts_with("would be released"), "{dry:?}");
    let expected = |older_than_seconds, dry_run, reason: &str| pb::ReleaseRecordingsRequest {
        batch_id: 7,
        older_than_seconds,
        dry_run,
        reason: reason.to_owned(),
    };
    assert_eq!(*asked.lock().unwrap(), [expected(30 * 86_400, false, "archived"), expected(0, true, "")]);
}

#[test]
fn the_document_of_a_release_keeps_its_shape() {
    let fake = Fake::start(Script { release: Box::new(|_| Ok(answer())), ..Script::default() });
    let ran = cofi(&fake, &["batch", "release", "7", "--dry-run", "--json"]);
    let expected = json!({
        "dry_run": true, "released": 380, "released_bytes": 38_000_000, "released_before": 0, "needed": 12,
        "unidentified": 1, "too_young": 7,
    });
    assert_eq!(ran.document(), expected);
}

#[test]
fn what_is_released_is_shown_of_a_batch_and_of_a_recording() {
    let fake = Fake::start(Script {
        get: Box::new(|_| Ok(pb::Batch { released: 120, releases_unconfirmed: 3, ..samples::complete() })),
        recordings: Box::new(|_| {
            let release = pb::Release {
                agent: "gpu-1".to_owned(),
                cause: pb::ReleaseCause::Retention.into(),
                reason: "kept long enough".to_owned(),
                release_time_micros: 1_795_000_000_000_000,
                removal_time_micros: 0,
            };
            let released =
                pb::Recording { agent: String::new(), release: Some(release), ..samples::recording(4) };
            Ok(pb::ListRecordingsResponse { recordings: vec![released], next_page_token: String::new() })
        }),
        ..Script::default()
    });
    let shown = cofi(&fake, &["batch", "show", "7"]);
    assert!(shown.stdout.contains("120, 3 of them not confirmed by their hosts yet"), "{shown:?}");
    let listed = cofi(&fake, &["batch", "recordings", "7"]);
    for words in ["released", "retention (gpu-1): kept long enough"] {
        assert!(listed.stdout.contains(words), "{words} is missing: {listed:?}");
    }
    let listed = cofi(&fake, &["batch", "recordings", "7", "--json"]);
    let expected = json!({
        "agent": "gpu-1", "cause": "retention", "reason": "kept long enough",
        "release_time": "2026-11-18T11:06:40Z", "removal_time": null,
    });
    assert_eq!(listed.document()["recordings"][0]["release"], expected);
}

#[test]
fn a_retry_says_what_it_cannot_try_again() {
    let answer = pb::RetryRecordingsResponse { placements: 0, identifications: 2, released: 3 };
    let fake = Fake::start(Script { retry: Box::new(move |_| Ok(answer)), ..Script::default() });
    let ran = cofi(&fake, &["batch", "retry", "7"]);
    let said = "0 recordings will be placed again, 2 identified again\n\
                3 recordings cannot be identified again: released, and on no host any more\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), said));
}
