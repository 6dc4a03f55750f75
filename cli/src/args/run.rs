//! The command line of `cofi run`.

use std::{num::NonZeroU32, path::PathBuf};

use clap::Args;

use crate::exit::EXIT_CODES;

/// Identify every recording in a folder, on this machine
///
/// Runs a controller and an agent in this process, with a database in the data
/// folder that stays. Run again, it finishes what was left and takes the files
/// that are new or changed. With --json: one JSON object a line, snapshots as
/// {"batch": {...}}, then each recording as {"recording": {...}}, and at the
/// end {"summary": {...}}.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RunArgs {
    /// Folder with the recordings, subfolders included
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// Where the database, the copies of the recordings and the log are kept;
    /// not below DIR
    #[arg(long, value_name = "DIR", default_value = "cofi-data")]
    pub(crate) data_dir: PathBuf,

    /// Folder with the model of the built-in engine
    #[arg(long, value_name = "DIR", env = "COFI_MODEL", default_value = "models")]
    pub(crate) model: PathBuf,

    /// Another engine: a program and its arguments, in shell words, that
    /// speaks the worker protocol
    #[arg(long, value_name = "COMMAND", value_parser = engine_command)]
    pub(crate) engine_command: Option<EngineCommand>,

    /// Worker processes of the engine [default: 1 on a GPU, else half of the
    /// cores]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroU32>,

    /// Languages to choose from, for example "en,hi" [default: any]
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) candidates: Vec<String>,

    /// Probability below which the built-in engine answers "und"
    #[arg(long, value_name = "P", value_parser = probability, conflicts_with = "engine_command")]
    pub(crate) floor: Option<f64>,

    /// Try again the recordings of this folder that failed before
    #[arg(long)]
    pub(crate) retry: bool,
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineCommand {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

fn engine_command(text: &str) -> Result<EngineCommand, String> {
    let mut words = shlex::split(text).ok_or("quotes are not balanced")?.into_iter();
    let program = words.next().ok_or("expected a program and its arguments")?.into();
    Ok(EngineCommand { program, arguments: words.collect() })
}

fn probability(text: &str) -> Result<f64, String> {
    let probability = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    probability.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_command_is_read_like_a_shell_reads_it() {
        let command = engine_command("python3 'my worker.py' --table a\\ b").unwrap();
        assert_eq!(command.program, PathBuf::from("python3"));
        assert_eq!(command.arguments, ["my worker.py", "--table", "a b"]);
        assert!(engine_command("  ").is_err());
        assert!(engine_command("python3 'oops").is_err());
    }

    #[test]
    fn a_floor_is_a_probability() {
        assert_eq!(probability("0.35"), Ok(0.35));
        for wrong in ["-0.1", "1.5", "NaN", "half"] {
            assert!(probability(wrong).is_err(), "{wrong}");
        }
    }
}
