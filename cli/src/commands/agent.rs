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
    let agent = match command {
        AgentCommand::List(args) => return list(&client, AgentQuery, args.limit(), console).await,
        AgentCommand::Show(AgentName { name }) => client.get_agent(name).await?,
        AgentCommand::Drain(args) => {
            client.drain_agent(args.agent.name, args.deadline, args.reason.reason).await?
        }
        AgentCommand::Resume(AgentName { name }) => client.resume_agent(name).await?,
        AgentCommand::Revoke(args) => {
            let name = args.agent.name;
            let revoked = client.revoke_agent(name.clone(), args.reason.reason).await?;
            console.revoked_agent(&name, revoked)?;
            return Ok(Exit::Done);
        }
        AgentCommand::Remove(args) => client.remove_agent(args.agent.name, args.reason.reason).await?,
    };
    console.agent(&agent)?;
    Ok(Exit::Done)
}
