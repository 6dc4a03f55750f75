//! The command line of `cofi batch`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::{BatchId, ListArgs, Patience, Reason, age};
use crate::{client::RecordingFilter, exit::EXIT_CODES};

#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Plan a batch from a folder on the controller's machine
    ///
    /// The batch exists whole or not at all: if any file is in the way, every
    /// offender is listed, nothing is planned, and the exit code is 1.
    Submit(SubmitArgs),
    /// List the batches, newest first, also those of an earlier service
    List(ListArgs),
    /// Show one batch
    Show(BatchId),
    /// Follow a batch until nothing is left to do
    ///
    /// Comes back by itself when the controller is restarted. With --json:
    /// one snapshot a line, as {"batch": {...}}, at most one a second.
    #[command(after_help = EXIT_CODES)]
    Watch(WatchArgs),
    /// List the recordings of a batch in the order of its manifest
    Recordings(RecordingsArgs),
    /// Try the failed recordings of a batch again
    Retry(RetryArgs),
    /// Cancel what has not been placed yet; what is stored stays
    Cancel(BatchId),
    /// Let agents remove recordings that nobody needs there any more
    ///
    /// Those that are identified, or could not be, and whose call later stages
    /// are done with: its status is `Complete`, `UnsupportedLanguage` or
    /// `ShortCall`. What the tables say of them stays.
    /// Agents that are away remove theirs when they return. Doing it again goes
    /// on where it was cut off.
    Release(ReleaseArgs),
    /// Bring the calls of a batch in line with the table lidStatus
    ///
    /// Also for batches that an earlier service wrote. Of each recording the
    /// newest row of lidStatus counts. Doing it again changes nothing.
    ApplyLid(BatchId),
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// Folder with the recordings, subfolders included; a relative path is
    /// taken from the current folder
    pub(crate) source: PathBuf,

    /// Date of the batch [default: today]
    #[arg(long, value_name = "DD-MM-YYYY", default_value = "", hide_default_value = true)]
    pub(crate) batch_date: String,

    /// Id of the process that the calls belong to
    #[arg(long, value_name = "ID", default_value_t = 1)]
    pub(crate) process: i64,

    /// Id of the category mapping of the calls
    #[arg(long, value_name = "ID", default_value_t = 1)]
    pub(crate) category_mapping: i64,

    /// What the calls' audio addresses begin with [default: the source as a
    /// file:// address]
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    pub(crate) audio_endpoint: String,

    /// Languages to choose from, for example "en,hi" [default: any]
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) candidates: Vec<String>,

    /// The same key with the same request gives the same batch, however often
    /// it is sent
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(crate) idempotency_key: String,

    /// Leave out files that an earlier batch of this folder holds unchanged
    #[arg(long)]
    pub(crate) skip_known: bool,

    /// Follow the batch until nothing is left to do; prints like `batch watch`
    #[arg(long)]
    pub(crate) watch: bool,

    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) batch: BatchId,

    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsArgs {
    #[command(flatten)]
    pub(crate) batch: BatchId,

    /// Only the recordings that stand there
    #[arg(long, value_name = "WHERE")]
    pub(crate) filter: Option<RecordingFilter>,

    /// Show all of them, as without --limit
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) batch: BatchId,

    /// Only these recordings, by their place in the manifest [default: every
    /// failed one]
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',')]
    pub(crate) ordinal: Vec<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) batch: BatchId,

    /// Only recordings whose call has not changed for so long, for example
    /// "30d" or "12h" [default: all]
    #[arg(long, value_name = "DURATION", value_parser = age)]
    pub(crate) older_than: Option<Duration>,

    /// Say what would be released, and release nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) reason: Reason,
}
