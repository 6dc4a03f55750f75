//! A message of every kind that travels.

use std::io;

use bytes::Bytes;
use cofi_proto::{
    AgentName, BatchId, DeliveryId, Digest, RecordingId,
    limits::PROTOCOL,
    pb::{agent as pb, v1},
    receive::{DeliveryOutcome, DeliveryReport, Piece, PieceHead, PieceTail, RefusalCode},
    session::{
        Engine, EngineState, FailureClass, Heartbeat, Held, Hello, Identified, Identify, LanguageProbability,
        LidFailure, LidOutcome, LidResult, Release, ResultReceipt, Storage,
    },
    verify::{HeldList, ListHeld, Verified, VerifiedState, Verify},
};
use prost::Message;

use super::Corpus;

const RECORDING: RecordingId = RecordingId { batch: BatchId(12), ordinal: 3 };
const DELIVERY: DeliveryId = DeliveryId { generation: 7, sequence: 41 };

pub(super) fn write(corpus: &Corpus) -> io::Result<()> {
    let add = |kind: &str, name: &str, message: Vec<u8>| corpus.add(kind, name, &message);
    add("piece", "whole", pb::Piece::from(whole_piece()).encode_to_vec())?;
    add(
        "piece",
        "middle",
        pb::Piece::from(Piece { head: None, tail: None, ..whole_piece() }).encode_to_vec(),
    )?;
    let given_up = Piece { head: None, tail: Some(PieceTail::GivenUp), data: Bytes::new(), ..whole_piece() };
    add("piece", "given_up", pb::Piece::from(given_up).encode_to_vec())?;
    let long = PieceHead { audio_name: format!("{}.wav", "é".repeat(125)), ..head() };
    add("piece", "long_name", pb::Piece::from(Piece { head: Some(long), ..whole_piece() }).encode_to_vec())?;

    add("hello", "usual", pb::Hello::from(hello()).encode_to_vec())?;
    let address = pb::Hello { local_address: "10.0.0.7".into(), ..hello_without_address() };
    add("hello", "local_address", address.encode_to_vec())?;
    for (name, result) in [("identified", identified()), ("failed", failed())] {
        add("lid_result", name, pb::LidResult::from(result).encode_to_vec())?;
    }
    add("held", "usual", pb::Held::from(held()).encode_to_vec())?;
    for (name, outcome) in outcomes() {
        let report = DeliveryReport { delivery: DELIVERY, outcome };
        add("delivery_report", name, pb::DeliveryReport::from(report).encode_to_vec())?;
    }
    for (name, state) in states() {
        let verified = Verified { recording: RECORDING, state };
        add("verified", name, pb::Verified::from(verified).encode_to_vec())?;
    }
    corpus.add("recording_id", "message", &pb::RecordingId::from(RECORDING).encode_to_vec())?;
    corpus.add("recording_id", "text", RECORDING.to_string().as_bytes())?;
    let engine = pb::Engine::from(heartbeat().engine);
    corpus.add("recording_id", "engine", &engine.encode_to_vec())?;

    for (name, message) in up() {
        add("from_agent", name, pb::FromAgent { message: Some(message) }.encode_to_vec())?;
    }
    for (name, message) in down() {
        add("from_controller", name, pb::FromController { message: Some(message) }.encode_to_vec())?;
    }
    for (name, message) in receiver() {
        add("from_receiver", name, pb::FromReceiver { message: Some(message) }.encode_to_vec())?;
    }
    for (which, name, request) in requests() {
        add("request", name, [vec![which], request].concat())?;
    }
    Ok(())
}

fn head() -> PieceHead {
    PieceHead {
        recording: RECORDING,
        audio_name: "call 0001.wav".into(),
        size_bytes: 44,
        round: 1,
        candidates: vec!["en".into(), "hi".into()],
    }
}

fn whole_piece() -> Piece {
    let data = Bytes::from_static(
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0",
    );
    let tail = Some(PieceTail::Whole(Digest::of(&data)));
    Piece { delivery: DELIVERY, offset: 0, head: Some(head()), tail, data }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        free_disk_bytes: 1 << 40,
        lid_waiting: 250,
        engine: Engine {
            state: EngineState::Ready,
            reason: "CUDA is not used: no device".into(),
            name: "whisper-lid models".into(),
            device: "cpu".into(),
        },
        storage: Storage::Full("remove something".into()),
    }
}

fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: "0.1.0".into(),
        name: name(),
        storage_id: "5f0c2b66-7c3c-4b7c-9d4e-2f5a3c1d0e9b".into(),
        advertise_address: "gpu-01.example.org".into(),
        weight: 100,
        receive_connections: 2,
        heartbeat: heartbeat(),
        database_id: "c0f1".into(),
        recorded: 5,
        receipted: 4,
        verifies: true,
    }
}

fn hello_without_address() -> pb::Hello {
    pb::Hello { advertise_address: String::new(), ..hello().into() }
}

fn name() -> AgentName {
    "gpu-01.rack_2".parse().expect("a name")
}

fn identified() -> LidResult {
    let likely = |language: &str, probability| LanguageProbability { language: language.into(), probability };
    let identified = Identified {
        language: "hi".into(),
        probabilities: vec![likely("hi", 0.75), likely("en", 0.25)],
        unrestricted: Some(likely("ur", 0.5)),
        duration_seconds: 61.25,
        processing_seconds: 0.7,
    };
    LidResult {
        recording: RECORDING,
        round: 1,
        outcome: LidOutcome::Identified(identified),
        digest: Some(Digest::of(b"")),
    }
}

