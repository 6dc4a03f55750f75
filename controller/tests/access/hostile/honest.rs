//! A machine that does its work, and the batch that it works on.

use std::{
    collections::HashMap,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use cofi_proto::pb::{
    agent::{self as pb, from_agent, from_controller},
    v1::{
        Batch, BatchState, CreateBatchRequest, GetBatchRequest, ListRecordingsRequest, Recording,
        batch_service_client::BatchServiceClient, create_batch_response::Outcome,
    },
};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::wire::{Machine, identified, stored};
use crate::{attacks::program::Program, house::Called};

/// For a batch to be done.
const PATIENCE: Duration = Duration::from_mins(1);

/// A batch of small files that differ.
pub(super) struct Work {
    calls: BatchServiceClient<Called>,
    pub(super) batch: i64,
    _source: tempfile::TempDir,
}

impl Work {
    pub(super) async fn plan(program: &Program, files: usize) -> Self {
        let source = tempfile::tempdir().unwrap();
        for file in 0..files {
            fs::write(source.path().join(format!("call-{file:04}.wav")), format!("content {file}")).unwrap();
        }
        let mut calls = BatchServiceClient::new(program.operator().await);
        let request = CreateBatchRequest {
            source: source.path().to_str().unwrap().to_owned(),
            ..CreateBatchRequest::default()
        };
        let planned = calls.create_batch(request).await.unwrap().into_inner().outcome;
        let Some(Outcome::Batch(batch)) = planned else { panic!("{planned:?}") };
        Self { calls, batch: batch.batch_id, _source: source }
    }

    pub(super) async fn now(&self) -> Batch {
        let request = GetBatchRequest { batch_id: self.batch };
        self.calls.clone().get_batch(request).await.unwrap().into_inner()
    }

    pub(super) async fn recordings(&self) -> Vec<Recording> {
        let request = ListRecordingsRequest {
            batch_id: self.batch,
            page_size: 1_000,
            ..ListRecordingsRequest::default()
        };
        self.calls.clone().list_recordings(request).await.unwrap().into_inner().recordings
    }

    /// Waits for the batch to be as it is wanted.
    pub(super) async fn until(&self, what: &str, is_so: impl Fn(&Batch) -> bool) -> Batch {
        let since = Instant::now();
        loop {
            let batch = self.now().await;
            if is_so(&batch) {
                return batch;
            }
            assert!(since.elapsed() < PATIENCE, "{what}: {batch:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn is_complete(&self) -> Batch {
        self.until("the batch to be complete", |batch| batch.state() == BatchState::Complete).await
    }

    /// Every recording is held by `agent`, and has the language that it said.
    pub(super) async fn is_all_of(&self, agent: &str) {
        for recording in self.recordings().await {
            assert_eq!(
                (recording.agent.as_str(), recording.language.as_str()),
                (agent, "en"),
                "{recording:?}"
            );
        }
    }
}

/// A machine at work.
pub(super) struct Honest {
    /// Whether it says what it has identified.
    identifies: Arc<watch::Sender<bool>>,
    _working: JoinSet<()>,
}

impl Honest {
    /// One that takes so long for each recording.
    pub(super) async fn begin(program: &Program, name: &str, pace: Duration) -> Self {
        let machine = Machine::join(program, name).await;
        let identifies = Arc::new(watch::Sender::new(false));
        let mut working = JoinSet::new();
        working.spawn(work(machine, pace, identifies.subscribe()));
        Self { identifies, _working: working }
    }

    pub(super) fn identifies(&self) {
        self.identifies.send_replace(true);
    }
}

/// Stores what comes, and says of what is recorded that it is English.
async fn work(machine: Machine, pace: Duration, mut identifies: watch::Receiver<bool>) {
    let mut session = machine.begin().await;
    session.holds(vec![]).await;
    let mut lane = machine.lane(&session.token).await.unwrap();
    let (mut held, mut recorded) = (HashMap::new(), Vec::new());
    let mut size = 0;
    let mut heads = None;
    loop {
        let says = *identifies.borrow();
        if says && !recorded.is_empty() {
            let results = recorded.drain(..).map(|recording: pb::RecordingId| {
                let digest: &Vec<u8> = &held[&(recording.batch_id, recording.ordinal)];
                identified(recording, 1, "en", digest)
            });
            let results: Vec<pb::LidResult> = results.collect();
            for results in results.chunks(500) {
                let group = pb::ResultGroup { results: results.to_vec() };
                session.say(from_agent::Message::Results(group)).await;
            }
        }
        tokio::select! {
            changed = identifies.changed() => if changed.is_err() { return },
            piece = lane.pieces.message() => {
                let piece = piece.unwrap().expect("the honest machine's stream has ended");
                if let Some(head) = piece.head {
                    (heads, size) = (head.recording, head.size_bytes);
                }
                let Some(tail) = piece.tail else { continue };
                sleep(pace).await;
                let recording: pb::RecordingId = heads.take().unwrap();
                held.insert((recording.batch_id, recording.ordinal), tail.digest.to_vec());
                lane.report(vec![stored(piece.delivery.unwrap(), size, &tail.digest)]).await;
            }
            heard = session.down.message() => {
                let heard = heard.unwrap().expect("the honest machine's session has ended");
                if let Some(from_controller::Message::Recorded(group)) = heard.message {
                    recorded.extend(group.recordings);
                }
            }
        }
    }
}
