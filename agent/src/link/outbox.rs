//! What an agent tells without being asked: first what it holds, then its
//! results, drawn from the journal so that memory does not grow with them.

use std::convert::Infallible;

use cofi_proto::{
    limits::{MAX_CONTROL_MESSAGE_BYTES, MAX_GROUP, MAX_RESULT_GROUP},
    pb::agent as pb,
};
use prost::Message as _;
use tokio::sync::mpsc;

use super::{Link, error::LinkError, session::send};
use crate::OutboxRow;

/// Bytes of results in a message at most; what the message needs beside them
/// is far less than the difference.
const RESULT_BYTES: usize = MAX_CONTROL_MESSAGE_BYTES - 64 * 1024;

/// Sends until the session ends.
pub(super) async fn run(link: &Link, up: &mpsc::Sender<pb::FromAgent>) -> Result<Infallible, LinkError> {
    held(link, up).await?;
    let mut news = link.holdings.news().results;
    let mut cursor = 0;
    loop {
        news.mark_unchanged();
        let rows = link.holdings.outbox(cursor, MAX_RESULT_GROUP).await?;
        if rows.is_empty() {
            if news.changed().await.is_err() {
                // The journal has ended, and with it the agent.
                std::future::pending::<()>().await;
            }
            continue;
        }
        let (results, last) = group(rows, cursor);
        failpoint!(async RESULTS_READ => return Err(LinkError::Ended("session")));
        send(up, pb::from_agent::Message::Results(pb::ResultGroup { results })).await?;
        failpoint!(async RESULTS_SENT => return Err(LinkError::Ended("session")));
        cursor = last;
        link.sent.send_replace(cursor);
    }
}

async fn held(link: &Link, up: &mpsc::Sender<pb::FromAgent>) -> Result<(), LinkError> {
    let mut cursor = None;
    loop {
        let page = link.holdings.held(cursor, MAX_GROUP).await?;
        let last = page.len() < MAX_GROUP;
        cursor = page.last().map(|held| held.recording);
        let recordings = page.into_iter().map(Into::into).collect();
        send(up, pb::from_agent::Message::Held(pb::HeldPage { recordings, last })).await?;
        failpoint!(async PAGE_OFFERED => return Err(LinkError::Ended("session")));
        if last {
            return Ok(());
        }
    }
}

/// As many of these results as fit into a message, and the position after
/// which the next message goes on.
fn group(rows: Vec<OutboxRow>, cursor: i64) -> (Vec<pb::LidResult>, i64) {
    let (mut results, mut last, mut bytes) = (Vec::with_capacity(rows.len()), cursor, 0);
    for row in rows {
        let result = pb::LidResult::from(row.result);
        bytes += result.encoded_len();
        if bytes > RESULT_BYTES && !results.is_empty() {
            break;
        }
        last = row.position;
        results.push(result);
    }
    (results, last)
}
