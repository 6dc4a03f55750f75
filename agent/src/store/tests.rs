//! What a start does about what a crash has left, step by step.

use std::{fs, path::Path, sync::Arc};

use cofi_proto::{BatchId, Digest, RecordingId, clock::FixedClock, session::Held};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{
    Layout,
    recovery::{Recovered, recover},
};
use crate::journal::{Change, Journal, NewRecording};

/// A store between two runs of the agent.
struct Crashed {
    folder: TempDir,
    publish: bool,
}

const ID: RecordingId = RecordingId { batch: BatchId(3), ordinal: 14 };
const NAME: &str = "call.wav";
const NEW: &[u8] = b"new content";
const OLD: &[u8] = b"older content";

fn row(content: &[u8]) -> NewRecording {
    NewRecording {
        recording: ID,
        audio_name: NAME.to_owned(),
        size_bytes: u64::try_from(content.len()).unwrap(),
        digest: Digest::of(content),
        round: 1,
        candidates: vec!["hi".to_owned()],
        incoming: "00a".to_owned(),
    }
}

impl Crashed {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("published")).unwrap();
        fs::create_dir_all(folder.path().join("data/recordings/3")).unwrap();
        fs::create_dir_all(folder.path().join("data/incoming")).unwrap();
        Self { folder, publish: false }
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join(below)
    }

    /// Leaves a file.
    fn file(self, below: &str, content: &[u8]) -> Self {
        fs::write(self.path(below), content).unwrap();
        self
    }

    /// Leaves journal rows.
    async fn rows(self, changes: Vec<Change>) -> Self {
        let (_, journal, _writer) = self.open().await;
        for change in changes {
            journal.commit(change).await.unwrap();
        }
        self
    }

    async fn open(&self) -> (Layout, Journal, JoinSet<()>) {
        let publish = self.path("published");
        let publish: Option<&Path> = self.publish.then_some(&publish);
        let layout = Layout::open(&self.path("data"), publish).unwrap();
        let clock = Arc::new(FixedClock(1));
        let (journal, writing) = Journal::open(&layout.journal(), clock).await.unwrap();
        let mut writer = JoinSet::new();
        writer.spawn(writing);
        (layout, journal, writer)
    }

    /// What a start finds and what it holds afterwards; all else is the same
    /// after a second start.
    async fn start(&self) -> (Recovered, Vec<Held>, usize) {
        let (layout, journal, _writer) = self.open().await;
        let recovered = recover(&layout, &journal).await.unwrap();
        let held = journal.held(None, 10).await.unwrap();
        let jobs = journal.jobs(0, 10).await.unwrap();
        assert_eq!(fs::read_dir(self.path("data/incoming")).unwrap().count(), 0);
        let unknown = recovered.unknown;
        let again = recover(&layout, &journal).await.unwrap();
        assert_eq!(again, Recovered { unknown, ..Recovered::default() });
        assert_eq!(journal.held(None, 10).await.unwrap(), held);
        (recovered, held, jobs.len())
    }

    fn content(&self) -> Option<Vec<u8>> {
        fs::read(self.path("data/recordings/3/call.wav")).ok()
    }
}

fn found(finished: usize, dropped: usize, partial: usize, unknown: usize) -> Recovered {
    Recovered { finished, dropped, partial, unknown }
}

#[tokio::test]
async fn before_its_row_a_recording_is_dropped() {
    let crashed = Crashed::new().file("data/incoming/00a", NEW);
    let (recovered, held, jobs) = crashed.start().await;
    assert_eq!((recovered, held.len(), jobs), (found(0, 0, 1, 0), 0, 0));
}

#[tokio::test]
async fn between_row_and_rename_it_is_finished() {
    let crashed =
        Crashed::new().file("data/incoming/00a", NEW).rows(vec![Change::Stored(vec![row(NEW)])]).await;
    let (recovered, held, jobs) = crashed.start().await;
    assert_eq!((recovered, held.len(), jobs), (found(1, 0, 0, 0), 1, 1));
    assert_eq!(held[0].digest, Digest::of(NEW));
    assert_eq!(crashed.content().as_deref(), Some(NEW));
}

