//! Agents that say nothing any more, or nothing that is understood.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cofi_proto::{
    limits::PROTOCOL,
    pb::agent::{self as wire, agent_service_client::AgentServiceClient},
};
use cofi_tests::{
    audit::audit,
    cluster::{Cluster, SOON},
    played,
    wait::until,
    worker::Behaviour,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

const RECORDINGS: usize = 400;

/// Pings notice a silent agent after 20 s, what it held is placed again 2 s
/// later, and the rest is work.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_falls_silent_is_done_without_and_its_late_words_do_no_harm() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.replace_after(2);
    let corpus = cluster.begin(2, RECORDINGS, 1).await?;
    for agent in &cluster.agents {
        agent.desk.tell(&Behaviour::Delay { millis: 20 })?;
    }
    let batch = cluster.submit(&corpus).await?;
    let tables = cluster.tables().await?;
    until("some to be identified", SOON, async || Ok((tables.identified(batch).await? > 20).then_some(())))
        .await?;
    // Its kernel goes on taking bytes, so that no connection is broken.
    cluster.agents[0].pause()?;
    let before = tables.identified(batch).await?;
    until("the other one to go on at once", SOON, async || {
        Ok((tables.identified(batch).await? > before + 20).then_some(()))
    })
    .await?;
    until("the other one to have everything", PATIENCE, async || {
        Ok((tables.identified(batch).await? == i64::try_from(RECORDINGS)?).then_some(()))
    })
    .await?;
    cluster.at_rest(batch).await?;
    cluster.agents[0].go_on()?;
    let journal = cluster.agents[0].journal().await?;
    until("it to have let go of what others hold", PATIENCE, async || {
        let listed = cluster.client()?.recordings(batch, cofi_proto::pb::v1::RecordingFilter::Stored).await?;
        let its_own = listed.iter().filter(|recording| recording.agent == "host-0").count();
        Ok((journal.held_count().await? == i64::try_from(its_own)?).then_some(()))
    })
    .await?;
    let tally = audit(&cluster, &corpus, batch).await?;
    ensure!(tally.identified == 400, "{tally:?}");
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_another_protocol_is_told_which_one_it_needs() -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.controller.start().await?;
    for protocol in [PROTOCOL - 1, PROTOCOL + 1] {
        let mut client = AgentServiceClient::new(played::join(&cluster.controller, "other").await?);
        let (up, messages) = mpsc::channel(1);
        let hello = wire::Hello {
            protocol,
            version: "0".to_owned(),
            name: "other".to_owned(),
            storage_id: "storage".to_owned(),
            advertise_address: "10.0.0.9".to_owned(),
            weight: 100,
            receive_connections: 1,
            heartbeat: Some(wire::Heartbeat {
                engine: Some(wire::Engine {
                    state: wire::EngineState::Starting.into(),
                    ..wire::Engine::default()
                }),
                ..wire::Heartbeat::default()
            }),
            ..wire::Hello::default()
        };
        up.send(wire::FromAgent { message: Some(wire::from_agent::Message::Hello(hello)) }).await?;
        let refused = client.session(ReceiverStream::new(messages)).await.err();
        let refused = refused.context("it was let in")?;
        ensure!(refused.code() == Code::FailedPrecondition, "{refused:?}");
        for words in [format!("protocol {PROTOCOL}"), protocol.to_string()] {
            ensure!(refused.message().contains(&words), "{words} is not in {refused:?}");
        }
    }
    cluster.stop().await
}
