//! The flat folder in which later stages look for recordings by name.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};

use crate::support::{Controller, Receiving, Recording, Session, TestAgent, journal_rows, recording, until};

async fn connected() -> (Controller, TestAgent, Session, Receiving) {
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    let folder = agent.folder().join("published");
    fs::create_dir(&folder).unwrap();
    agent.config.publish_dir = Some(folder);
    agent.config.receive_connections = 1;
    agent.start();
    let session = controller.session().await;
    let receiving = controller.receiving().await;
    (controller, agent, session, receiving)
}

fn published(agent: &TestAgent, recording: &Recording) -> PathBuf {
    agent.folder().join("published").join(&recording.name)
}

#[tokio::test]
async fn a_published_recording_is_the_stored_file_and_can_be_read_by_its_group() {
    let (_controller, agent, _session, mut receiving) = connected().await;
    let sent = recording(0, "speak:hi");
    receiving.store(&sent).await;
    let there = fs::metadata(published(&agent, &sent)).unwrap();
    assert_eq!(there.ino(), fs::metadata(agent.path(&sent)).unwrap().ino());
    assert_eq!(there.permissions().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn another_file_of_that_name_is_not_touched() {
    let (_controller, agent, _session, mut receiving) = connected().await;
    let (taken, linked, same) = (recording(0, "ours"), recording(1, "ours"), recording(2, "same"));
    fs::write(published(&agent, &taken), "theirs").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", published(&agent, &linked)).unwrap();
    fs::write(published(&agent, &same), "same").unwrap();
    for refused in [&taken, &linked] {
        receiving.send(refused).await;
        let (code, reason) = receiving.refusal(refused.delivery).await;
        assert_eq!((code, reason.as_str()), ("name_taken", "publish_dir has another file of that name"));
        assert!(!agent.path(refused).exists());
    }
    receiving.store(&same).await;
    assert_eq!(fs::read(published(&agent, &taken)).unwrap(), b"theirs");
    assert_eq!(journal_rows(agent.data()).await.len(), 1);
    assert_eq!(agent.incoming(), 0);

    // Once the name is free the recording can come.
    fs::remove_file(published(&agent, &taken)).unwrap();
    receiving.store(&taken).await;
    assert_eq!(fs::read(published(&agent, &taken)).unwrap(), b"ours");
}

#[tokio::test]
async fn newer_content_is_published_in_place_of_the_older() {
    let (_controller, agent, _session, mut receiving) = connected().await;
    receiving.store(&recording(0, "speak:hi")).await;
    let new = recording(0, "speak:gujarati").again(9);
    receiving.store(&new).await;
    assert_eq!(fs::read(published(&agent, &new)).unwrap(), new.content);
}

#[tokio::test]
async fn a_release_withdraws_what_it_published_and_nothing_else() {
    let (_controller, agent, session, mut receiving) = connected().await;
    let (one, namesake) = (recording(0, "speak:hi"), recording(0, "speak:hi").in_batch(8).again(1));
    let foreign = recording(1, "speak:hi");
    fs::write(published(&agent, &foreign), "speak:hi").unwrap();
    for sent in [&one, &namesake, &foreign] {
        receiving.store(sent).await;
    }
    session.release(foreign.id).await;
    session.release(one.id).await;
    until("the releases", async || journal_rows(agent.data()).await.len() == 1).await;
    assert!(!agent.path(&one).exists() && !agent.path(&foreign).exists());
    assert!(!agent.path(&one).parent().unwrap().exists());
    assert!(published(&agent, &foreign).exists());
    // The other batch's recording of that name is published now.
    let there = fs::metadata(published(&agent, &namesake)).unwrap();
    assert_eq!(there.ino(), fs::metadata(agent.path(&namesake)).unwrap().ino());
}

#[tokio::test]
async fn a_folder_on_another_file_system_is_refused_at_the_start() {
    let controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    agent.config.publish_dir = Some("/proc".into());
    agent.start();
    let error = format!("{:#}", agent.ended().await.unwrap_err());
    assert!(error.contains("publish_dir /proc lies on another file system"), "{error}");
}
