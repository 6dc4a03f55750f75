//! Recordings come in and become durable, or are refused.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use crate::support::{Controller, Receiving, Session, TestAgent, journal_rows, recording, until};
use cofi_proto::{limits::PIECE_BYTES, pb::agent as pb};

/// An agent with one receive stream.
async fn connected() -> (Controller, TestAgent, Session, Receiving) {
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    agent.config.receive_connections = 1;
    agent.start();
    let session = controller.session().await;
    let receiving = controller.receiving().await;
    (controller, agent, session, receiving)
}

#[tokio::test]
async fn an_acknowledged_recording_lies_under_its_name_for_its_owner_alone() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    assert_eq!(session.hello.name, "test-agent");
    assert_eq!(session.hello.local_address, "127.0.0.1");
    assert_eq!(&receiving.token[..], b"token");
    assert!(session.held().await.is_empty());

    let large: Vec<u8> = (0..=255).cycle().take(3 * PIECE_BYTES + 17).collect();
    for (ordinal, content) in [(0, large), (1, b"speak:hi".to_vec()), (2, Vec::new())] {
        let sent = recording(ordinal, content);
        receiving.store(&sent).await;
        assert_eq!(fs::read(agent.path(&sent)).unwrap(), sent.content);
        assert_eq!(fs::metadata(agent.path(&sent)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(agent.incoming(), 0);
    assert_eq!(fs::metadata(agent.data()).unwrap().permissions().mode() & 0o777, 0o700);
    let journal = fs::metadata(agent.data().join("journal.sqlite")).unwrap();
    assert_eq!(journal.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_not_what_its_sender_said_is_refused_and_not_kept() {
    let (_controller, agent, _session, mut receiving) = connected().await;
    let sent = recording(0, vec![7; 1_000]);

    let mut flipped = sent.piece();
    flipped.data = vec![8; 1_000].into();
    let mut short = sent.piece();
    short.data = short.data.slice(..999);
    let mut long = sent.pieces(600);
    long[1].data = vec![7; 600].into();
    let mut gap = sent.pieces(600);
    gap[1].offset = 601;
    let headless = vec![pb::Piece { head: None, ..sent.piece() }];
    let endless = sent.pieces(600).remove(0);
    let cases = [
        (vec![flipped], "digest"),
        (vec![short], "999 of 1000 bytes"),
        (long, "more than the 1000 bytes"),
        (gap, "offset 601, expected 600"),
        (headless, "no head"),
    ];
    for (pieces, words) in cases {
        for piece in pieces {
            receiving.send_piece(piece).await;
        }
        let (code, reason) = receiving.refusal(sent.delivery).await;
        assert_eq!(code, "integrity");
        assert!(reason.contains(words), "{reason}");
    }
    let next = recording(1, "speak:en");
    receiving.send_piece(endless).await;
    receiving.send(&next).await;
    let (code, reason) = receiving.refusal(sent.delivery).await;
    assert!(code == "integrity" && reason.contains("another recording began"), "{reason}");
    assert_eq!(receiving.report().await.delivery, next.delivery);

    assert!(!agent.path(&sent).exists());
    assert_eq!(agent.incoming(), 0);
    receiving.store(&sent).await;
}

#[tokio::test]
async fn a_recording_that_was_given_up_leaves_no_trace() {
    let (_controller, agent, _session, mut receiving) = connected().await;
    let mut pieces = recording(0, vec![1; 1_000]).pieces(600);
    pieces[1].tail = Some(pb::PieceTail::default());
    pieces[1].data = bytes::Bytes::new();
    for piece in pieces {
        receiving.send_piece(piece).await;
    }
    // Its report is the first one: nothing was reported of the other.
    receiving.store(&recording(1, "speak:en")).await;
    assert_eq!(agent.incoming(), 0);
    assert_eq!(journal_rows(agent.data()).await.len(), 1);
}

#[tokio::test]
async fn recordings_of_two_streams_do_not_mix() {
    let mut controller = Controller::start().await;
    let agent = TestAgent::new(&controller).started();
    let _session = controller.session().await;
    let mut streams = [controller.receiving().await, controller.receiving().await];
    let sent: Vec<_> = (0..2_u8).map(|n| recording(n.into(), vec![n; 10 * 1_000])).collect();
    let pieces: Vec<_> = sent.iter().map(|recording| recording.pieces(1_000)).collect();
    for (first, second) in std::iter::zip(&pieces[0], &pieces[1]) {
        streams[0].send_piece(first.clone()).await;
        streams[1].send_piece(second.clone()).await;
    }
    for (stream, recording) in std::iter::zip(&mut streams, &sent) {
        assert_eq!(stream.report().await.delivery, recording.delivery);
        assert_eq!(fs::read(agent.path(recording)).unwrap(), recording.content);
    }
}

#[tokio::test]
async fn a_recording_that_is_held_is_acknowledged_again_and_not_rewritten() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let sent = recording(0, "speak:hi");
    receiving.store(&sent).await;
    session.recorded(&[sent.id]).await;
    assert_eq!(session.result().await.recording, sent.id);
    let inode = fs::metadata(agent.path(&sent)).unwrap().ino();
    receiving.store(&sent.clone().again(50)).await;
    assert_eq!(fs::metadata(agent.path(&sent)).unwrap().ino(), inode);
    let rows = journal_rows(agent.data()).await;
    assert_eq!((rows[0].received_count, rows[0].received_bytes), (2, 16));
    // Whoever sends it again does not know the result either.
    assert_eq!(session.result().await.recording, sent.id);
    assert_eq!(agent.requests(&sent).len(), 1);
}

#[tokio::test]
async fn other_content_under_the_same_id_replaces_the_older() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let old = recording(0, "speak:hi");
    receiving.store(&old).await;
    assert_eq!(session.result().await.round, 1);
    session.receipt(old.id, 1).await;

    let mut new = recording(0, "speak:gu").again(51);
    new.candidates = vec!["gu".to_owned()];
    receiving.store(&new).await;
    assert_eq!(fs::read(agent.path(&new)).unwrap(), new.content);
    let result = session.result().await;
    let cofi_proto::session::LidOutcome::Identified(identified) = result.outcome else { panic!("failed") };
    assert_eq!(identified.language, "gu");
    assert_eq!(agent.requests(&new)[1]["candidates"], serde_json::json!(["gu"]));
}

#[tokio::test]
async fn two_recordings_of_a_batch_cannot_have_one_name() {
    let (_controller, agent, _session, mut receiving) = connected().await;
    let first = recording(0, "speak:en");
    let second = recording(1, "speak:hi").named(&first.name);
    receiving.store(&first).await;
    receiving.send(&second).await;
    assert_eq!(receiving.refusal(second.delivery).await.0, "name_taken");
    assert_eq!(fs::read(agent.path(&first)).unwrap(), first.content);
    receiving.store(&second.in_batch(8)).await;
}

#[tokio::test]
async fn a_full_disk_is_found_before_anything_is_written() {
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    agent.config.disk_reserve_bytes = Some(u64::MAX);
    agent.start();
    let mut session = controller.session().await;
    let mut receiving = controller.receiving().await;
    assert_eq!(session.heartbeat(|_| true).await.free_disk_bytes, 0);
    let sent = recording(0, vec![1; 2 * PIECE_BYTES]);
    receiving.send(&sent).await;
    assert_eq!(receiving.refusal(sent.delivery).await.0, "disk_full");
    assert_eq!(agent.incoming(), 0);
}

#[tokio::test]
async fn an_acknowledgement_that_is_lost_with_its_stream_is_offered_as_held() {
    let (mut controller, agent, mut session, mut receiving) = connected().await;
    let (known, unknown) = (recording(0, "speak:en"), recording(1, "speak:hi"));
    receiving.store(&known).await;
    session.recorded(&[known.id]).await;
    receiving.send(&unknown).await;
    until("the store", async || agent.path(&unknown).exists()).await;
    until("the row", async || journal_rows(agent.data()).await[0].recorded).await;
    receiving.cut().await;
    assert!(session.held().await.is_empty());

    let mut session = controller.session().await;
    let held = session.held().await;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].recording, held[0].digest), (unknown.id, unknown.digest()));
    let rows = journal_rows(agent.data()).await;
    assert!(rows.iter().all(|row| row.received_count == 1), "{rows:?}");
}

