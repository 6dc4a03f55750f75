//! What each command does: ask, show, and say how it ended.

mod agent;
mod audit;
mod batch;
mod call;
mod check;
mod explain;
mod run;
mod token;
mod watch;

pub(crate) use self::run::{RunError, run};
use crate::{
    args::{Global, Operation},
    client::{Client, ClientError, Query, Target},
    credentials::Places,
    error::Error,
    exit::Exit,
    output::{Console, Row},
};

/// Asks a controller. Ctrl-C ends that where it stands.
pub(crate) async fn ask(operation: Operation, global: Global, console: Console) -> Result<Exit, Error> {
    let Global { controller, ca, token_file, state_dir, json: _, timeout } = global;
    // Before signals are listened for: Ctrl-C ends a wait for a pipe.
    let credentials = Places { trust: ca, token: token_file, state_dir }.find()?;
    let target = Target::new(controller, timeout, credentials)?;
    or_interrupted(operate(operation, target, console)).await
}

async fn operate(operation: Operation, target: Target, console: Console) -> Result<Exit, Error> {
    match operation {
        Operation::Batch(command) => batch::run(command, target, console).await,
        Operation::Call(command) => call::run(command, target, console).await,
        Operation::Check(args) => check::run(args, target, console).await,
        Operation::Explain(command) => explain::run(command, target, console).await,
        Operation::Agent(command) => agent::run(command, target, console).await,
        Operation::Token(command) => token::run(command, target, console).await,
        Operation::Audit(command) => audit::run(command, target, console).await,
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