#[tokio::test]
async fn between_rename_and_queue_it_is_finished_and_published() {
    let mut crashed = Crashed::new()
        .file("data/recordings/3/call.wav", NEW)
        .rows(vec![Change::Stored(vec![row(NEW)])])
        .await;
    crashed.publish = true;
    let (recovered, held, jobs) = crashed.start().await;
    assert_eq!((recovered, held.len(), jobs), (found(1, 0, 0, 0), 1, 1));
    assert_eq!(fs::read(crashed.path("published/call.wav")).unwrap(), NEW);
}

#[tokio::test]
async fn content_that_did_not_last_is_not_believed() {
    let crashed = Crashed::new()
        .file("data/incoming/00a", &[0; NEW.len()])
        .rows(vec![Change::Stored(vec![row(NEW)])])
        .await;
    let (recovered, held, jobs) = crashed.start().await;
    assert_eq!((recovered, held.len(), jobs), (found(0, 1, 1, 0), 0, 0));
    assert_eq!(crashed.content(), None);
}

#[tokio::test]
async fn a_row_without_any_file_is_dropped() {
    let crashed = Crashed::new().rows(vec![Change::Stored(vec![row(NEW)])]).await;
    assert_eq!(crashed.start().await, (found(0, 1, 0, 0), Vec::new(), 0));
}

#[tokio::test]
async fn newer_content_replaces_the_older_or_both_are_gone() {
    let replaced =
        || vec![Change::Stored(vec![row(OLD)]), Change::Placed(vec![ID]), Change::Stored(vec![row(NEW)])];
    let crashed = Crashed::new()
        .file("data/incoming/00a", NEW)
        .file("data/recordings/3/call.wav", OLD)
        .rows(replaced())
        .await;
    let (recovered, held, jobs) = crashed.start().await;
    assert_eq!((recovered, held.len(), jobs), (found(1, 0, 0, 0), 1, 1));
    assert_eq!(crashed.content().as_deref(), Some(NEW));

    let crashed = Crashed::new().file("data/recordings/3/call.wav", OLD).rows(replaced()).await;
    let (recovered, held, jobs) = crashed.start().await;
    assert_eq!((recovered, held.len(), jobs), (found(0, 1, 0, 0), 0, 0));
    assert_eq!(crashed.content(), None);
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_drops_the_recording() {
    let mut crashed = Crashed::new()
        .file("data/incoming/00a", NEW)
        .file("published/call.wav", b"theirs")
        .rows(vec![Change::Stored(vec![row(NEW)])])
        .await;
    crashed.publish = true;
    let (recovered, held, _) = crashed.start().await;
    assert_eq!((recovered, held.len()), (found(0, 1, 0, 0), 0));
    assert_eq!(
        (crashed.content(), fs::read(crashed.path("published/call.wav")).unwrap()),
        (None, b"theirs".to_vec())
    );
}

#[tokio::test]
async fn a_recording_whose_file_is_gone_is_not_held() {
    let crashed = Crashed::new().rows(vec![Change::Stored(vec![row(NEW)]), Change::Placed(vec![ID])]).await;
    assert_eq!(crashed.start().await, (found(0, 1, 0, 0), Vec::new(), 0));
}

#[tokio::test]
async fn a_file_that_nobody_knows_is_left_alone() {
    let crashed = Crashed::new()
        .file("data/recordings/3/call.wav", NEW)
        .file("data/recordings/3/other.wav", OLD)
        .rows(vec![Change::Stored(vec![row(NEW)]), Change::Placed(vec![ID])])
        .await;
    let (recovered, held, jobs) = crashed.start().await;
    assert_eq!((recovered, held.len(), jobs), (found(0, 0, 0, 1), 1, 1));
    assert!(crashed.path("data/recordings/3/other.wav").exists());
}

#[tokio::test]
async fn a_store_that_lost_its_journal_is_another_one() {
    let crashed = Crashed::new();
    let first = crashed.open().await.0.storage_id().to_owned();
    assert_eq!(crashed.open().await.0.storage_id(), first);
    fs::remove_file(crashed.path("data/journal.sqlite")).unwrap();
    assert_ne!(crashed.open().await.0.storage_id(), first);
    fs::write(crashed.path("data/storage.id"), "nonsense").unwrap();
    assert!(Layout::open(&crashed.path("data"), None).is_err());
}
