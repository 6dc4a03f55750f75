//! The `cofi` command line: what operators type.
//!
//! ```text
//! args ──> commands ──> client ──> a controller, also the one that `cofi run`
//!              │           │       brings along
//!              └─> output <┴─ view (what is shown, as JSON or tables)
//! ```

mod args;
mod client;
mod commands;
mod credentials;
mod error;
mod exit;
mod output;
mod view;

use std::process::ExitCode;

use cofi_agent::{config::LogFormat, telemetry};

pub use self::args::Cli;
use self::{
    args::{Command, Global},
    error::Error,
    exit::Exit,
    output::Console,
};

/// Carries out one command line, from the arguments to the exit code.
#[must_use]
pub fn main(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Run(args) => {
            let Global { json, timeout, .. } = cli.global;
            complete(commands::run(*args, timeout, Console::new(json)))
        }
        Command::Operate(operation) => {
            let console = Console::new(cli.global.json);
            complete(commands::ask(operation, cli.global, console))
        }
        Command::LidWorker(worker) => match telemetry::start("info", LogFormat::Text) {
            Ok(()) => return cofi_lid::worker::run(&worker),
            Err(error) => Err(Error::Log(error)),
        },
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            if !error.is_quiet() {
                output::report(&error);
            }
            error.exit().into()
        }
    }
}

fn complete(command: impl Future<Output = Result<Exit, Error>>) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(Box::pin(command))
}
