//! `cofi explain`.

use cofi_proto::pb::v1 as pb;
use pb::{ReasonKind as Kind, explain_recording_request::Recording as Which};
use serde_json::{Value, json};
use tonic::Status;

use crate::{
    fake::{Fake, Script},
    program::cofi,
};

/// 12:00:00 on 2025-01-02, in microseconds since 1970 UTC.
const NOON: i64 = 1_735_819_200_000_000;

fn reason(kind: Kind) -> pb::Reason {
    pb::Reason { kind: kind.into(), ..pb::Reason::default() }
}

fn explained_batch(reasons: Vec<pb::Reason>) -> Fake {
    let explain_batch = move |request: pb::ExplainBatchRequest| {
        assert_eq!(request.batch_id, 7);
        Ok(pb::ExplainBatchResponse {
            state: pb::BatchState::Distributing.into(),
            counts: Some(pb::BatchCounts { recordings: 10, stored: 3, planned: 7, ..Default::default() }),
            reasons: reasons.clone(),
        })
    };
    Fake::start(Script { explain_batch: Box::new(explain_batch), ..Script::default() })
}

#[test]
fn batch_says_what_it_waits_for_and_what_would_help() {
    let away = pb::Reason {
        agent: "gpu-1".to_owned(),
        recordings: 3,
        since_micros: NOON,
        until_micros: NOON + 900_000_000,
        ..reason(Kind::AgentAway)
    };
    let fake = explained_batch(vec![pb::Reason { recordings: 1, ..reason(Kind::NoAgentConnected) }, away]);
    let ran = cofi(&fake, &["explain", "batch", "7"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let expected = "\
batch 7 is distributing: 3 of 10 placed, 0 identified, 0 failed
  none of 1 agents is connected
    -> start an agent, or look at the log of one
  gpu-1 is away since 2025-01-02T12:00:00Z; 3 recordings wait for it
    -> start it, or look at its log; at 2025-01-02T12:15:00Z what it holds is placed again
";
    assert_eq!(ran.stdout, expected);
    let document = cofi(&fake, &["explain", "batch", "7", "--json"]).document();
    assert_eq!((&document["batch_id"], &document["state"]), (&json!(7), &json!("distributing")));
    let away = &document["reasons"][1];
    assert_eq!((&away["kind"], &away["agent"]), (&json!("agent_away"), &json!("gpu-1")));
    assert_eq!((&away["recordings"], &away["until_time"]), (&json!(3), &json!("2025-01-02T12:15:00Z")));
    assert_eq!((&away["code"], &away["detail"]), (&Value::Null, &Value::Null));
}

#[test]
fn every_kind_of_reason_has_words() {
    let kinds: Vec<Kind> = (1..100)
        .filter_map(|kind| Kind::try_from(kind).ok())
        .filter(|kind| *kind != Kind::Unspecified)
        .collect();
    assert!(kinds.len() > 25, "{kinds:?}");
    for kind in kinds {
        let fake = explained_batch(vec![pb::Reason { agent: "gpu-1".to_owned(), ..reason(kind) }]);
        let ran = cofi(&fake, &["explain", "batch", "7"]);
        assert_eq!(ran.code, Some(0), "{kind:?}: {ran:?}");
        let words = ran.stdout.lines().nth(1).unwrap_or_default();
        assert!(words.starts_with("  ") && words.len() > 12, "{kind:?}: {ran:?}");
    }
}

#[test]
fn recording_is_explained_by_name_or_place_with_its_history() {
    let explain_recording = |request: pb::ExplainRecordingRequest| {
        let ordinal = match request.recording {
            Some(Which::Ordinal(ordinal)) => ordinal,
            Some(Which::AudioName(name)) if name == "a.wav" => 3,
            _ => return Err(Status::not_found("batch 7 has no recording")),
        };
        let recording = pb::Recording {
            ordinal,
            audio_name: "a.wav".to_owned(),
            placement: pb::Placement::Stored.into(),
            lid: pb::Lid::Failed.into(),
            ..pb::Recording::default()
        };
        let failed = pb::Reason {
            recordings: 1,
            code: "timeout".to_owned(),
            detail: "no answer".to_owned(),
            attempts: 2,
            ..reason(Kind::Failed)
        };
        let entry = pb::HistoryEntry {
            time_micros: NOON,
            kind: "lid_set_back".to_owned(),
            agent: "gpu-1".to_owned(),
            code: "timeout".to_owned(),
            reason: "no answer\u{1b}[2J".to_owned(),
        };
        Ok(pb::ExplainRecordingResponse {
            recording: Some(recording),
            reasons: vec![failed],
            history: vec![entry],
        })
    };
    let fake = Fake::start(Script { explain_recording: Box::new(explain_recording), ..Script::default() });
    let ran = cofi(&fake, &["explain", "recording", "7", "a.wav"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "7/3 a.wav");
    assert_eq!(lines[1], "  1 recording failed after 2 attempts (timeout): no answer");
    assert_eq!(lines[2], "    -> `cofi batch retry` tries again, once the cause is mended");
    let last = lines.last().copied().unwrap_or_default();
    for part in ["2025-01-02T12:00:00Z", "lid set back", "gpu-1", "no answer\\u{1b}[2J"] {
        assert!(last.contains(part), "{part}: {ran:?}");
    }
    let document = cofi(&fake, &["explain", "recording", "7", "--ordinal", "5", "--json"]).document();
    assert_eq!(document["recording"]["ordinal"], 5);
    assert_eq!(document["history"][0]["kind"], "lid_set_back");
    assert_eq!(cofi(&fake, &["explain", "recording", "7", "b.wav"]).code, Some(66));
    assert_eq!(cofi(&fake, &["explain", "recording", "7"]).code, Some(2));
}

#[test]
fn agent_is_explained_also_while_the_database_is_away() {
    let explain_agent = |request: pb::ExplainAgentRequest| {
        let agent = (request.name == "gpu-1").then(|| pb::Agent {
            name: "gpu-1".to_owned(),
            state: pb::AgentState::Quarantined.into(),
            since_micros: NOON,
            next_probe_micros: NOON + 15_000_000,
            ..pb::Agent::default()
        });
        let reasons = match &agent {
            Some(_) => vec![pb::Reason {
                agent: "gpu-1".to_owned(),
                detail: "its engine failed on 3 recordings in a row".to_owned(),
                since_micros: NOON,
                until_micros: NOON + 15_000_000,
                ..reason(Kind::AgentQuarantined)
            }],
            None => {
                vec![pb::Reason { detail: "connection refused".to_owned(), ..reason(Kind::DatabaseAway) }]
            }
        };
        Ok(pb::ExplainAgentResponse { agent, reasons, history: Vec::new() })
    };
    let fake = Fake::start(Script { explain_agent: Box::new(explain_agent), ..Script::default() });
    let ran = cofi(&fake, &["explain", "agent", "gpu-1"]);
    let expected = "\
agent gpu-1 is quarantined
  gpu-1 is quarantined since 2025-01-02T12:00:00Z: its engine failed on 3 recordings in a row
    -> it is probed at 2025-01-02T12:00:15Z; once it is mended, `cofi agent resume gpu-1` lets it take work at once
";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), expected), "{ran:?}");
    let away = cofi(&fake, &["explain", "agent", "gpu-2"]);
    assert!(away.stdout.contains("the database cannot be read: connection refused"), "{away:?}");
    let document = cofi(&fake, &["explain", "agent", "gpu-1", "--json"]).document();
    assert_eq!(document["agent"]["next_probe_time"], "2025-01-02T12:00:15Z");
}
