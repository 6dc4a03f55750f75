//! A controller whose connections take all files that it may open.

use std::{iter::repeat_with, time::Duration};

use cofi_proto::pb::v1::{ListAgentsRequest, fleet_service_client::FleetServiceClient};
use futures_util::future::join_all;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    frames::{Attacker, Raw},
    program::{Program, Working},
    scene::attackers,
};

/// Few, and far fewer than connections are allowed.
const FILES: u32 = 64;

async fn starved(program: &Program) {
    let before = program.measure();
    let mut agent = Working::begin(program, "gpu-01").await;
    let mut operator = FleetServiceClient::new(program.operator().await);
    operator.list_agents(ListAgentsRequest::default()).await.unwrap();
    let [_, viewer, _] = attackers(program).await;

    // By strangers.
    let silent = join_all(repeat_with(|| TcpStream::connect(program.control)).take(150)).await;
    for _ in 0..5 {
        sleep(Duration::from_millis(200)).await;
        operator.list_agents(ListAgentsRequest::default()).await.unwrap();
        agent.goes_on().await;
    }
    eprintln!("strangers: {:?}", program.measure());
    eprintln!("an operator was answered in {:?}", program.answers().await);
    drop(silent);
    sleep(Duration::from_millis(500)).await;
    eprintln!("an operator was answered in {:?}", program.answers().await);

    // By somebody who may look.
    let held = join_all(repeat_with(|| calls_on(&viewer)).take(60)).await;
    eprintln!("viewer: {:?}", program.measure());
    for _ in 0..5 {
        sleep(Duration::from_millis(100)).await;
        operator.list_agents(ListAgentsRequest::default()).await.unwrap();
        agent.goes_on().await;
        eprintln!("an operator was answered in {:?}", program.answers().await);
    }
    drop(held);
    agent.goes_on().await;
    operator.list_agents(ListAgentsRequest::default()).await.unwrap();
    drop((agent, operator));
    program.recovers(before).await;
}

async fn calls_on(viewer: &Attacker) -> Option<Raw> {
    let asking = async {
        let raw = Raw::try_open(viewer, &[]).await.ok()?;
        raw.ask(1, viewer, b"").await;
        Some(raw)
    };
    timeout(Duration::from_secs(3), asking).await.ok().flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_files_left_serves_those_who_are_there_and_takes_others_soon() {
    let program = Program::start_with(&["--max-connections", "400"], Some(FILES)).await;
    starved(&program).await;
    let log = program.log();
    let told: Vec<&str> = log.lines().filter(|line| !line.contains("INFO")).collect();
    assert!(matches!(told[..], [warning] if warning.contains("cannot accept connections")), "{told:?}");
}