fn failed() -> LidResult {
    let failure = LidFailure {
        code: "undecodable".into(),
        reason: "no sync word in the first 64 KiB".into(),
        attempts: 3,
        class: FailureClass::Agent,
    };
    LidResult { recording: RECORDING, round: 2, outcome: LidOutcome::Failed(failure), digest: None }
}

fn held() -> Held {
    let digest = Digest::of(b"content");
    Held { recording: RECORDING, audio_name: "ärger.wav".into(), size_bytes: 7, digest }
}

fn outcomes() -> [(&'static str, DeliveryOutcome); 3] {
    let refused = |code, reason: &str| DeliveryOutcome::Refused { code, reason: reason.into() };
    [
        ("acknowledged", DeliveryOutcome::Acknowledged { size_bytes: 44, digest: Digest::of(b"") }),
        ("disk_full", refused(RefusalCode::DiskFull, "no room but what is reserved")),
        ("name_taken", refused(RefusalCode::NameTaken, "publish_dir has another file of that name")),
    ]
}

fn states() -> [(&'static str, VerifiedState); 3] {
    [
        ("absent", VerifiedState::Absent),
        ("present", VerifiedState::Present { size_bytes: 44, digest: Some(Digest::of(b"")) }),
        ("unreadable", VerifiedState::Unreadable("Input/output error".into())),
    ]
}

fn up() -> Vec<(&'static str, pb::from_agent::Message)> {
    use pb::from_agent::Message as Up;
    let recordings = states().map(|(_, state)| Verified { recording: RECORDING, state }.into()).to_vec();
    let list = HeldList { request: 9, recordings: vec![RECORDING; 3], last: true, unknown_files: 1 };
    vec![
        ("hello", Up::Hello(hello().into())),
        ("held", Up::Held(pb::HeldPage { recordings: vec![held().into(); 2], last: true })),
        ("heartbeat", Up::Heartbeat(heartbeat().into())),
        ("results", Up::Results(pb::ResultGroup { results: vec![identified().into(), failed().into()] })),
        ("verified", Up::Verified(pb::VerifiedGroup { request: 9, recordings })),
        ("held_list", Up::HeldList(list.into())),
        ("removed", Up::Removed(pb::RemovedGroup { recordings: vec![RECORDING.into()] })),
    ]
}

fn down() -> Vec<(&'static str, pb::from_controller::Message)> {
    use pb::from_controller::Message as Down;
    let welcome = pb::Welcome {
        session_token: Bytes::from_static(b"0123456789abcdef"),
        heartbeat_interval_ms: 1_000,
        lease_ms: 10_000,
        database_id: "c0f1".into(),
        inventory: true,
    };
    let receipt = ResultReceipt { recording: RECORDING, round: 1 };
    let identify = Identify { recording: RECORDING, round: 2, candidates: vec!["en".into()] };
    let release = Release { recording: RECORDING, reason: "the batch was cancelled".into() };
    vec![
        ("welcome", Down::Welcome(welcome)),
        ("recorded", Down::Recorded(pb::RecordedGroup { recordings: vec![RECORDING.into(); 2] })),
        ("receipts", Down::ResultReceipts(pb::ResultReceipts { receipts: vec![receipt.into()] })),
        ("identify", Down::Identify(pb::IdentifyGroup { recordings: vec![identify.into()] })),
        ("release", Down::Release(pb::ReleaseGroup { recordings: vec![release.into()] })),
        ("verify", Down::Verify(Verify { request: 9, recordings: vec![RECORDING], digests: true }.into())),
        ("list_held", Down::ListHeld(ListHeld { request: 9, after: Some(RECORDING) }.into())),
    ]
}

fn receiver() -> Vec<(&'static str, pb::from_receiver::Message)> {
    use pb::from_receiver::Message as Up;
    let reports =
        outcomes().map(|(_, outcome)| DeliveryReport { delivery: DELIVERY, outcome }.into()).to_vec();
    let session_token = Bytes::from_static(b"0123456789abcdef");
    vec![
        ("open", Up::Open(pb::OpenReceiver { session_token })),
        ("reports", Up::Reports(pb::DeliveryReports { reports })),
    ]
}

/// The number stands for the request in `cofi_fuzz::requests`.
fn requests() -> Vec<(u8, &'static str, Vec<u8>)> {
    let enrol = v1::EnrolRequest {
        token: super::texts::JOIN_TOKEN.into(),
        agent: name().to_string(),
        certificate_request: super::certificates::request(),
    };
    let create = v1::CreateBatchRequest {
        source: "/srv/calls/2026-11-23".into(),
        batch_date: "23-11-2026".into(),
        candidate_languages: vec!["en".into(), "hi".into()],
        idempotency_key: "night of 23-11".into(),
        skip_known: true,
        ..v1::CreateBatchRequest::default()
    };
    let renew = pb::RenewRequest { certificate_request: super::certificates::request().into() };
    let list = v1::ListRecordingsRequest {
        batch_id: 12,
        page_size: 100,
        page_token: "0123456789abcdef.100".into(),
        ..v1::ListRecordingsRequest::default()
    };
    vec![
        (0, "enrol", enrol.encode_to_vec()),
        (1, "create_batch", create.encode_to_vec()),
        (2, "renew", renew.encode_to_vec()),
        (6, "list_recordings", list.encode_to_vec()),
    ]
}
