//! Engines that work, fail, die, hang and rave.

use std::time::Duration;

use crate::support::{Controller, Receiving, Recording, Session, TestAgent, recording, until};
use cofi_proto::{
    pb::agent as pb,
    session::{LidFailure, LidOutcome},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

async fn connected(
    agent: impl FnOnce(TestAgent) -> TestAgent,
) -> (Controller, TestAgent, Session, Receiving) {
    let mut controller = Controller::start().await;
    let agent = agent(TestAgent::new(&controller)).started();
    let session = controller.session().await;
    let receiving = controller.receiving().await;
    (controller, agent, session, receiving)
}

/// The outcome of a recording: its language, or why it has none.
async fn outcome(
    session: &mut Session,
    receiving: &mut Receiving,
    sent: &Recording,
) -> Result<String, LidFailure> {
    receiving.store(sent).await;
    let result = session.result().await;
    assert_eq!((result.recording, result.round), (sent.id, sent.round));
    match result.outcome {
        LidOutcome::Identified(identified) => Ok(identified.language),
        LidOutcome::Failed(failure) => Err(failure),
    }
}

#[tokio::test]
async fn a_recording_that_kills_its_worker_is_tried_three_times_and_others_go_on() {
    let (_controller, agent, mut session, mut receiving) = connected(|agent| agent).await;
    let twice = recording(0, "crash:2");
    assert_eq!(outcome(&mut session, &mut receiving, &twice).await, Ok("en".to_owned()));
    assert_eq!(agent.requests(&twice).len(), 3);
    let always = recording(1, "crash:9");
    let failure = outcome(&mut session, &mut receiving, &always).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.attempts), ("worker_crashed", 3));
    assert!(failure.reason.contains("signal"), "{}", failure.reason);
    assert_eq!(agent.requests(&always).len(), 3);
    assert_eq!(outcome(&mut session, &mut receiving, &recording(2, "speak:hi")).await, Ok("hi".to_owned()));
}

#[tokio::test]
async fn an_agent_that_starts_again_goes_on_counting_attempts() {
    let (mut controller, mut agent, session, mut receiving) = connected(|agent| agent).await;
    let killer = recording(0, "crash:9");
    receiving.store(&killer).await;
    until("two attempts to be written down", async || attempts(agent.data()).await == [2]).await;
    agent.stop().await;
    drop(session);
    agent.start();
    let mut session = controller.session().await;
    let result = session.result().await;
    let LidOutcome::Failed(failure) = result.outcome else { panic!("{result:?}") };
    assert_eq!((failure.code.as_str(), failure.attempts), ("worker_crashed", 3));
    // The agent's end may have cut one attempt off, which does not count.
    assert!((3..=4).contains(&agent.requests(&killer).len()));
}

#[tokio::test]
async fn a_new_round_begins_with_no_attempts() {
    let (_controller, agent, mut session, mut receiving) = connected(|mut agent| {
        agent.config.engine.attempts = 2.try_into().unwrap();
        agent
    })
    .await;
    let mut twice = recording(0, "engine:3");
    let failure = outcome(&mut session, &mut receiving, &twice).await.unwrap_err();
    assert_eq!(failure.attempts, 2);
    twice.round += 1;
    assert_eq!(outcome(&mut session, &mut receiving, &twice).await, Ok("en".to_owned()));
    assert_eq!(agent.requests(&twice).len(), 4);
}

