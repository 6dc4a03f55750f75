//! The receive streams of a session: recordings down, reports up.

use std::convert::Infallible;

use bytes::Bytes;
use cofi_proto::{
    limits::{MAX_CONTROL_MESSAGE_BYTES, MAX_PIECE_MESSAGE_BYTES, MAX_REPORT_GROUP},
    pb::{agent as pb, agent::agent_service_client::AgentServiceClient},
    receive::{DeliveryReport, Piece},
};
use futures_util::stream;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Link, dial, dial::Dialled, error::LinkError, session::OPEN_TIMEOUT};

const RECEIVE: &str = "receive";

/// Runs all streams until one of them ends, and with it the session.
pub(super) async fn run(link: &Link, session_token: Bytes) -> Result<Infallible, LinkError> {
    let mut streams = JoinSet::new();
    for index in 0..link.config.receive_connections {
        let span = tracing::info_span!("receive", stream = index);
        streams.spawn(receive(link.clone(), session_token.clone()).instrument(span));
    }
    match streams.join_next().await {
        Some(ended) => ended?,
        None => Err(LinkError::Ended(RECEIVE)),
    }
}

async fn receive(link: Link, session_token: Bytes) -> Result<Infallible, LinkError> {
    let dialled = dial::bulk(link.route()).await?;
    receive_on(&link, &dialled, session_token).await.map_err(LinkError::on(&dialled))
}

async fn receive_on(link: &Link, dialled: &Dialled, session_token: Bytes) -> Result<Infallible, LinkError> {
    let mut client = AgentServiceClient::new(dialled.channel.clone())
        .max_decoding_message_size(MAX_PIECE_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_CONTROL_MESSAGE_BYTES);
    let (stream, reports) = link.holdings.stream().await?;
    let over = CancellationToken::new();
    let _guard = over.clone().drop_guard();
    let opening = client.receive(messages(session_token, reports, over));
    let opened = timeout(OPEN_TIMEOUT, opening).await.map_err(|_| LinkError::Silent("a receive stream"))?;
    let mut pieces = opened.map_err(LinkError::status(RECEIVE))?.into_inner();
    loop {
        let piece = tokio::select! {
            piece = pieces.message() => piece.map_err(LinkError::status(RECEIVE))?,
            // Nothing new is begun; reports on what came in before still go up.
            () = link.stop.draining() => std::future::pending().await,
        };
        let piece = Piece::try_from(piece.ok_or(LinkError::Ended(RECEIVE))?)?;
        link.holdings.put(stream, piece).await?;
    }
}

/// What goes up: the token, then reports in groups of those that wait. The
/// connection owns this: unless it ends with the stream's task, store and
/// connection keep each other alive.
fn messages(
    session_token: Bytes,
    reports: mpsc::Receiver<DeliveryReport>,
    over: CancellationToken,
) -> impl Stream<Item = pb::FromReceiver> + Send + 'static {
    let open = pb::from_receiver::Message::Open(pb::OpenReceiver { session_token });
    let groups = stream::unfold((reports, over), async |(mut reports, over)| {
        let mut group = Vec::new();
        tokio::select! {
            _ = reports.recv_many(&mut group, MAX_REPORT_GROUP) => {}
            () = over.cancelled() => return None,
        }
        if group.is_empty() {
            return None;
        }
        failpoint!(async ACKNOWLEDGEMENTS_READY => return None);
        let group = pb::DeliveryReports { reports: group.into_iter().map(Into::into).collect() };
        Some((pb::from_receiver::Message::Reports(group), (reports, over)))
    });
    tokio_stream::once(open).chain(groups).map(|message| pb::FromReceiver { message: Some(message) })
}
