//! `cofi-agent`: arguments, configuration, telemetry, run, exit status.

mod args;

use std::process::ExitCode;

use anyhow::Context as _;
use args::{Args, Command};
use clap::Parser as _;
use cofi_agent::{Config, IdentityError, Stop, config::LogFormat, telemetry};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A configuration that cannot be used: `EX_USAGE` of sysexits.h.
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
        None => match args.load() {
            Ok(config) if args.check_config => args::print(&config),
            Ok(config) => serve(config),
            Err(error) => {
                eprintln!("cofi-agent: {error}");
                return ExitCode::from(WRONG_CONFIG);
            }
        },
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("cofi-agent: {error:#}");
        if error.is::<IdentityError>() { ExitCode::from(NO_IDENTITY) } else { ExitCode::FAILURE }
    })
}

fn serve(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::start(&config.log, config.log_format)?;
    cofi_lid::worker::forbid_dumps().context("forbid core files")?;
    let program = std::env::current_exe().context("find the path of this program")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let stop = Stop::new();
        tokio::select! {
            ended = cofi_agent::run(config, program, stop.clone()) => ended,
            signals = stop.on_signals() => signals.context("listen for signals"),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
