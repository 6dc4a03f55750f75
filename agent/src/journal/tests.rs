//! The journal as those see it who use it.

use std::sync::Arc;

use cofi_proto::{
    BatchId, Digest, RecordingId,
    clock::FixedClock,
    session::{
        FailureClass, Identified, Identify, LanguageProbability, LidFailure, LidOutcome, ResultReceipt,
    },
};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{Change, Finished, Journal, NewRecording};

const NOW: i64 = 1_000;

struct Opened {
    journal: Journal,
    _writer: JoinSet<()>,
    folder: TempDir,
}

async fn opened() -> Opened {
    open(TempDir::new().unwrap()).await
}

async fn open(folder: TempDir) -> Opened {
    let path = folder.path().join("journal.sqlite");
    let (journal, writing) = Journal::open(&path, Arc::new(FixedClock(NOW))).await.unwrap();
    let mut writer = JoinSet::new();
    writer.spawn(writing);
    Opened { journal, _writer: writer, folder }
}

fn id(ordinal: i64) -> RecordingId {
    RecordingId { batch: BatchId(1), ordinal }
}

fn content(ordinal: i64) -> Digest {
    Digest::of(&ordinal.to_be_bytes())
}

fn stored(ordinal: i64, name: &str) -> Change {
    Change::Stored(vec![NewRecording {
        recording: id(ordinal),
        audio_name: name.to_owned(),
        size_bytes: 8,
        digest: content(ordinal),
        round: 1,
        candidates: vec!["hi".to_owned(), "en".to_owned()],
        incoming: format!("{ordinal:x}"),
    }])
}

fn failed(ordinal: i64, round: i32) -> Finished {
    let failure = LidFailure {
        code: "timeout".to_owned(),
        reason: "no \"audio\"\n".to_owned(),
        attempts: 1,
        class: FailureClass::Agent,
    };
    Finished { recording: id(ordinal), digest: content(ordinal), round, outcome: LidOutcome::Failed(failure) }
}

impl Opened {
    async fn make(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.journal.commit(change).await.unwrap();
        }
    }

    /// Recordings with their places.
    async fn hold(&self, ordinals: std::ops::Range<i64>) {
        for ordinal in ordinals {
            let placed = Change::Placed(vec![id(ordinal)]);
            self.make([stored(ordinal, &format!("{ordinal}.wav")), placed]).await;
        }
    }

    async fn jobs(&self) -> Vec<(i64, i32)> {
        let jobs = self.journal.jobs(0, 100).await.unwrap();
        jobs.iter().map(|job| (job.recording.ordinal, job.round)).collect()
    }

    async fn outbox(&self, cursor: i64) -> Vec<(i64, i64, i32)> {
        let rows = self.journal.outbox(cursor, 100).await.unwrap();
        rows.iter().map(|row| (row.position, row.result.recording.ordinal, row.result.round)).collect()
    }
}

#[tokio::test]
async fn outcomes_read_back_as_they_were_written() {
    let opened = opened().await;
    opened.hold(0..2).await;
    let likely =
        |language: &str, probability| LanguageProbability { language: language.to_owned(), probability };
    let identified = LidOutcome::Identified(Identified {
        language: "hi".to_owned(),
        probabilities: vec![likely("hi", 0.1 + 0.2), likely("ur", 1e-300)],
        unrestricted: Some(likely("ur", 0.5)),
        duration_seconds: 12.345_678_9,
        processing_seconds: 0.0,
    });
    let first = Finished { outcome: identified.clone(), ..failed(0, 1) };
    opened.make([Change::Finished(first), Change::Finished(failed(1, 1))]).await;
    let rows = opened.journal.outbox(0, 10).await.unwrap();
    assert_eq!(rows[0].result.outcome, identified);
    assert_eq!(rows[1].result.outcome, failed(1, 1).outcome);
    assert!(opened.jobs().await.is_empty());
}

#[tokio::test]
async fn one_bad_change_does_not_fail_those_that_share_its_transaction() {
    let opened = opened().await;
    opened.make([stored(0, "taken.wav")]).await;
    // All three wait before the writer looks: none of the sends gives way.
    let mut answers = Vec::new();
    for change in [stored(1, "one.wav"), stored(2, "taken.wav"), stored(3, "three.wav")] {
        answers.push(opened.journal.post(change).await.unwrap());
    }
    let mut outcomes = Vec::new();
    for answer in answers {
        outcomes.push(answer.wait().await.is_ok());
    }
    assert_eq!(outcomes, [true, false, true]);
    let unplaced = opened.journal.unplaced().await.unwrap();
    assert_eq!(unplaced.iter().map(|row| row.recording.ordinal).collect::<Vec<_>>(), [0, 1, 3]);
}

