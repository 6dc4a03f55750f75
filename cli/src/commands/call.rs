//! `cofi call`.

use super::{connect, list};
use crate::{
    args::CallCommand,
    client::{CallQuery, Target},
    error::Error,
    exit::Exit,
    output::Console,
};

pub(super) async fn run(command: CallCommand, target: Target, console: Console) -> Result<Exit, Error> {
    let CallCommand::List(args) = command;
    let client = connect(target).await?;
    let query = CallQuery { batch_id: args.batch.batch_id, status: args.status, lid: args.lid };
    list(&client, query, args.list.limit(), console).await
}
