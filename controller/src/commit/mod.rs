//! Group commits: what arrives while one transaction runs goes into the next
//! one. Never a commit per file.

mod applier;
mod recorder;

use std::{future::Future, time::Duration};

pub use applier::{Applier, ToApply};
pub use recorder::{Recorder, ToRecord, settle};
use tokio::sync::mpsc;

use crate::{chain::error_chain, health::Health, ledger::LedgerError};

/// Most entries of one transaction.
const GROUP: usize = 500;
/// How long a first entry waits for company.
const LINGER: Duration = Duration::from_millis(5);
/// Entries that may wait for a transaction: two groups beyond the one that is
/// being written.
pub const QUEUE: usize = 2 * GROUP;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The next group; none when all senders have gone.
async fn gather<T>(queue: &mut mpsc::Receiver<T>) -> Option<Vec<T>> {
    let mut group = Vec::with_capacity(GROUP);
    if queue.recv_many(&mut group, GROUP).await == 0 {
        return None;
    }
    fill_up(queue, &mut group).await;
    Some(group)
}

/// Gives a group that has begun a moment to grow. Must not be cancelled: the
/// group would be lost.
async fn fill_up<T>(queue: &mut mpsc::Receiver<T>, group: &mut Vec<T>) {
    if group.len() >= GROUP {
        return;
    }
    tokio::time::sleep(LINGER).await;
    while group.len() < GROUP
        && let Ok(entry) = queue.try_recv()
    {
        group.push(entry);
    }
}

/// Writes a group for as long as it takes while the database is away. A group
/// that the database refuses for good is written entry by entry, so that one
/// of them does not hold up the others; what is refused alone is `None`.
async fn persist<T, A, F>(group: &[T], health: &Health, write: impl Fn(Vec<T>) -> F) -> Vec<Option<A>>
where
    T: Clone + std::fmt::Debug,
    F: Future<Output = Result<Vec<A>, LedgerError>>,
{
    match persist_whole(group.to_vec(), health, &write).await {
        Ok(answers) => return answers.into_iter().map(Some).collect(),
        Err(error) if group.len() > 1 => {
            tracing::error!(error = error_chain(&error), "a group was refused, its entries are tried alone");
        }
        Err(error) => tracing::error!(error = error_chain(&error), entry = ?group, "an entry was refused"),
    }
    let mut answers = Vec::with_capacity(group.len());
    if group.len() == 1 {
        answers.push(None);
        return answers;
    }
    for entry in group {
        let answer = persist_whole(vec![entry.clone()], health, &write).await;
        if let Err(error) = &answer {
            tracing::error!(error = error_chain(error), ?entry, "an entry was refused");
        }
        answers.push(answer.ok().and_then(|mut answers| answers.pop()));
    }
    answers
}

async fn persist_whole<T, A, F>(
    group: Vec<T>,
    health: &Health,
    write: &impl Fn(Vec<T>) -> F,
) -> Result<Vec<A>, LedgerError>
where
    T: Clone,
    F: Future<Output = Result<Vec<A>, LedgerError>>,
{
    let mut pause = FIRST_PAUSE;
    let mut waiting = None;
    loop {
        match LedgerError::or_silence(write(group.clone())).await {
            Err(error) if error.is_transient() => {
                waiting.get_or_insert_with(|| health.write_waits());
                health.database_failed(&error);
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            outcome => {
                drop(waiting);
                health.database_answered();
                return outcome;
            }
        }
    }
}
