//! One session, from the hello to its end.

use std::{convert::Infallible, time::Duration};

use cofi_proto::{
    RecordingId,
    limits::{MAX_CONTROL_MESSAGE_BYTES, PROTOCOL},
    pb::{agent as pb, agent::agent_service_client::AgentServiceClient},
    session::{Group, Hello, Release, group},
};
use futures_util::future::BoxFuture;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::verify::Question;
use super::{Link, dial, dial::Dialled, error::LinkError, outbox, pulse, receive, removal, verify};

/// Messages that may wait to be sent. What is sent is drawn from the journal,
/// so that more would only be memory.
const UP: usize = 4;

/// How long the controller may take to answer a hello.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a session that is done waits for the controller to end it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

const SESSION: &str = "session";

/// The session was closed by this agent.
#[derive(Debug)]
pub(super) struct Closed;

/// What is answered beside the listening.
struct Beside {
    questions: mpsc::Sender<Question>,
    /// Recordings that the store was told to remove.
    removals: mpsc::Sender<Vec<RecordingId>>,
}

/// Dials, and holds a session until it is lost or closed.
pub(super) async fn hold(link: &Link, renewed: &mut BoxFuture<'static, ()>) -> Result<Closed, LinkError> {
    let dialled = tokio::select! {
        dialled = dial::control(link.route()) => dialled?,
        () = link.close.cancelled() => return Ok(Closed),
    };
    hold_on(link, &dialled, renewed).await.map_err(LinkError::on(&dialled))
}

async fn hold_on(
    link: &Link,
    dialled: &Dialled,
    renewed: &mut BoxFuture<'static, ()>,
) -> Result<Closed, LinkError> {
    let mut client = AgentServiceClient::new(dialled.channel.clone())
        .max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_CONTROL_MESSAGE_BYTES);
    let (up, messages) = mpsc::channel(UP);
    let mut hello = hello(link).await?;
    hello.local_address = dialled.local.map(|address| address.ip().to_string()).unwrap_or_default();
    send(&up, pb::from_agent::Message::Hello(hello)).await?;
    let opening = async {
        let opened = client.session(ReceiverStream::new(messages)).await;
        let mut down = opened.map_err(LinkError::status(SESSION))?.into_inner();
        let welcome = welcome(&mut down).await?;
        Ok::<_, LinkError>((down, welcome))
    };
    let (mut down, welcome) =
        timeout(OPEN_TIMEOUT, opening).await.map_err(|_| LinkError::Silent("the hello"))??;
    failpoint!(async WELCOMED => return Err(LinkError::Ended(SESSION)));
    if !welcome.database_id.is_empty() {
        link.holdings.belong_to(&welcome.database_id)?;
    }
    if welcome.inventory {
        tracing::info!("the controller asks for everything that is held");
        link.holdings.unrecorded().await?;
    }
    tracing::info!(controller = %link.config.controller, "session begun");
    link.sessions.send_modify(|count| *count += 1);

    let every = Duration::from_millis(welcome.heartbeat_interval_ms.into());
    let (questions, asked) = mpsc::channel(verify::QUESTIONS);
    let (removals, released) = mpsc::channel(removal::GROUPS);
    let beside = Beside { questions, removals };
    let lost = tokio::select! {
        () = renewed => Err(LinkError::Renewed),
        lost = falls_behind(link) => lost,
        lost = listen(link, &mut down, &beside) => lost,
        lost = verify::run(link, asked, &up) => lost,
        lost = removal::run(link, released, &up) => lost,
        lost = pulse::beat(link, every, &up) => lost,
        lost = outbox::run(link, &up) => lost,
        lost = receive::run(link, welcome.session_token) => lost,
        () = link.close.cancelled() => {
            drop(up);
            // The end of our side is an answer to nobody, but lets what was
            // sent last reach the controller.
            drop(timeout(CLOSE_TIMEOUT, listen(link, &mut down, &beside)).await);
            return Ok(Closed);
        }
    };
    match lost {
        Err(lost) => Err(lost),
    }
}

