//! `cofi batch`.

use std::path::{Path, PathBuf};

use super::{connect, list, watch};
use crate::{
    args::{BatchCommand, RecordingsArgs, ReleaseArgs, RetryArgs, SubmitArgs, WatchArgs},
    client::{BatchQuery, Client, Plan, RecordingQuery, Target},
    error::Error,
    exit::Exit,
    output::Console,
    view::{AnyBatch, Planned, Retried},
};

pub(super) async fn run(command: BatchCommand, target: Target, console: Console) -> Result<Exit, Error> {
    let client = connect(target).await?;
    match command {
        BatchCommand::Submit(args) => submit(args, &client, console).await,
        BatchCommand::List(args) => list(&client, BatchQuery, args.limit(), console).await,
        BatchCommand::Show(args) => {
            match client.get_batch(args.batch_id).await? {
                AnyBatch::Own(batch) => console.batch(&batch)?,
                AnyBatch::Earlier(batch) => console.earlier_batch(&batch)?,
            }
            Ok(Exit::Done)
        }
        BatchCommand::Watch(WatchArgs { batch, patience }) => {
            watch::follow(client.watch(batch.batch_id, patience.give_up_after), console).await
        }
        BatchCommand::Recordings(RecordingsArgs { batch, filter, all: _, list: args }) => {
            let query = RecordingQuery { batch_id: batch.batch_id, filter };
            list(&client, query, args.limit(), console).await
        }
        BatchCommand::Retry(args) => retry(args, &client, console).await,
        BatchCommand::Cancel(args) => {
            let cancelled = client.cancel(args.batch_id).await?;
            console.document(&cancelled)?;
            console.say(&format!("cancelled {}", recordings(cancelled.cancelled)))?;
            Ok(Exit::Done)
        }
        BatchCommand::Release(args) => {
            let ReleaseArgs { batch, older_than, dry_run, reason } = args;
            let released = client.release(batch.batch_id, older_than, dry_run, reason.reason).await?;
            console.released(&released)?;
            Ok(Exit::Done)
        }
        BatchCommand::ApplyLid(args) => {
            console.lid_applied(&client.apply_lid(args.batch_id).await?)?;
            Ok(Exit::Done)
        }
    }
}

async fn submit(args: SubmitArgs, client: &Client, console: Console) -> Result<Exit, Error> {
    let plan = Plan {
        source: absolute(&args.source)?,
        batch_date: args.batch_date,
        process_id: args.process,
        category_mapping_id: args.category_mapping,
        audio_endpoint: args.audio_endpoint,
        candidate_languages: args.candidates,
        idempotency_key: args.idempotency_key,
        skip_known: args.skip_known,
    };
    let planned = client.create_batch(plan).await?;
    console.document(&planned)?;
    match planned {
        Planned::Rejection(rejection) => {
            console.rejection(&rejection)?;
            Ok(Exit::WithFailures)
        }
        Planned::NothingNew(nothing) => {
            console.say(&format!("nothing to do: {} known already", recordings(nothing.known)))?;
            Ok(Exit::Done)
        }
        Planned::Batch(batch) => {
            console.say(&format!("batch {}: {}", batch.batch_id, recordings(batch.counts.recordings)))?;
            if !args.watch {
                return Ok(Exit::Done);
            }
            watch::follow(client.watch(batch.batch_id, args.patience.give_up_after), console).await
        }
    }
}

async fn retry(args: RetryArgs, client: &Client, console: Console) -> Result<Exit, Error> {
    let retried = client.retry(args.batch.batch_id, args.ordinal).await?;
    console.document(&retried)?;
    console.say(&match retried {
        Retried { placements: 0, identifications: 0, released: 0 } => {
            "nothing to try again: none of them rests as failed".to_owned()
        }
        Retried { placements, identifications, released: _ } => {
            format!("{} will be placed again, {identifications} identified again", recordings(placements))
        }
    })?;
    if retried.released > 0 {
        let released = recordings(retried.released);
        console.say(&format!("{released} cannot be identified again: released, and on no host any more"))?;
    }
    Ok(Exit::Done)
}

/// The folder as the controller must be told it. Links are left alone: the
/// folder may be another machine's.
fn absolute(folder: &Path) -> Result<String, Error> {
    let path = std::path::absolute(folder)
        .map_err(|source| Error::CurrentFolder { path: folder.to_owned(), source })?;
    path.into_os_string().into_string().map_err(|path| Error::NotUtf8 { path: PathBuf::from(path) })
}

fn recordings(count: u64) -> String {
    if count == 1 { "1 recording".to_owned() } else { format!("{count} recordings") }
}
