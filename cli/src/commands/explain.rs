//! `cofi explain`.

use super::connect;
use crate::{
    args::{AgentName, BatchId, ExplainCommand, ExplainRecordingArgs},
    client::Target,
    error::Error,
    exit::Exit,
    output::Console,
};

pub(super) async fn run(command: ExplainCommand, target: Target, console: Console) -> Result<Exit, Error> {
    let client = connect(target).await?;
    match command {
        ExplainCommand::Batch(BatchId { batch_id }) => {
            console.batch_explained(&client.explain_batch(batch_id).await?)?;
        }
        ExplainCommand::Recording(ExplainRecordingArgs { batch, audio_name, ordinal }) => {
            let explained = client.explain_recording(batch.batch_id, ordinal, audio_name).await?;
            console.recording_explained(&explained)?;
        }
        ExplainCommand::Agent(AgentName { name }) => {
            console.agent_explained(&client.explain_agent(name).await?)?;
        }
    }
    Ok(Exit::Done)
}
