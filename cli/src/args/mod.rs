//! The command line.

mod access;
mod batch;
mod run;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use cofi_lid::worker::WorkerArgs;
use jiff::SignedDuration;

pub(crate) use self::{
    access::{AuditCommand, TokenCommand, TokenCreateArgs},
    batch::{BatchCommand, RecordingsArgs, ReleaseArgs, RetryArgs, SubmitArgs, WatchArgs},
    run::RunArgs,
};
use crate::{
    client::{Address, LidFilter},
    exit::EXIT_CODES,
};

/// Places batches of call recordings on GPU machines, has their language
/// identified there, and keeps the record of every step.
#[derive(Debug, Parser)]
#[command(name = "cofi", version, after_help = EXIT_CODES, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Address of the controller (`cofi run` brings its own)
    #[arg(
        long,
        global = true,
        env = "COFI_CONTROL",
        value_name = "URL",
        default_value = "https://127.0.0.1:7400"
    )]
    pub(crate) controller: Address,

    /// PEM file with the authorities whose controllers are trusted [default:
    /// identity/ca.pem in the state directory]
    #[arg(long, global = true, env = "COFI_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// File with the token that lets this program in, readable for its owner
    /// alone, or "-" for standard input [default: identity/operator.token in
    /// the state directory]
    #[arg(long, global = true, env = "COFI_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// State directory of a controller on this machine, where authorities and
    /// token are found
    #[arg(
        long,
        global = true,
        env = "COFI_STATE_DIR",
        value_name = "DIR",
        default_value = "cofi-controller-data"
    )]
    pub(crate) state_dir: PathBuf,

    /// Print for programs: one JSON document, or one JSON object a line where
    /// the command says so
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Give up on a call that brings no answer in this time, for example
    /// "10s" or "2m" [default: 30s; none for planning a batch]
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunArgs>),
    #[command(flatten)]
    Operate(Operation),
    /// The built-in engine, as the agent within `cofi run` starts it
    #[command(hide = true)]
    LidWorker(WorkerArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operation {
    /// Start batches, follow them, try them again
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Look at the calls that later stages work on
    #[command(subcommand)]
    Call(CallCommand),
    /// Look at the machines that recordings are placed on
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Make, list and revoke tokens: for machines that join, and for calls
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look at what was done by whom, and what was refused
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Say why something waits or failed, and what would get it going
    #[command(subcommand)]
    Explain(ExplainCommand),
    /// Look whether the record is right: every row, and every file on agents
    ///
    /// Nothing is changed, and batches may run meanwhile. Exits with 1 if
    /// something is wrong. With --json: {"finding": {...}} a line, and
    /// {"summary": {...}} at the end.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only these batches, by number [default: all]
    #[arg(value_name = "BATCH")]
    pub(crate) batch_ids: Vec<i64>,

    /// Have the agents read their files again and compare the content
    #[arg(long)]
    pub(crate) digests: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BatchId {
    /// Number of the batch
    #[arg(value_name = "BATCH")]
    pub(crate) batch_id: i64,
}

#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// While watching: how long the controller may be away
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub(crate) give_up_after: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Show at most so many [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroU64>,
}

impl ListArgs {
    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit.map(NonZeroU64::get)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum CallCommand {
    /// List the calls of a batch by id
    List(CallListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CallListArgs {
    #[command(flatten)]
    pub(crate) batch: BatchId,

    /// Only calls of this status, for example "Pending"
    #[arg(long)]
    pub(crate) status: Option<String>,

    /// Only calls whose language is known, or is not; a call without one has
    /// duration 0 and looks like a short call
    #[arg(long, default_value = "any")]
    pub(crate) lid: LidFilter,

    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// List the agents by name
    List(ListArgs),
    /// Show one agent
    Show(AgentName),
    /// Let an agent finish what it has, and give it nothing new
    Drain(DrainArgs),
    /// Let an agent take work again that was drained, removed or quarantined
    Resume(AgentName),
    /// Give an agent up: what it holds is placed again on others
    Remove(RemoveArgs),
    /// Revoke an agent's certificates: it is shut out until it joins anew
    ///
    /// What it holds is placed again when it has been away for long enough, or
    /// at once with `cofi agent remove`.
    Revoke(RemoveArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExplainCommand {
    /// Why a batch is not done
    Batch(BatchId),
    /// Why a recording is not done, and what happened to it
    Recording(ExplainRecordingArgs),
    /// Why an agent gets nothing, and what was decided about it
    Agent(AgentName),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainRecordingArgs {
    #[command(flatten)]
    pub(crate) batch: BatchId,

    /// Name of the recording
    #[arg(value_name = "NAME", required_unless_present = "ordinal")]
    pub(crate) audio_name: Option<String>,

    /// Its place in the manifest, instead of its name
    #[arg(long, value_name = "N", conflicts_with = "audio_name")]
    pub(crate) ordinal: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    #[command(flatten)]
    pub(crate) agent: AgentName,

    /// After this time, what is not identified is placed again on other agents
    /// [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,

    #[command(flatten)]
    pub(crate) reason: Reason,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) agent: AgentName,

    #[command(flatten)]
    pub(crate) reason: Reason,
}

#[derive(Debug, Args)]
pub(crate) struct Reason {
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct AgentName {
    /// Name of the agent
    pub(crate) name: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(Duration::from_secs).ok();
    let written = || text.parse::<SignedDuration>().ok()?.try_into().ok();
    match seconds.or_else(written) {
        Some(Duration::ZERO) => Err("must be more than nothing".to_owned()),
        Some(duration) => Ok(duration),
        None => Err("expected a time like 30s, 5m or 1h".to_owned()),
    }
}

/// A time that may be given in days.
fn age(text: &str) -> Result<Duration, String> {
    const DAY: u64 = 24 * 3_600;
    let days = text.strip_suffix('d').and_then(|days| days.trim_end().parse::<u32>().ok());
    match days {
        Some(days) if days > 0 => Ok(Duration::from_secs(u64::from(days) * DAY)),
        Some(_) => Err("must be more than nothing".to_owned()),
        None => duration(text).map_err(|_| "expected a time like 30d, 12h or 90m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_with_and_without_a_unit() {
        for (text, seconds) in [("30", 30), ("30s", 30), ("5m", 300), ("1h 30m", 5_400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "soon", "-3s", "0", "0s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_are_read_in_days_as_well() {
        for (text, hours) in [("30d", 720), ("1 d", 24), ("12h", 12), ("90m", 1)] {
            assert_eq!(age(text).map(|age| age.as_secs() / 3_600), Ok(hours), "{text}");
        }
        for wrong in ["", "d", "0d", "-1d", "1w"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn candidates_are_written_with_commas() {
        let cli = Cli::parse_from(["cofi", "run", "calls", "--candidates", "en,hi"]);
        let Command::Run(args) = cli.command else { panic!("not a run: {cli:?}") };
        assert_eq!(args.candidates, ["en", "hi"]);
        assert_eq!(args.data_dir, PathBuf::from("cofi-data"));
    }
}
