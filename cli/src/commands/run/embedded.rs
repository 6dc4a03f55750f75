//! The controller and the agent of `cofi run`, as tasks of this process. They
//! meet on loopback like any others, on ports that nobody else uses.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use cofi_agent::config::{EngineConfig, EngineProgram};
use cofi_controller::run::Listeners;
use cofi_proto::AgentName;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{RunError, Signals, door::Door, error::Cause, folders::Folders, joining::join};
use crate::args::RunArgs;

/// What the agent is called in the record. It is the only one.
const AGENT: &str = "local";

/// One task and how it ended.
type Part = JoinSet<anyhow::Result<()>>;

/// A controller and an agent that serve this process.
#[derive(Debug)]
pub(super) struct Embedded {
    door: Door,
    controller: Part,
    stop_controller: CancellationToken,
    agent: Part,
    stop_agent: cofi_agent::Stop,
}

impl Embedded {
    /// Starts both; `call_timeout` is for calls on the controller.
    pub(super) async fn start(
        args: &RunArgs,
        folders: &Folders,
        call_timeout: Option<Duration>,
    ) -> Result<Self, RunError> {
        let program = std::env::current_exe().map_err(RunError::OwnProgram)?;
        let listeners = Listeners { control: listen().await?, agent: listen().await? };
        let control = listeners.control.local_addr().map_err(RunError::Listen)?;
        let for_agents = listeners.agent.local_addr().map_err(RunError::Listen)?;
        let controller_config = controller_config(folders, control, for_agents)?;
        let agent_config = agent_config(args, folders, for_agents)?;
        let door = Door { control, state_dir: folders.data().to_owned(), timeout: call_timeout };

        let (stop_controller, stop_agent) = (CancellationToken::new(), cofi_agent::Stop::new());
        let mut controller = Part::new();
        controller.spawn(cofi_controller::run::run(controller_config, listeners, stop_controller.clone()));
        let mut agent = Part::new();
        agent.spawn(run_agent(door.clone(), agent_config, program, stop_agent.clone()));
        Ok(Self { door, controller, stop_controller, agent, stop_agent })
    }

    /// How a client gets to the controller.
    pub(super) fn door(&self) -> Door {
        self.door.clone()
    }

    /// Comes true when one of the two ends although nobody asked it to.
    pub(super) async fn failed(&mut self) -> RunError {
        tokio::select! {
            cause = ended(&mut self.controller) => RunError::Controller(cause),
            cause = ended(&mut self.agent) => RunError::Agent(cause),
        }
    }

    /// Ends both in order, the agent first, so that it can hand over what it
    /// has; at once with the next signal.
    pub(super) async fn end(mut self, signals: &mut Signals) {
        self.stop_agent.drain();
        tokio::select! {
            () = gone(&mut self.agent) => {}
            () = signals.next() => self.stop_agent.stop(),
        }
        self.stop_controller.cancel();
        tokio::select! {
            () = async { tokio::join!(gone(&mut self.agent), gone(&mut self.controller)); } => {}
            () = signals.next() => {}
        }
    }
}

/// An agent, which first joins unless it has done so.
async fn run_agent(
    door: Door,
    config: cofi_agent::Config,
    program: PathBuf,
    stop: cofi_agent::Stop,
) -> anyhow::Result<()> {
    tokio::select! {
        joined = join(&door, config.data_dir.clone(), config.name.clone()) => joined?,
        () = stop.draining() => return Ok(()),
    }
    cofi_agent::run(config, program, stop).await
}

async fn ended(part: &mut Part) -> Cause {
    match part.join_next().await {
        Some(Ok(Err(error))) => error.into(),
        Some(Ok(Ok(()))) => Cause::from("it ended by itself"),
        Some(Err(panic)) => Cause::from(panic),
        // It is gone, and was told of when it went.
        None => std::future::pending().await,
    }
}

async fn gone(part: &mut Part) {
    while part.join_next().await.is_some() {}
}

async fn listen() -> Result<TcpListener, RunError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(RunError::Listen)
}

fn controller_config(
    folders: &Folders,
    control: SocketAddr,
    for_agents: SocketAddr,
) -> Result<cofi_controller::config::Config, RunError> {
    let keys = cofi_controller::config::Keys {
        state_dir: Some(folders.data().to_owned()),
        database_url: Some(format!("sqlite:{}", folders.database().display())),
        control_listen: Some(control.to_string()),
        agent_listen: Some(for_agents.to_string()),
        ..Default::default()
    };
    keys.try_into().map_err(|error| RunError::Controller(Cause::from(error)))
}

fn agent_config(
    args: &RunArgs,
    folders: &Folders,
    controller: SocketAddr,
) -> Result<cofi_agent::Config, RunError> {
    let name = AgentName::try_from(AGENT.to_owned()).map_err(|error| RunError::Agent(Cause::from(error)))?;
    let config = cofi_agent::Config::new(name, folders.data().join("agent"));
    let engine = EngineConfig { program: engine(args)?, workers: args.workers, ..config.engine.clone() };
    Ok(cofi_agent::Config { controller: controller.into(), engine, ..config })
}

fn engine(args: &RunArgs) -> Result<EngineProgram, RunError> {
    if let Some(command) = &args.engine_command {
        let (program, arguments) = (command.program.clone(), command.arguments.clone());
        return Ok(EngineProgram::Command { program, arguments });
    }
    if !args.model.join("lid.onnx").is_file() {
        return Err(RunError::NoModel { path: args.model.clone() });
    }
    Ok(EngineProgram::Builtin { model: args.model.clone(), onnxruntime_lib: None, floor: args.floor })
}
