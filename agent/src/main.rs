//! `cofi-agent`: arguments, configuration, telemetry, run, exit status.

mod args;
mod command;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser as _;
use cofi_agent::{
    IdentityError,
    config::{ConfigError, LogFormat},
    telemetry,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A command line or a configuration that cannot be used: `EX_USAGE` of
/// sysexits.h.
const WRONG_CONFIG: u8 = 64;

/// A machine that has not joined, or whose identity cannot be used:
/// `EX_CONFIG` of sysexits.h.
const NO_IDENTITY: u8 = 78;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    if let Some(exit) = cofi_agent::failpoint::begin() {
        return exit;
    }
    let args = Args::parse();
    let outcome = match &args.command {
        Some(Command::LidWorker(worker)) => {
            telemetry::start("info", LogFormat::Text).map(|()| cofi_lid::worker::run(worker))
        }
        Some(Command::Join(join)) => command::join(join),
        None => command::serve(&args),
    };
    outcome.unwrap_or_else(|error| {
        if let Some(wrong) = error.downcast_ref::<ConfigError>() {
            eprintln!("cofi-agent: {wrong}");
            return ExitCode::from(WRONG_CONFIG);
        }
        eprintln!("cofi-agent: {error:#}");
        if error.is::<IdentityError>() { ExitCode::from(NO_IDENTITY) } else { ExitCode::FAILURE }
    })
}
