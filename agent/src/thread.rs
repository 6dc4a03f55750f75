//! Threads of the store, whose ends are seen.

use std::{pin::Pin, thread};

use anyhow::Context as _;
use tokio::sync::oneshot;

/// Answers when a thread has ended.
pub(crate) type End = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Runs `body` on a thread of its own; a panic of it is an error.
pub(crate) fn spawn(
    name: &'static str,
    body: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> std::io::Result<End> {
    let (ended, end) = oneshot::channel();
    let span = tracing::Span::current();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let outcome = span.in_scope(body);
        // Without a receiver the agent has ended already.
        drop(ended.send(outcome));
    })?;
    Ok(Box::pin(async move { end.await.unwrap_or_else(|_| anyhow::bail!("thread panicked")).context(name) }))
}
