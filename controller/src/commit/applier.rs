//! Applies what agents identified.

use std::{collections::HashMap, sync::Arc};

use cofi_language::{Canonical, LanguageTable};
use cofi_proto::{
    AgentName,
    clock::Clock,
    session::{LidOutcome, LidResult},
};
use tokio::sync::{Notify, mpsc};

use super::{GROUP, fill_up, persist};
use crate::{
    delivery::Host,
    dispatch::Dispatch,
    health::Health,
    ledger::{AgentLedger, Applied, ReportedResult},
};

/// A result, and who reported it.
#[derive(Debug, Clone)]
pub struct ToApply {
    /// Who reported it.
    pub host: Host,
    /// As it was reported.
    pub result: LidResult,
}

/// Results of one agent that may wait for their recordings' rows: as many as may
/// be under way to it. More of them means that the rows are not coming; the agent
/// reports them again.
const PARKED: usize = 4_096;

/// What the applier works with.
#[derive(Debug)]
pub struct Applier {
    /// Holds the rows.
    pub ledger: Arc<dyn AgentLedger>,
    /// What codes are known.
    pub languages: Arc<LanguageTable>,
    /// Gives the time of day.
    pub clock: Arc<dyn Clock>,
    /// Passes the receipts on.
    pub dispatch: Dispatch,
    /// Told how the database is.
    pub health: Health,
    /// Rung when recordings got their rows.
    pub rows_written: Arc<Notify>,
}

impl Applier {
    /// Runs until all senders have gone.
    pub async fn run(self, mut queue: mpsc::Receiver<ToApply>) {
        // An engine may be quicker than the commit of the acknowledgement.
        let mut parked: Vec<ReportedResult> = Vec::new();
        loop {
            let mut arrived = Vec::with_capacity(GROUP);
            tokio::select! {
                count = queue.recv_many(&mut arrived, GROUP) => {
                    if count == 0 {
                        return;
                    }
                    fill_up(&mut queue, &mut arrived).await;
                }
                () = self.rows_written.notified(), if !parked.is_empty() => {}
            }
            let mut group = std::mem::take(&mut parked);
            group.extend(arrived.into_iter().map(|result| reported(result, &self.languages)));
            for group in group.chunks(GROUP) {
                parked.extend(self.apply(group).await);
            }
            drop_too_many(&mut parked);
        }
    }

    /// Applies a group; gives back what has no rows yet.
    async fn apply(&self, group: &[ReportedResult]) -> Vec<ReportedResult> {
        let now = self.clock.now_micros();
        let write = |group: Vec<ReportedResult>| {
            let ledger = self.ledger.clone();
            async move {
                let applied = ledger.apply_results(&group, now).await?;
                failpoint!(async RESULTS_COMMITTED => return Err(crate::ledger::LedgerError::failpoint_at_commit()));
                Ok(applied)
            }
        };
        let answers = persist(group, &self.health, write).await;
        let (early, settled): (Vec<_>, Vec<_>) =
            group.iter().cloned().zip(answers).partition(|(_, answer)| *answer == Some(Applied::NotRecorded));
        self.dispatch.applied(settled).await;
        early.into_iter().map(|(result, _)| result).collect()
    }
}

/// Drops the results of agents that have too many of them without rows.
fn drop_too_many(parked: &mut Vec<ReportedResult>) {
    let mut counts: HashMap<AgentName, usize> = HashMap::new();
    for result in &*parked {
        *counts.entry(result.agent.clone()).or_default() += 1;
    }
    counts.retain(|_, results| *results > PARKED);
    for (agent, results) in &counts {
        tracing::warn!(%agent, results, "results without rows are dropped; they will come again");
    }
    parked.retain(|result| !counts.contains_key(&result.agent));
}

/// Maps the language to the table's code. One that cannot be mapped stays as
/// the engine said it.
fn reported(ToApply { host, result }: ToApply, languages: &LanguageTable) -> ReportedResult {
    let outcome = match result.outcome {
        LidOutcome::Identified(mut identified) => {
            match languages.canonical(&identified.language) {
                Canonical::Known(code) => code.as_str().clone_into(&mut identified.language),
                Canonical::Unmapped(said) => {
                    tracing::warn!(agent = %host.agent, recording = %result.recording, said, "unknown language code");
                    identified.language = said;
                }
            }
            LidOutcome::Identified(identified)
        }
        LidOutcome::Failed(failure) => LidOutcome::Failed(failure),
    };
    ReportedResult {
        recording: result.recording,
        round: result.round,
        agent: host.agent,
        address: host.address,
        outcome,
        digest: result.digest,
    }
}