#[tokio::test]
async fn a_partial_recording_is_dropped_with_its_stream() {
    let (mut controller, agent, _session, receiving) = connected().await;
    let sent = recording(0, vec![3; 2_000]);
    receiving.send_piece(sent.pieces(600).remove(0)).await;
    until("the first piece", async || agent.incoming() == 1).await;
    receiving.cut().await;
    let _session = controller.session().await;
    assert_eq!(agent.incoming(), 0);
    let mut receiving = controller.receiving().await;
    receiving.store(&sent).await;
}

#[tokio::test]
async fn two_thousand_small_recordings_arrive_once_each() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let count = 2_000;
    let sent: Vec<_> = (0..count).map(|n| recording(n, format!("speak:{n}"))).collect();
    let mut acknowledged = 0;
    for chunk in sent.chunks(200) {
        for recording in chunk {
            receiving.send(recording).await;
        }
    }
    while acknowledged < count {
        receiving.report().await;
        acknowledged += 1;
    }
    let rows = journal_rows(agent.data()).await;
    assert_eq!(rows.len(), 2_000);
    assert!(rows.iter().all(|row| row.received_count == 1));
    for n in 0..count {
        assert_eq!(session.result().await.recording.ordinal, n);
    }
}

#[tokio::test]
async fn a_session_and_its_streams_end_together() {
    let (mut controller, _agent, session, receiving) = connected().await;
    session.cut().await;
    receiving.ended().await;
    let session = controller.session().await;
    controller.receiving().await.cut().await;
    assert!(session.ended().await.is_empty());
    let (_session, mut receiving) = (controller.session().await, controller.receiving().await);
    receiving.store(&recording(0, "speak:en")).await;
}

#[tokio::test]
async fn two_agents_cannot_share_a_folder() {
    let (controller, agent, _session, _receiving) = connected().await;
    let mut second = TestAgent::new(&controller);
    second.config.data_dir = agent.data().to_owned();
    second.start();
    let error = format!("{:#}", second.ended().await.unwrap_err());
    assert!(error.contains("another agent uses"), "{error}");
}
