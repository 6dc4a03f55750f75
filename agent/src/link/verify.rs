//! Answering the invariant checker, one question at a time, beside everything
//! else that the session does.

use std::{
    collections::HashMap,
    convert::Infallible,
    time::{Duration, Instant},
};

use cofi_proto::{
    RecordingId,
    limits::MAX_GROUP,
    pb::agent as pb,
    verify::{HeldList, ListHeld, Verified, VerifiedState, Verify},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Link, error::LinkError, session::send};
use crate::Standing;

/// Questions that may wait: the checker asks one and waits for its answer. What
/// comes beyond that is dropped.
pub(super) const QUESTIONS: usize = 4;

/// Answers are sent at least so often, so that a slow disk is not taken for
/// silence.
const WORD: Duration = Duration::from_secs(2);

/// What the checker asks.
#[derive(Debug)]
pub(super) enum Question {
    Verify(Verify),
    ListHeld(ListHeld),
}

/// Hands a question to who answers them.
pub(super) fn ask(questions: &mpsc::Sender<Question>, question: Question) {
    if let Err(error) = questions.try_send(question) {
        tracing::debug!(%error, "a question of the checker is dropped");
    }
}

/// Answers until the session ends.
pub(super) async fn run(
    link: &Link,
    mut questions: mpsc::Receiver<Question>,
    up: &mpsc::Sender<pb::FromAgent>,
) -> Result<Infallible, LinkError> {
    let ended = CancellationToken::new();
    let _guard = ended.clone().drop_guard();
    while let Some(question) = questions.recv().await {
        match question {
            Question::Verify(verify) => look(link, verify, &ended, up).await?,
            Question::ListHeld(list) => list_held(link, &list, up).await?,
        }
    }
    // The session holds the other end until it ends.
    std::future::pending().await
}

async fn look(
    link: &Link,
    verify: Verify,
    ended: &CancellationToken,
    up: &mpsc::Sender<pb::FromAgent>,
) -> Result<(), LinkError> {
    let Verify { request, recordings, digests } = verify;
    let held = link.holdings.held_of(&recordings).await?;
    let mut held: HashMap<RecordingId, Standing> =
        held.into_iter().map(|held| (held.recording, held)).collect();
    let mut seen: Vec<pb::Verified> = Vec::new();
    let mut said = Instant::now();
    for recording in recordings {
        let state = match held.remove(&recording) {
            Some(standing) => link.holdings.inspect(standing, digests.then(|| ended.clone())).await?,
            None => VerifiedState::Absent,
        };
        seen.push(Verified { recording, state }.into());
        if said.elapsed() >= WORD {
            tell(request, std::mem::take(&mut seen), up).await?;
            said = Instant::now();
        }
    }
    tell(request, seen, up).await
}

async fn tell(
    request: u64,
    recordings: Vec<pb::Verified>,
    up: &mpsc::Sender<pb::FromAgent>,
) -> Result<(), LinkError> {
    if recordings.is_empty() {
        return Ok(());
    }
    let group = pb::VerifiedGroup { request, recordings };
    send(up, pb::from_agent::Message::Verified(group)).await
}

async fn list_held(link: &Link, asked: &ListHeld, up: &mpsc::Sender<pb::FromAgent>) -> Result<(), LinkError> {
    let recordings = link.holdings.everything(asked.after, MAX_GROUP).await?;
    let last = recordings.len() < MAX_GROUP;
    let unknown_files = if last { link.holdings.unknown_files().await? } else { 0 };
    let page = HeldList { request: asked.request, recordings, last, unknown_files };
    send(up, pb::from_agent::Message::HeldList(page.into())).await
}
