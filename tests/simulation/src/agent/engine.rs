//! The engine of an agent: takes what waits in the journal, in order, one at a
//! time, and writes down what came out. A crash loses what it was at.

use cofi_proto::{
    Digest,
    session::{FailureClass, Identified, LidFailure, LidOutcome},
};
use tokio::time::sleep;

use super::{disk::Disk, journal::Journal, rows::Change};
use crate::chance::Chance;

const LANGUAGES: [&str; 4] = ["en", "hi", "ru", "it"];

/// What every engine says of this content.
#[must_use]
pub fn outcome(digest: Digest) -> LidOutcome {
    let first = usize::from(digest.as_bytes()[0]);
    if first % 16 == 0 {
        return LidOutcome::Failed(LidFailure {
            code: "undecodable".to_owned(),
            reason: "no audio in it".to_owned(),
            attempts: 1,
            class: FailureClass::Recording,
        });
    }
    LidOutcome::Identified(Identified {
        language: LANGUAGES[first % LANGUAGES.len()].to_owned(),
        probabilities: Vec::new(),
        unrestricted: None,
        duration_seconds: 12.5,
        processing_seconds: 0.25,
    })
}

/// Works for as long as the agent does.
pub(super) async fn run(disk: Disk, journal: Journal, chance: Chance) {
    let mut news = journal.news().jobs;
    let mut cursor = 0;
    loop {
        news.mark_unchanged();
        let job = disk.content().journal.next_job(cursor);
        let Some(job) = job else {
            if news.changed().await.is_err() {
                return;
            }
            continue;
        };
        cursor = job.position;
        disk.witness.begins(&disk.agent, &disk.storage, job.recording, job.round);
        sleep(if chance.one_in(20) { chance.millis(1_000..=8_000) } else { chance.millis(10..=400) }).await;
        let finished = Change::Finished {
            recording: job.recording,
            digest: job.digest,
            round: job.round,
            outcome: outcome(job.digest),
        };
        drop(journal.post(finished).await);
    }
}