#[tokio::test]
async fn the_last_words_of_a_worker_stand_in_the_reason() {
    let script =
        r#"echo '{"ready":{}}'; read request; echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$"#;
    let (_controller, _agent, mut session, mut receiving) =
        connected(|agent| agent.with_script(script)).await;
    let failure = outcome(&mut session, &mut receiving, &recording(0, "x")).await.unwrap_err();
    assert_eq!(failure.code, "worker_crashed");
    assert!(failure.reason.contains("signal: 6"), "{}", failure.reason);
    assert!(
        failure.reason.ends_with("last words: memory allocation of 9 bytes failed"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn a_worker_that_gives_up_with_a_reason_costs_the_next_recording_nothing() {
    let script = r#"echo '{"ready":{}}'
        while read request; do
            id=${request#*'"id":"'}; id=${id%%'"'*}
            case $request in
            *big*)
                echo "{\"id\":\"$id\",\"error\":\"too much\",\"code\":\"too_much_memory\",\"ends\":true}"
                sleep 1
                exit 1 ;;
            *) echo "{\"id\":\"$id\",\"language\":\"ta\",\"duration_seconds\":2}" ;;
            esac
        done"#;
    let (_controller, _agent, mut session, mut receiving) = connected(|mut agent| {
        agent.config.engine.attempts = 1.try_into().unwrap();
        agent.with_script(script)
    })
    .await;
    let (big, small) = (recording(0, "x").named("big.wav"), recording(1, "y"));
    receiving.store(&big).await;
    receiving.store(&small).await;
    let LidOutcome::Failed(failure) = session.result().await.outcome else { panic!("identified") };
    assert_eq!((failure.code.as_str(), failure.attempts), ("too_much_memory", 1));
    let result = session.result().await;
    assert_eq!(result.recording, small.id);
    let LidOutcome::Identified(identified) = result.outcome else { panic!("{result:?}") };
    assert_eq!(identified.language, "ta");
}

/// Failed attempts of the recordings that wait for the engine.
async fn attempts(data_dir: &std::path::Path) -> Vec<i64> {
    let options = SqliteConnectOptions::new().filename(data_dir.join("journal.sqlite")).read_only(true);
    let mut journal = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query_scalar("SELECT attempts FROM job").fetch_all(&mut journal).await.unwrap()
}

#[tokio::test]
async fn a_recording_is_not_blamed_for_an_engine_that_does_not_come_up_again() {
    const FAILED: i32 = 3;
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    let folder = agent.folder().display().to_string();
    // It dies of three requests, does not come up any more, and is mended.
    let script = r#"cd 'FOLDER'; echo >> starts
        if test $(wc -l < starts) -gt 3 && ! test -e mended; then echo '{"fatal":"device lost"}'; exit 1; fi
        echo '{"ready":{}}'; read request; test -e mended || exit 9
        id=${request#*'"id":"'}; id=${id%%'"'*}
        echo "{\"id\":\"$id\",\"language\":\"ta\",\"duration_seconds\":2}"; cat > /dev/null"#;
    agent = agent.with_script(&script.replace("FOLDER", &folder)).started();
    let mut session = controller.session().await;
    let mut receiving = controller.receiving().await;
    receiving.store(&recording(0, "x")).await;
    let engine = |beat: &pb::Heartbeat| beat.engine.as_ref().map(|it| (it.state, it.reason.clone()));
    session.heartbeat(|beat| engine(beat) == Some((FAILED, "device lost".to_owned()))).await;
    until("the attempts to begin anew", async || attempts(agent.data()).await == [0]).await;
    std::fs::write(agent.folder().join("mended"), "").unwrap();
    let LidOutcome::Identified(identified) = session.result().await.outcome else { panic!("failed") };
    assert_eq!(identified.language, "ta");
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed() {
    let (_controller, agent, mut session, mut receiving) = connected(|mut agent| {
        agent.config.engine.timeout = Duration::from_millis(300);
        agent
    })
    .await;
    assert_eq!(outcome(&mut session, &mut receiving, &recording(0, "hang:1")).await, Ok("en".to_owned()));
    let always = recording(1, "hang:9");
    let failure = outcome(&mut session, &mut receiving, &always).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.attempts), ("timeout", 3));
    assert_eq!(agent.requests(&always).len(), 3);
}

#[tokio::test]
async fn a_worker_that_raves_is_replaced() {
    let (_controller, _agent, mut session, mut receiving) = connected(|agent| agent).await;
    assert_eq!(outcome(&mut session, &mut receiving, &recording(0, "garbage:1")).await, Ok("en".to_owned()));
    let failure = outcome(&mut session, &mut receiving, &recording(1, "garbage:9")).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.attempts), ("worker_protocol", 3));
    assert!(failure.reason.contains("Segmentation fault"), "{}", failure.reason);
}

#[tokio::test]
async fn failures_of_the_engine_are_tried_again_and_those_of_the_recording_are_not() {
    let (_controller, agent, mut session, mut receiving) = connected(|agent| agent).await;
    assert_eq!(outcome(&mut session, &mut receiving, &recording(0, "engine:2")).await, Ok("en".to_owned()));
    let engine = recording(1, "engine:9");
    let failure = outcome(&mut session, &mut receiving, &engine).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.attempts), ("oom", 3));
    let unfit = recording(2, "unfit:undecodable");
    let failure = outcome(&mut session, &mut receiving, &unfit).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.attempts), ("undecodable", 1));
    assert_eq!((agent.requests(&engine).len(), agent.requests(&unfit).len()), (3, 1));
}

