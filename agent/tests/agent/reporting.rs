//! Results go up until they are receipted, and come again when asked for.

use std::{fs, time::Duration};

use crate::support::{Controller, Receiving, Session, TestAgent, journal_rows, recording, until};
use cofi_proto::session::LidOutcome;

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
async fn results_come_again_in_each_session_until_they_are_receipted() {
    let (mut controller, mut agent, mut session, mut receiving) = connected().await;
    let sent = [recording(0, "speak:hi"), recording(1, "unfit:empty")];
    for recording in &sent {
        receiving.store(recording).await;
    }
    let first = [session.result().await, session.result().await];
    let LidOutcome::Identified(identified) = &first[0].outcome else { panic!("failed") };
    assert_eq!((identified.language.as_str(), identified.duration_seconds), ("hi", 1.5));
    let LidOutcome::Failed(failure) = &first[1].outcome else { panic!("identified") };
    assert_eq!((failure.code.as_str(), failure.attempts), ("empty", 1));
    receiving.cut().await;

    // Not receipted: again in the next session, also after a restart.
    let mut session = controller.session().await;
    assert_eq!([session.result().await, session.result().await], first);
    session.receipt(sent[0].id, 1).await;
    session.recorded(&[sent[0].id, sent[1].id]).await;
    until("the rows", async || journal_rows(agent.data()).await.iter().all(|row| row.recorded)).await;
    agent.stop().await;
    agent.start();
    let mut session = controller.session().await;
    assert!(session.held().await.is_empty());
    assert_eq!(session.result().await, first[1]);
    session.receipt(sent[1].id, 1).await;

    // A third recording shows that nothing else comes before it.
    let mut receiving = loop {
        let receiving = controller.receiving().await;
        if !receiving.is_over() {
            break receiving;
        }
    };
    receiving.store(&recording(2, "speak:gu")).await;
    assert_eq!(session.result().await.recording, recording(2, "").id);
    assert_eq!(agent.requests(&sent[0]).len(), 1);
}

#[tokio::test]
async fn asking_again_for_a_round_sends_its_result_and_a_higher_round_identifies_again() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let sent = recording(0, "speak:hi");
    receiving.store(&sent).await;
    let first = session.result().await;
    session.receipt(sent.id, 1).await;

    session.identify(sent.id, 1, &[]).await;
    assert_eq!(session.result().await, first);
    assert_eq!(agent.requests(&sent).len(), 1);

    session.identify(sent.id, 2, &["gu", "hi"]).await;
    let second = session.result().await;
    assert_eq!(second.round, 2);
    let requests = agent.requests(&sent);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1]["candidates"], serde_json::json!(["gu", "hi"]));
    assert_eq!(requests[1]["id"], "7/0#2");

    // An older round is answered by what is known of the newer one.
    session.identify(sent.id, 1, &[]).await;
    assert_eq!(session.result().await, second);
}

#[tokio::test]
async fn recordings_that_are_not_held_are_not_identified() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let absent = recording(99, "speak:xx");
    session.identify(absent.id, 1, &[]).await;
    let sent = recording(0, "speak:en");
    receiving.store(&sent).await;
    assert_eq!(session.result().await.recording, sent.id);
    assert!(agent.requests(&absent).is_empty());
}

#[tokio::test]
async fn a_released_recording_is_gone_with_its_results() {
    let (mut controller, mut agent, mut session, mut receiving) = connected().await;
    let (gone, kept) = (recording(0, "speak:hi"), recording(1, "speak:en"));
    receiving.store(&gone).await;
    receiving.store(&kept).await;
    session.result().await;
    session.result().await;
    session.release(gone.id).await;
    until("the release", async || !agent.path(&gone).exists()).await;
    until("the row", async || journal_rows(agent.data()).await.len() == 1).await;
    assert!(agent.path(&kept).exists());
    agent.stop().await;
    agent.start();
    let mut session = controller.session().await;
    let held = session.held().await;
    assert_eq!(held.iter().map(|held| held.recording).collect::<Vec<_>>(), [kept.id]);
    assert_eq!(session.result().await.recording, kept.id);
}

