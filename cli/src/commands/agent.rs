//! `cofi agent`.

use super::{connect, list};
use crate::{
    args::{AgentCommand, AgentName},
    client::{AgentQuery, Target},
    error::Error,
    exit::Exit,
    output::Console,
};

pub(super) async fn run(command: AgentCommand, target: Target, console: Console) -> Result<Exit, Error> {
    let client = connect(target).await?;
    match command {
        AgentCommand::List(args) => list(&client, AgentQuery, args.limit(), console).await,
        AgentCommand::Show(AgentName { name }) => {
            console.agent(&client.get_agent(name).await?)?;
            Ok(Exit::Done)
        }
    }
}
