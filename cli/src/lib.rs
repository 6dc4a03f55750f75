//! The `cofi` command line: what operators type.
//!
//! ```text
//! args ──> commands ──> client ──> a controller
//!              │           │
//!              └─> output <┴─ view (what is shown, as JSON or tables)
//! ```

mod args;
mod client;
mod commands;
mod error;
mod exit;
mod output;
mod view;

use std::process::ExitCode;

pub use self::args::Cli;
use self::{error::Error, exit::Exit, output::Console};

/// Carries out one command line, from the arguments to the exit code.
#[must_use]
pub fn main(cli: Cli) -> ExitCode {
    let console = Console::new(cli.global.json);
    match block_on(cli, console) {
        Ok(exit) => exit.into(),
        Err(error) => {
            if !error.is_quiet() {
                output::report(&error);
            }
            error.exit().into()
        }
    }
}

fn block_on(cli: Cli, console: Console) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(async {
        tokio::select! {
            exit = commands::run(cli, console) => exit,
            () = interrupt() => Err(Error::Interrupted),
        }
    })
}

/// Comes true with Ctrl-C. Where signals cannot be had, never: the system's
/// own way of ending the process is still there.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