#[tokio::test]
async fn a_release_is_answered_however_often_it_comes() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let gone = recording(0, "speak:hi");
    receiving.store(&gone).await;
    session.result().await;
    for _ in 0..2 {
        session.release(gone.id).await;
        assert_eq!(session.removed().await, gone.id);
        assert!(!agent.path(&gone).exists(), "answered before it was removed");
        assert!(journal_rows(agent.data()).await.is_empty(), "answered before it was written down");
    }
    // Nobody ever sent this one.
    session.release(recording(7, "").id).await;
    assert_eq!(session.removed().await, recording(7, "").id);
}

#[tokio::test]
async fn a_release_whose_file_cannot_be_removed_is_not_answered() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let (stuck, gone) = (recording(0, "speak:hi"), recording(1, "speak:en"));
    for recording in [&stuck, &gone] {
        receiving.store(recording).await;
        session.result().await;
    }
    // A folder that is not empty stands where the file was.
    std::fs::remove_file(agent.path(&stuck)).unwrap();
    std::fs::create_dir_all(agent.path(&stuck).join("something")).unwrap();
    session.release(stuck.id).await;
    session.release(gone.id).await;
    assert_eq!(session.removed().await, gone.id);
    assert_eq!(journal_rows(agent.data()).await.len(), 1);
    std::fs::remove_dir_all(agent.path(&stuck)).unwrap();
    session.release(stuck.id).await;
    assert_eq!(session.removed().await, stuck.id);
}

#[tokio::test]
async fn heartbeats_tell_what_waits_and_when_the_engine_is_ready() {
    let (_controller, agent, mut session, mut receiving) = connected().await;
    let ready = session.heartbeat(|beat| beat.engine.as_ref().is_some_and(|engine| engine.state == 2)).await;
    let engine = ready.engine.unwrap();
    assert_eq!((engine.name.as_str(), engine.device.as_str()), ("test words", "cpu"));
    assert!(ready.free_disk_bytes > 0);
    receiving.store(&recording(0, "hang:1")).await;
    until("the engine", async || !agent.requests(&recording(0, "")).is_empty()).await;
    receiving.store(&recording(1, "speak:en")).await;
    session.heartbeat(|beat| beat.lid_waiting == 2).await;
}

#[tokio::test]
async fn more_held_recordings_than_a_page_come_in_several() {
    let (mut controller, mut agent, _session, mut receiving) = connected().await;
    let sent: Vec<_> = (0..1_001).map(|n| recording(n, "speak:en")).collect();
    for chunk in sent.chunks(100) {
        for recording in chunk {
            receiving.send(recording).await;
        }
        for _ in chunk {
            receiving.report().await;
        }
    }
    agent.stop().await;
    agent.start();
    let mut session = controller.session().await;
    let held: Vec<_> = session.held().await.iter().map(|held| held.recording).collect();
    assert_eq!(held, sent.iter().map(|recording| recording.id).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_agent_outlives_its_controller() {
    let (controller, agent, session, mut receiving) = connected().await;
    let sent = recording(0, "speak:hi");
    receiving.store(&sent).await;
    drop((session, receiving));
    let (address, site) = controller.stop().await;
    let mut controller = Controller::start_at(address, site).await;
    let mut session = controller.session().await;
    assert_eq!(session.held().await.len(), 1);
    assert_eq!(session.result().await.recording, sent.id);
    assert!(agent.path(&sent).exists());
}

#[tokio::test]
async fn draining_finishes_what_is_in_hand_and_sends_it() {
    let (_controller, mut agent, session, mut receiving) = connected().await;
    let sent = recording(0, "speak:hi");
    receiving.store(&sent).await;
    until("the engine", async || !agent.requests(&sent).is_empty()).await;
    agent.stop_token().drain();
    let results = session.ended().await;
    agent.ended().await.unwrap();
    assert_eq!(results.first().map(|result| result.recording), Some(sent.id));
}

#[tokio::test]
async fn an_agent_that_drains_does_not_wait_for_a_recording_that_hangs() {
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    agent.config.drain_grace = Duration::from_millis(200);
    agent.start();
    let _session = controller.session().await;
    let mut receiving = controller.receiving().await;
    let sent = recording(0, "hang:9");
    receiving.store(&sent).await;
    until("the engine", async || !agent.requests(&sent).is_empty()).await;
    agent.stop_token().drain();
    agent.ended().await.unwrap();
    assert!(fs::exists(agent.path(&sent)).unwrap());
}
