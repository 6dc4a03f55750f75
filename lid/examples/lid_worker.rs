//! The worker by itself, for measuring it and for talking to it by hand:
//!
//! ```sh
//! echo '{"id":"1","path":"/calls/a.wav"}' | cargo run --release -p cofi-lid --example lid_worker -- --model models
//! ```

use std::process::ExitCode;

use clap::Parser;
use cofi_lid::worker::{self, WorkerArgs};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    worker: WorkerArgs,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    worker::run(&Arguments::parse().worker)
}
