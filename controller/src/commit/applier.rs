//! Applies what agents identified.

use std::sync::Arc;

use cofi_language::{Canonical, LanguageTable};
use cofi_proto::{
    clock::Clock,
    session::{LidOutcome, LidResult},
};
use tokio::sync::mpsc;

use super::{gather, persist};
use crate::{
    delivery::Host,
    dispatch::Dispatch,
    health::Health,
    ledger::{Applied, Ledger, ReportedResult},
};

/// A result, and who reported it.
#[derive(Debug, Clone)]
pub struct ToApply {
    /// Who reported it.
    pub host: Host,
    /// As it was reported.
    pub result: LidResult,
}

/// Runs until all senders have gone.
pub async fn run_applier(
    mut queue: mpsc::Receiver<ToApply>,
    ledger: Ledger,
    languages: Arc<LanguageTable>,
    clock: Arc<dyn Clock>,
    dispatch: Dispatch,
    health: Health,
) {
    while let Some(group) = gather(&mut queue).await {
        let group: Vec<ReportedResult> =
            group.into_iter().map(|result| reported(result, &languages)).collect();
        let now = clock.now_micros();
        let write = |group: Vec<ReportedResult>| {
            let ledger = ledger.clone();
            async move { ledger.apply_results(&group, now).await }
        };
        let answers: Vec<Option<Applied>> = persist(&group, &health, write).await;
        dispatch.applied(group.into_iter().zip(answers).collect()).await;
    }
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
    }
}
