//! `cofi-controller`: arguments, telemetry, configuration, run, exit code.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use cofi_controller::{
    authority::change_authority,
    chain::error_chain,
    config::{Arguments, Command, Config, ConfigError},
    dumps::forbid_dumps,
    migrate::run_migration,
    run::{Listeners, run},
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const WRONG_CONFIGURATION: u8 = 64;
const FAILED: u8 = 70;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    if let Some(exit) = cofi_controller::failpoint::begin() {
        return exit;
    }
    let arguments = Arguments::parse();
    if let Err(error) = forbid_dumps() {
        eprintln!("cofi-controller: forbid core files: {error}");
        return ExitCode::from(FAILED);
    }
    match configure(&arguments) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(config)) => match arguments.command {
            None => serve(config),
            Some(Command::Migrate { dry_run, no_add_indexes }) => migrate(&config, dry_run, !no_add_indexes),
            Some(Command::Authority(step)) => done(change_authority(&config, step)),
        },
        Err(error) => {
            eprintln!("cofi-controller: {error}");
            ExitCode::from(WRONG_CONFIGURATION)
        }
    }
}

/// The configuration to run with; none if it was only to be shown.
fn configure(arguments: &Arguments) -> Result<Option<Config>, ConfigError> {
    let config = Config::try_from(arguments.effective()?)?;
    if arguments.check_config {
        show(&config)?;
        return Ok(None);
    }
    telemetry::init(&config.log, config.log_format)?;
    Ok(Some(config))
}

/// The effective configuration, as a file would have it. Nobody listening is no
/// error.
fn show(config: &Config) -> Result<(), ConfigError> {
    std::io::stdout().write_all(config.to_toml()?.as_bytes()).ok();
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn migrate(config: &Config, dry_run: bool, add_indexes: bool) -> ExitCode {
    done(run_migration(config, dry_run, add_indexes).await)
}

fn done(outcome: Result<(), impl std::error::Error + 'static>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofi-controller: {}", error_chain(&error));
            ExitCode::from(FAILED)
        }
    }
}

#[tokio::main]
async fn serve(config: Config) -> ExitCode {
    let stop = CancellationToken::new();
    let outcome = async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let listeners = Listeners::bind(&config).await?;
        let running = run(config, listeners, stop.clone());
        tokio::pin!(running);
        tokio::select! {
            outcome = &mut running => return outcome,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
        running.await
    };
    match outcome.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(FAILED)
        }
    }
}
