//! What each command does: ask, show, and say how it ended.

mod agent;
mod batch;
mod call;
mod check;
mod explain;
mod run;
mod watch;

pub(crate) use self::run::RunError;
use crate::{
    args::{Global, Operation},
    client::{Client, ClientError, Query, Target},
    error::Error,
    exit::Exit,
    output::{Console, Row},
};

/// Carries out the command line. Ctrl-C ends it where it stands, except for
/// `cofi run`, which has something to finish.
pub(crate) async fn run(operation: Operation, global: Global, console: Console) -> Result<Exit, Error> {
    let target = Target { url: global.controller, timeout: global.timeout };
    match operation {
        Operation::Run(args) => run::run(*args, target.timeout, console).await,
        Operation::Batch(command) => or_interrupted(batch::run(command, target, console)).await,
        Operation::Call(command) => or_interrupted(call::run(command, target, console)).await,
        Operation::Check(args) => or_interrupted(check::run(args, target, console)).await,
        Operation::Explain(command) => or_interrupted(explain::run(command, target, console)).await,
        Operation::Agent(command) => or_interrupted(agent::run(command, target, console)).await,
    }
}

async fn or_interrupted(command: impl Future<Output = Result<Exit, Error>>) -> Result<Exit, Error> {
    tokio::select! {
        // The signal is listened for before anything is asked of anybody.
        biased;
        () = interrupt() => Err(Error::Interrupted),
        exit = command => exit,
    }
}

/// Comes true with Ctrl-C. Where signals cannot be had, never: the system's
/// own way of ending the process is still there.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Prints everything that `query` is about, or its first `limit`.
async fn list<Q>(client: &Client, query: Q, limit: Option<u64>, console: Console) -> Result<Exit, Error>
where
    Q: Query<Item: Row>,
{
    let mut listing = console.listing();
    let mut pages = client.pages(query, limit);
    while let Some(items) = pages.next().await? {
        listing.page(&items)?;
    }
    listing.end(pages.has_more())?;
    Ok(Exit::Done)
}

async fn connect(target: Target) -> Result<Client, ClientError> {
    Client::connect(target).await
}
