//! Following a batch on the terminal.

use crate::{
    client::{Watch, WatchEvent},
    error::Error,
    exit::Exit,
    output::{Console, Progress},
    view::Batch,
};

/// Follows a batch until it rests, and prints where it stands then.
pub(super) async fn follow(watch: Watch, console: Console) -> Result<Exit, Error> {
    let mut progress = console.progress();
    let followed = until_rest(watch, &mut progress).await;
    progress.clear();
    let Some(batch) = followed? else { return Ok(Exit::Done) };
    if !console.is_json() {
        console.batch(&batch)?;
    }
    Ok(exit_of(&batch))
}

/// The last snapshot of a batch, shown as they come.
pub(super) async fn until_rest(mut watch: Watch, progress: &mut Progress) -> Result<Option<Batch>, Error> {
    let mut last = None;
    while let Some(event) = watch.next().await? {
        match event {
            WatchEvent::Snapshot { batch, after_outage } => {
                if after_outage {
                    progress.note("the controller is back");
                }
                progress.snapshot(&batch)?;
                last = Some(*batch);
            }
            WatchEvent::Lost { reason } => {
                progress.note(&format!("lost the controller, trying to come back: {reason}"));
            }
        }
    }
    Ok(last)
}

/// A batch went well if every recording of it has a language.
pub(super) fn exit_of(batch: &Batch) -> Exit {
    if batch.counts.all_identified() { Exit::Done } else { Exit::WithFailures }
}