async fn hello(link: &Link) -> Result<pb::Hello, LinkError> {
    let config = &link.config;
    let (recorded, receipted) = link.holdings.receipts().await?;
    Ok(Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: config.name.clone(),
        storage_id: link.holdings.storage_id().to_owned(),
        advertise_address: config.advertise_address.clone().unwrap_or_default(),
        weight: config.weight,
        receive_connections: config.receive_connections,
        heartbeat: pulse::heartbeat(link).await?,
        database_id: link.holdings.database_id()?.unwrap_or_default(),
        recorded,
        receipted,
        verifies: true,
    }
    .into())
}

async fn welcome(down: &mut Streaming<pb::FromController>) -> Result<pb::Welcome, LinkError> {
    let first = down.message().await.map_err(LinkError::status(SESSION))?;
    match first.ok_or(LinkError::Ended(SESSION))?.message {
        Some(pb::from_controller::Message::Welcome(welcome)) => Ok(welcome),
        _ => Err(cofi_proto::Malformed::Missing("welcome").into()),
    }
}

/// Waits until something that the controller said could not be written down: it
/// says so again in another session.
async fn falls_behind(link: &Link) -> Result<Infallible, LinkError> {
    let mut behind = link.holdings.news().behind;
    behind.mark_unchanged();
    match behind.changed().await {
        Ok(()) => Err(LinkError::Behind),
        // The journal has ended, and with it the agent.
        Err(_) => std::future::pending().await,
    }
}

/// Takes what the controller says until the session ends.
async fn listen(
    link: &Link,
    down: &mut Streaming<pb::FromController>,
    beside: &Beside,
) -> Result<Infallible, LinkError> {
    loop {
        let message = down.message().await.map_err(LinkError::status(SESSION))?;
        take(link, message.ok_or(LinkError::Ended(SESSION))?, beside).await?;
    }
}

async fn take(link: &Link, message: pb::FromController, beside: &Beside) -> Result<(), LinkError> {
    use pb::from_controller::Message;

    // Answers are not waited for: what fails is offered, asked for or sent
    // again in a later session, and the journal says itself that it failed.
    match message.message {
        Some(Message::Recorded(recorded)) => {
            failpoint!(async RECORDED_HEARD => return Err(LinkError::Ended(SESSION)));
            let recordings: Vec<RecordingId> = group(recorded.recordings, Group::Other)?;
            link.holdings.recorded(recordings).await?;
        }
        Some(Message::ResultReceipts(receipts)) => {
            failpoint!(async RECEIPTS_HEARD => return Err(LinkError::Ended(SESSION)));
            let receipts = group(receipts.receipts, Group::Other)?;
            link.holdings.receipted(receipts).await?;
        }
        Some(Message::Identify(identify)) => {
            let recordings = group(identify.recordings, Group::Other)?;
            link.holdings.identify(recordings).await?;
        }
        Some(Message::Release(release)) => {
            let releases: Vec<Release> = group(release.recordings, Group::Other)?;
            if let Some(first) = releases.first() {
                tracing::info!(
                    count = releases.len(),
                    reason = first.reason,
                    "controller releases recordings"
                );
            }
            let recordings: Vec<RecordingId> =
                releases.into_iter().map(|release| release.recording).collect();
            link.holdings.release(recordings.clone()).await?;
            removal::note(&beside.removals, recordings);
        }
        Some(Message::Verify(asked)) => verify::ask(&beside.questions, Question::Verify(asked.try_into()?)),
        Some(Message::ListHeld(asked)) => {
            verify::ask(&beside.questions, Question::ListHeld(asked.try_into()?));
        }
        Some(Message::Welcome(_)) => {
            return Err(cofi_proto::Malformed::invalid("message", "a second welcome", "one welcome").into());
        }
        // Of a newer controller.
        None => {}
    }
    Ok(())
}

/// Hands a message to the session's stream.
pub(super) async fn send(
    up: &mpsc::Sender<pb::FromAgent>,
    message: pb::from_agent::Message,
) -> Result<(), LinkError> {
    up.send(pb::FromAgent { message: Some(message) }).await.map_err(|_| LinkError::Ended(SESSION))
}
