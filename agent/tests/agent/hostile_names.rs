//! Names as somebody chooses them who means no good.

use std::fs;

use crate::support::{Controller, TestAgent, recording, until};

#[tokio::test]
async fn odd_names_are_only_names() {
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    let published = agent.folder().join("published");
    fs::create_dir(&published).unwrap();
    agent.config.publish_dir = Some(published.clone());
    agent.config.receive_connections = 1;
    agent.start();
    let mut session = controller.session().await;
    let mut receiving = controller.receiving().await;
    let longest = "n".repeat(255);
    let odd = [
        "--option",
        "-rf",
        "-",
        " ",
        "~",
        "~root",
        "$(reboot)",
        "`reboot`",
        ";reboot",
        "|cat",
        "a\\b",
        "a\u{202e}vaw.exe",
        "%2e%2e%2fx",
        "...",
        ".hidden",
        "C:\\x",
        "\"quoted\"",
        "'",
        "*",
        "?",
        "e\u{301}",
        "\u{e9}",
        &longest,
    ];
    for (ordinal, name) in (0..).zip(odd) {
        let sent = recording(ordinal, "speak:en").named(name);
        receiving.store(&sent).await;
        assert_eq!(session.result().await.recording, sent.id, "{name:?}");
        assert_eq!(fs::read_to_string(agent.path(&sent)).unwrap(), "speak:en", "{name:?}");
        assert!(published.join(name).is_file(), "{name:?}");
    }
    assert_eq!(fs::read_dir(agent.data().join("recordings")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(agent.data().join("recordings/7")).unwrap().count(), odd.len());
}

#[tokio::test]
async fn names_that_are_paths_end_the_session_and_leave_nothing() {
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    agent.config.receive_connections = 1;
    agent.start();
    // Few of them: the agent dials slower after each. The rest is shown where
    // messages are checked.
    let long = "n".repeat(256);
    let wrong = ["..", "../planted", "/tmp/planted", "a\0b", &long];
    for name in wrong {
        let _session = controller.session().await;
        let receiving = loop {
            let receiving = controller.receiving().await;
            if !receiving.is_over() {
                break receiving;
            }
        };
        receiving.send(&recording(0, "speak:en").named(name)).await;
        receiving.ended().await;
    }
    until("an empty folder of arrivals", async || agent.incoming() == 0).await;
    assert_eq!(fs::read_dir(agent.data().join("recordings")).unwrap().count(), 0);
    let mut left: Vec<_> =
        fs::read_dir(agent.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["data", "notes"]);
}
