//! What `cofi run` says at its end.

use std::time::Duration;

use serde::Serialize;

use super::{folders::Folders, history::Outstanding};
use crate::{
    client::{Client, RecordingFilter, RecordingQuery},
    commands::list,
    error::Error,
    output::{Console, duration},
    view::{AnyBatch, Batch, Recording},
};

/// Up to so many recordings are listed one by one; of more, those that failed.
const LISTED_RECORDINGS: u64 = 100;

/// What came of a run.
#[derive(Debug)]
pub(super) struct Report {
    /// Batches that this run finished, oldest first.
    pub(super) worked: Vec<i64>,
    /// If no batch was made: how many files earlier ones hold.
    pub(super) known: u64,
    /// Recordings of the folder that failed, in this run or before.
    pub(super) outstanding: Vec<Outstanding>,
    pub(super) elapsed: Duration,
}

/// A recording with the batch that it belongs to.
#[derive(Debug, Serialize)]
struct InBatch {
    batch_id: i64,
    #[serde(flatten)]
    recording: Recording,
}

/// A line of JSON at the end of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Recording(Box<InBatch>),
    Summary(Summary),
}

#[derive(Debug, Serialize)]
struct Summary {
    /// Batches that this run finished; empty if there was nothing to do.
    batch_ids: Vec<i64>,
    recordings: u64,
    identified: u64,
    /// Of the whole folder, also from earlier runs.
    failed: usize,
    elapsed_seconds: f64,
    database: String,
}

impl Report {
    pub(super) async fn print(
        &self,
        client: &Client,
        folders: &Folders,
        console: Console,
    ) -> Result<(), Error> {
        let mut totals = Totals::default();
        for batch_id in &self.worked {
            // What this run finished is its own.
            let AnyBatch::Own(batch) = client.get_batch(*batch_id).await? else { continue };
            totals.add(&batch);
            if console.is_json() {
                print_recordings(client, *batch_id, console).await?;
            } else {
                print_batch(client, *batch, console).await?;
            }
        }
        let database = folders.database_as_given().display().to_string();
        console.document(&Line::Summary(Summary {
            batch_ids: self.worked.clone(),
            recordings: totals.recordings,
            identified: totals.identified,
            failed: self.outstanding.len(),
            elapsed_seconds: self.elapsed.as_secs_f64(),
            database: database.clone(),
        }))?;
        console.say(&self.conclusion(&totals))?;
        console.say(&format!("every step is recorded in {database}"))?;
        Ok(())
    }

    /// The last word: what was done, and what is left.
    fn conclusion(&self, totals: &Totals) -> String {
        let done = if self.worked.is_empty() {
            format!("nothing to do: all {} recordings are known already", self.known)
        } else {
            let Totals { recordings, identified } = totals;
            format!("{identified} of {recordings} recordings identified in {}", duration(self.elapsed))
        };
        match self.outstanding.len() {
            0 => done,
            failed => format!("{done}; {failed} failed: --retry tries them again"),
        }
    }
}

#[derive(Debug, Default)]
struct Totals {
    recordings: u64,
    identified: u64,
}

impl Totals {
    fn add(&mut self, batch: &Batch) {
        self.recordings += batch.counts.recordings;
        self.identified += batch.counts.identified;
    }
}

/// The recordings, or those that failed, and then the batch.
async fn print_batch(client: &Client, batch: Batch, console: Console) -> Result<(), Error> {
    let few = batch.counts.recordings <= LISTED_RECORDINGS;
    if few || batch.counts.failed() > 0 {
        let filter = if few { None } else { Some(RecordingFilter::Failed) };
        let query = RecordingQuery { batch_id: batch.batch_id, filter };
        list(client, query, Some(LISTED_RECORDINGS), console).await?;
        console.say("")?;
    }
    // The failures stand above.
    console.batch(&Batch { newest_failures: Vec::new(), ..batch })?;
    console.say("")?;
    Ok(())
}

async fn print_recordings(client: &Client, batch_id: i64, console: Console) -> Result<(), Error> {
    let mut pages = client.pages(RecordingQuery { batch_id, filter: None }, None);
    while let Some(recordings) = pages.next().await? {
        for recording in recordings {
            console.document(&Line::Recording(Box::new(InBatch { batch_id, recording })))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(worked: Vec<i64>, failed: i64) -> Report {
        let outstanding = (0..failed).map(|ordinal| Outstanding { batch_id: 1, ordinal }).collect();
        Report { worked, known: 40, outstanding, elapsed: Duration::from_secs(80) }
    }

    #[test]
    fn the_last_word_says_what_was_done_and_what_is_left() {
        let totals = Totals { recordings: 40, identified: 37 };
        let said = report(vec![1], 3).conclusion(&totals);
        assert_eq!(said, "37 of 40 recordings identified in 1 min 20 s; 3 failed: --retry tries them again");
    }

    #[test]
    fn a_run_without_work_says_so() {
        let none = Totals::default();
        assert_eq!(report(vec![], 0).conclusion(&none), "nothing to do: all 40 recordings are known already");
        assert!(report(vec![], 2).conclusion(&none).ends_with("already; 2 failed: --retry tries them again"));
    }
}
