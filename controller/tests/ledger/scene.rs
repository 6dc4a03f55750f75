//! What the tests put on the stage: batches, acknowledgements, results.

use std::sync::atomic::{AtomicU32, Ordering};

use cofi_controller::{
    delivery::{Host, Sent, StoredRecording},
    ledger::{
        AgentRecord, Applied, Begun, Ledger, ManifestEntry, NewBatch, PlacementFailure, Recorded,
        ReportedResult,
    },
    name::name_key,
};
use cofi_proto::{
    AgentName, BatchId, Digest, RecordingId,
    session::{FailureClass, Identified, LidFailure, LidOutcome},
};

/// What the clock says, in microseconds.
pub const NOW: i64 = 1_700_000_000_000_000;

/// Requests so far.
static WISHES: AtomicU32 = AtomicU32::new(0);

pub const ENDPOINT: &str = "https://audio.example/calls";

/// A request for a batch, another one each time.
pub fn wish() -> NewBatch {
    NewBatch {
        source: "/srv/calls".to_owned(),
        batch_date: "01-02-2025".to_owned(),
        process: 1,
        category_mapping: 1,
        audio_endpoint: ENDPOINT.to_owned(),
        candidates: Vec::new(),
        idempotency_key: format!("wish {}", WISHES.fetch_add(1, Ordering::Relaxed)),
        request_hash: Digest::of(b"request"),
        now: NOW,
    }
}

/// The manifest of files with these names.
pub fn entries<S: AsRef<str>>(names: &[S]) -> Vec<ManifestEntry> {
    let entry = |(ordinal, name): (i64, &S)| ManifestEntry {
        ordinal,
        name_key: name_key(name.as_ref()),
        audio_name: name.as_ref().to_owned(),
        source_path: format!("in/{}", name.as_ref()),
        size: 1_000,
        mtime: 5,
    };
    (0..).zip(names).map(entry).collect()
}

/// `call-0.wav`, `call-1.wav`, ...
pub fn names(count: i64) -> Vec<String> {
    (0..count).map(|ordinal| format!("call-{ordinal}.wav")).collect()
}

/// A new batch that nobody sees yet.
pub async fn begin(ledger: &Ledger, new: &NewBatch) -> BatchId {
    match ledger.begin_batch(new).await.unwrap() {
        Begun::New(batch) => batch,
        other @ (Begun::Existing(_) | Begun::Unpublished(_)) => panic!("{other:?}"),
    }
}

/// A published batch of files with these names.
pub async fn batch<S: AsRef<str>>(ledger: &Ledger, new: &NewBatch, names: &[S]) -> BatchId {
    let batch = begin(ledger, new).await;
    let equal = ledger.add_to_manifest(batch, &entries(names)).await.unwrap();
    assert!(equal.is_empty(), "equal names: {equal:?}");
    ledger.publish_batch(batch).await.unwrap();
    batch
}

/// A published batch of `count` files.
pub async fn batch_of(ledger: &Ledger, count: i64) -> BatchId {
    batch(ledger, &wish(), &names(count)).await
}

pub fn host(agent: &str) -> Host {
    Host { agent: agent.parse().unwrap(), address: address(agent) }
}

pub fn address(agent: &str) -> String {
    format!("{agent}.example")
}

pub fn digest(ordinal: i64) -> Digest {
    Digest::of(&ordinal.to_be_bytes())
}

/// A verified acknowledgement.
pub fn stored(batch: BatchId, ordinal: i64, agent: &str) -> StoredRecording {
    let recording = RecordingId { batch, ordinal };
    let sent = Sent { recording, size: 1_000, digest: digest(ordinal) };
    sent.acknowledge(host(agent), 1_000, digest(ordinal)).unwrap()
}

/// A language that was identified.
pub fn identified(batch: BatchId, ordinal: i64, round: i32, language: &str) -> ReportedResult {
    result(batch, ordinal, round, LidOutcome::Identified(answer(language, 12.25, 0.5)))
}

pub fn answer(language: &str, duration_seconds: f64, processing_seconds: f64) -> Identified {
    Identified {
        language: language.to_owned(),
        probabilities: Vec::new(),
        unrestricted: None,
        duration_seconds,
        processing_seconds,
    }
}

/// An identification that failed for good.
pub fn undecodable(batch: BatchId, ordinal: i64, round: i32) -> ReportedResult {
    let failure = LidFailure {
        code: "undecodable".to_owned(),
        reason: "no frame could be read".to_owned(),
        attempts: 2,
        class: FailureClass::Recording,
    };
    result(batch, ordinal, round, LidOutcome::Failed(failure))
}

pub fn result(batch: BatchId, ordinal: i64, round: i32, outcome: LidOutcome) -> ReportedResult {
    ReportedResult {
        recording: RecordingId { batch, ordinal },
        round,
        agent: "a".parse().unwrap(),
        address: address("a"),
        outcome,
        digest: Some(digest(ordinal)),
    }
}

/// A placement that failed for good.
pub fn unplaceable(batch: BatchId, ordinal: i64) -> PlacementFailure {
    PlacementFailure {
        recording: RecordingId { batch, ordinal },
        code: "source_changed".to_owned(),
        reason: "its size is 0, was 1000".to_owned(),
        attempts: 1,
    }
}

pub fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

/// An agent says for the first time that it is there.
pub async fn meet(ledger: &Ledger, name: &str) {
    let record = AgentRecord {
        name: agent(name),
        storage_id: format!("storage of {name}"),
        advertise_address: address(name),
        version: "1".to_owned(),
        connected: true,
        last_seen: NOW,
    };
    ledger.put_agent(&record).await.unwrap();
}

/// Records these recordings as held by `agent`, all for the first time.
pub async fn record(ledger: &Ledger, batch: BatchId, ordinals: impl IntoIterator<Item = i64>, agent: &str) {
    let group: Vec<StoredRecording> =
        ordinals.into_iter().map(|ordinal| stored(batch, ordinal, agent)).collect();
    let answers = ledger.record_stored(&group, NOW).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Recorded::Stored), "{answers:?}");
}

/// Results as those report them who hold the recordings.
pub async fn by_holders(ledger: &Ledger, group: &[ReportedResult]) -> Vec<ReportedResult> {
    let recordings: Vec<RecordingId> = group.iter().map(|result| result.recording).collect();
    let rows = ledger.manifest_records(&recordings).await.unwrap();
    let holder = |result: &ReportedResult| rows.get(&result.recording)?.agent.as_deref().map(agent);
    let by_holder = |result: &ReportedResult| ReportedResult {
        agent: holder(result).unwrap_or_else(|| result.agent.clone()),
        ..result.clone()
    };
    group.iter().map(by_holder).collect()
}

/// Applies results that all have their rows, of those who hold the recordings.
pub async fn apply(ledger: &Ledger, group: &[ReportedResult]) {
    let group = by_holders(ledger, group).await;
    let answers = ledger.apply_results(&group, NOW).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Applied::Settled), "{answers:?}");
}