#[tokio::test]
async fn candidates_of_the_agent_stand_in_where_a_batch_names_none() {
    let (_controller, agent, mut session, mut receiving) = connected(|mut agent| {
        agent.config.engine.candidates = vec!["en".to_owned(), "hi".to_owned()];
        agent
    })
    .await;
    let (plain, mut named) = (recording(0, "speak:en"), recording(1, "speak:en"));
    named.candidates = vec!["gu".to_owned()];
    outcome(&mut session, &mut receiving, &plain).await.unwrap();
    outcome(&mut session, &mut receiving, &named).await.unwrap();
    assert_eq!(agent.requests(&plain)[0]["candidates"], serde_json::json!(["en", "hi"]));
    assert_eq!(agent.requests(&named)[0]["candidates"], serde_json::json!(["gu"]));
    assert_eq!(agent.requests(&plain)[0]["id"], "7/0#1");
    let path = agent.path(&plain).canonicalize().unwrap();
    assert_eq!(agent.requests(&plain)[0]["path"], path.display().to_string());
}

/// What the engine is told to be in, and why.
async fn engine_state(script: &str) -> (i32, String) {
    let (_controller, _agent, mut session, mut receiving) =
        connected(|agent| agent.with_script(script)).await;
    let beat = session.heartbeat(|beat| beat.engine.as_ref().is_some_and(|engine| engine.state != 1)).await;
    // Recordings are stored all the same, and none of them fails for it.
    receiving.store(&recording(0, "speak:en")).await;
    assert_eq!(session.heartbeat(|beat| beat.lid_waiting > 0).await.lid_waiting, 1);
    let engine = beat.engine.unwrap();
    (engine.state, engine.reason)
}

#[tokio::test]
async fn an_engine_that_cannot_work_is_a_state_of_the_agent_with_its_reason() {
    const FAILED: i32 = 3;
    let fatal = r#"echo '{"fatal":"model folder is empty"}'; exit 1"#;
    assert_eq!(engine_state(fatal).await, (FAILED, "model folder is empty".to_owned()));
    let (state, reason) = engine_state("exit 7").await;
    assert!(state == FAILED && reason.contains("exit status: 7"), "{reason}");
    let (state, reason) = engine_state("echo hello; cat").await;
    assert!(state == FAILED && reason.contains("hello"), "{reason}");
    let (state, reason) = engine_state("echo '{\"id\":\"1\",\"error\":\"x\"}'; cat").await;
    assert!(state == FAILED && reason.contains("out of turn"), "{reason}");
}

#[tokio::test]
async fn an_engine_comes_up_as_soon_as_what_it_needs_is_there() {
    let mut controller = Controller::start().await;
    let mut agent = TestAgent::new(&controller);
    let model = agent.folder().join("model");
    let script = format!(
        r#"test -e '{}' || {{ echo '{{"fatal":"no model"}}'; exit 1; }}
           echo '{{"ready":{{"note":"found it"}}}}'
           read request; id=${{request#*'"id":"'}}; id=${{id%%'"'*}}
           echo "{{\"id\":\"$id\",\"language\":\"ta\",\"duration_seconds\":2}}"; cat > /dev/null"#,
        model.display()
    );
    agent = agent.with_script(&script).started();
    let mut session = controller.session().await;
    let mut receiving = controller.receiving().await;
    let sent = recording(0, "x");
    receiving.store(&sent).await;
    session.heartbeat(|beat| beat.engine.as_ref().is_some_and(|engine| engine.reason == "no model")).await;
    std::fs::write(&model, "").unwrap();
    let LidOutcome::Identified(identified) = session.result().await.outcome else { panic!("failed") };
    assert_eq!(identified.language, "ta");
    session.heartbeat(|beat| beat.engine.as_ref().is_some_and(|engine| engine.reason == "found it")).await;
    assert!(agent.path(&sent).exists());
}

#[tokio::test]
async fn workers_leave_with_their_agent() {
    let (_controller, mut agent, mut session, mut receiving) = connected(|agent| {
        let pid = agent.folder().join("pid");
        let script = format!(r#"sleep 1000 & echo $! > '{}'; echo '{{"ready":{{}}}}'; wait"#, pid.display());
        agent.with_script(&script)
    })
    .await;
    session.heartbeat(|beat| beat.engine.as_ref().is_some_and(|engine| engine.state == 2)).await;
    receiving.store(&recording(0, "x")).await;
    let child = std::fs::read_to_string(agent.folder().join("pid")).unwrap();
    let process = std::path::Path::new("/proc").join(child.trim());
    assert!(process.exists());
    agent.stop().await;
    until("the worker's child to end", async || {
        // A process that nobody has waited for is still listed.
        std::fs::read_to_string(process.join("stat")).map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
}