#[tokio::test]
async fn a_recording_is_queued_once_it_has_its_place_and_until_it_has_a_result() {
    let opened = opened().await;
    opened.make([stored(0, "a.wav")]).await;
    assert!(opened.jobs().await.is_empty());
    assert!(opened.journal.held(None, 10).await.unwrap().is_empty());
    opened.make([Change::Placed(vec![id(0)])]).await;
    assert_eq!(opened.jobs().await, [(0, 1)]);
    assert_eq!(opened.journal.jobs(0, 1).await.unwrap()[0].candidates, ["hi", "en"]);
    let other = Finished { digest: content(99), ..failed(0, 1) };
    opened.make([Change::Finished(other)]).await;
    assert_eq!((opened.jobs().await, opened.outbox(0).await), (vec![(0, 1)], Vec::new()));
    opened.make([Change::Finished(failed(0, 1))]).await;
    assert_eq!(opened.journal.waiting().await.unwrap(), 0);
}

#[tokio::test]
async fn a_round_that_begins_while_the_one_before_runs_is_not_lost() {
    let opened = opened().await;
    opened.hold(0..1).await;
    let identify =
        |round| Change::Identify(vec![Identify { recording: id(0), round, candidates: Vec::new() }]);
    opened.make([identify(1), identify(2), identify(1)]).await;
    assert_eq!(opened.jobs().await, [(0, 2)]);
    opened.make([Change::Finished(failed(0, 1))]).await;
    assert_eq!(opened.jobs().await, [(0, 2)]);
    opened.make([Change::Finished(failed(0, 2)), identify(2)]).await;
    assert!(opened.jobs().await.is_empty());
}

#[tokio::test]
async fn a_cursor_passes_each_result_once_and_those_that_are_asked_for_again() {
    let opened = opened().await;
    opened.hold(0..3).await;
    opened.make((0..3).map(|ordinal| Change::Finished(failed(ordinal, 1)))).await;
    let first = opened.outbox(0).await;
    let cursor = first[2].0;
    assert_eq!(first.iter().map(|row| row.1).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(opened.outbox(cursor).await.is_empty());

    let receipts = (0..3).map(|ordinal| ResultReceipt { recording: id(ordinal), round: 1 }).collect();
    opened.make([Change::Receipted(receipts)]).await;
    assert!(opened.outbox(0).await.is_empty());
    assert_eq!(opened.journal.outbox_end().await.unwrap(), 0);
    let again = [2, 0].map(|ordinal| Identify { recording: id(ordinal), round: 1, candidates: Vec::new() });
    opened.make([Change::Identify(again.to_vec())]).await;
    let rows = opened.outbox(cursor).await;
    assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(opened.journal.outbox_end().await.unwrap(), rows[1].0);
}

#[tokio::test]
async fn receipted_results_stay_for_the_retention_time() {
    let opened = opened().await;
    opened.hold(0..2).await;
    opened.make([Change::Finished(failed(0, 1)), Change::Finished(failed(1, 1))]).await;
    opened.make([Change::Receipted(vec![ResultReceipt { recording: id(0), round: 1 }])]).await;
    opened.make([Change::Expired(NOW)]).await;
    let ask = |ordinal| Identify { recording: id(ordinal), round: 1, candidates: Vec::new() };
    opened.make([Change::Identify(vec![ask(0)])]).await;
    assert_eq!(opened.outbox(0).await.len(), 2);
    opened.make([Change::Receipted(vec![ResultReceipt { recording: id(0), round: 1 }])]).await;
    // What has no receipt is never removed.
    opened.make([Change::Expired(NOW + 1), Change::Identify(vec![ask(0), ask(1)])]).await;
    assert_eq!(opened.outbox(0).await.iter().map(|row| row.1).collect::<Vec<_>>(), [1]);
    assert_eq!(opened.jobs().await, [(0, 1)]);
}

#[tokio::test]
async fn what_is_recorded_is_not_offered_until_it_arrives_again() {
    let opened = opened().await;
    opened.hold(0..3).await;
    opened.make([Change::Recorded(vec![id(0), id(2), id(77)])]).await;
    let held = opened.journal.held(None, 10).await.unwrap();
    assert_eq!(held.iter().map(|held| held.recording).collect::<Vec<_>>(), [id(1)]);
    assert!(opened.journal.held(Some(id(1)), 10).await.unwrap().is_empty());

    let identify = Identify { recording: id(2), round: 1, candidates: Vec::new() };
    opened.make([Change::Again(vec![super::Again { size_bytes: 8, identify }])]).await;
    let held = opened.journal.held(Some(id(1)), 10).await.unwrap();
    assert_eq!(held.iter().map(|held| held.recording).collect::<Vec<_>>(), [id(2)]);
}

#[tokio::test]
async fn positions_go_on_after_a_restart() {
    let opened = opened().await;
    opened.hold(0..2).await;
    opened.make([Change::Finished(failed(0, 1)), Change::Finished(failed(1, 1))]).await;
    let before = opened.outbox(0).await;
    let Opened { journal, folder, .. } = opened;
    drop(journal);
    let opened = open(folder).await;
    opened.hold(2..3).await;
    opened.make([Change::Finished(failed(2, 1))]).await;
    let after = opened.outbox(0).await;
    assert_eq!(after[..2], before);
    assert!(after[2].0 > after[1].0);
}
