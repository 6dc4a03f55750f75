//! What each command does: ask, show, and say how it ended.

mod agent;
mod batch;
mod call;
mod watch;

use crate::{
    args::{Cli, Command},
    client::{Client, ClientError, Query, Target},
    error::Error,
    exit::Exit,
    output::{Console, Row},
};

/// Carries out the command line.
pub(crate) async fn run(cli: Cli, console: Console) -> Result<Exit, Error> {
    let target = Target { url: cli.global.controller, timeout: cli.global.timeout };
    match cli.command {
        Command::Batch(command) => batch::run(command, target, console).await,
        Command::Call(command) => call::run(command, target, console).await,
        Command::Agent(command) => agent::run(command, target, console).await,
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
