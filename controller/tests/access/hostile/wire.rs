//! What an agent says and hears, message by message.

use std::time::Duration;

use bytes::Bytes;
use cofi_proto::pb::agent::{
    self as pb, agent_service_client::AgentServiceClient, from_agent, from_controller, from_receiver,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use crate::{
    attacks::{hello, program::Program},
    house::dial,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A machine that has joined.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) channel: Channel,
}

impl Machine {
    pub(super) async fn join(program: &Program, name: &str) -> Self {
        let channel = dial(program.agents, program.agent_tls(name).await).await.unwrap();
        Self { name: name.to_owned(), channel }
    }

    pub(super) fn calls(&self) -> AgentServiceClient<Channel> {
        AgentServiceClient::new(self.channel.clone())
    }

    /// Begins a session that says it is `name`.
    pub(super) async fn begin_as(&self, hello: pb::Hello) -> Result<Session, Status> {
        let (up, messages) = mpsc::channel(64);
        up.send(pb::FromAgent { message: Some(from_agent::Message::Hello(hello)) }).await.unwrap();
        let mut down = self.calls().session(ReceiverStream::new(messages)).await?.into_inner();
        let Some(from_controller::Message::Welcome(welcome)) = next(&mut down).await else {
            return Err(Status::aborted("another session of the machine has begun"));
        };
        Ok(Session { up, down, token: welcome.session_token })
    }

    pub(super) async fn begin(&self) -> Session {
        self.begin_as(hello(&self.name)).await.unwrap()
    }

    /// Opens a stream to receive on.
    pub(super) async fn lane(&self, token: &Bytes) -> Result<Lane, Status> {
        let (up, messages) = mpsc::channel(64);
        let open = pb::OpenReceiver { session_token: token.to_vec().into() };
        up.send(pb::FromReceiver { message: Some(from_receiver::Message::Open(open)) }).await.unwrap();
        let pieces = self.calls().receive(ReceiverStream::new(messages)).await?.into_inner();
        Ok(Lane { up, pieces })
    }
}

async fn next(down: &mut Streaming<pb::FromController>) -> Option<from_controller::Message> {
    timeout(PATIENCE, down.message()).await.expect("nothing is heard").ok().flatten()?.message
}

pub(super) struct Session {
    pub(super) up: mpsc::Sender<pb::FromAgent>,
    pub(super) down: Streaming<pb::FromController>,
    pub(super) token: Bytes,
}

impl Session {
    /// Says something; false if it is heard no more.
    pub(super) async fn say(&self, message: from_agent::Message) -> bool {
        self.up.send(pb::FromAgent { message: Some(message) }).await.is_ok()
    }

    /// What is heard next; none if the session has ended.
    pub(super) async fn hears(&mut self) -> Option<from_controller::Message> {
        next(&mut self.down).await
    }

    /// Everything that it holds, on one page.
    pub(super) async fn holds(&self, recordings: Vec<pb::Held>) -> bool {
        self.say(from_agent::Message::Held(pb::HeldPage { recordings, last: true })).await
    }
}

pub(super) struct Lane {
    pub(super) up: mpsc::Sender<pb::FromReceiver>,
    pub(super) pieces: Streaming<pb::Piece>,
}

impl Lane {
    pub(super) async fn report(&self, reports: Vec<pb::DeliveryReport>) -> bool {
        let message = Some(from_receiver::Message::Reports(pb::DeliveryReports { reports }));
        self.up.send(pb::FromReceiver { message }).await.is_ok()
    }
}

pub(super) fn stored(delivery: pb::DeliveryId, size_bytes: u64, digest: &[u8]) -> pb::DeliveryReport {
    let stored = pb::Acknowledgement { size_bytes, digest: digest.to_vec().into() };
    pb::DeliveryReport {
        delivery: Some(delivery),
        outcome: Some(pb::delivery_report::Outcome::Acknowledgement(stored)),
    }
}

pub(super) fn refused(delivery: pb::DeliveryId, code: pb::RefusalCode) -> pb::DeliveryReport {
    let refusal = pb::Refusal { code: code.into(), reason: "a lie".to_owned() };
    pb::DeliveryReport {
        delivery: Some(delivery),
        outcome: Some(pb::delivery_report::Outcome::Refusal(refusal)),
    }
}

pub(super) fn identified(
    recording: pb::RecordingId,
    round: i32,
    language: &str,
    digest: &[u8],
) -> pb::LidResult {
    let identified = pb::Identified {
        language: language.to_owned(),
        duration_seconds: 1.0,
        processing_seconds: 0.1,
        ..pb::Identified::default()
    };
    pb::LidResult {
        recording: Some(recording),
        round,
        digest: digest.to_vec().into(),
        outcome: Some(pb::lid_result::Outcome::Identified(identified)),
    }
}
