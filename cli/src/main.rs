//! The binary `cofi`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cofi_cli::main(cofi_cli::Cli::parse())
}
