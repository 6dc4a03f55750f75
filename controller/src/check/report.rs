//! What is told of a check: each flaw as it is found, the sum at the end.

use std::collections::BTreeMap;

use cofi_proto::AgentName;
use tokio::sync::mpsc;

use super::CheckError;
use crate::ledger::{CheckScope, Flaw, FlawKind};

/// Flaws of one kind that are told; more are only counted.
const TOLD: u64 = 1_000;

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// Batches that were looked at.
    pub(crate) batches: u64,
    /// Their recordings.
    pub(crate) recordings: u64,
    /// Batches of an earlier service, which are not judged.
    pub(crate) earlier: u64,
    /// Batches that are being planned.
    pub(crate) being_planned: u64,
    /// Flaws by kind.
    pub(crate) flaws: BTreeMap<FlawKind, u64>,
    /// Agents by name.
    pub(crate) agents: BTreeMap<AgentName, AgentLook>,
}

/// What became of the questions to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AgentLook {
    /// Whether it answered.
    pub(crate) state: AgentState,
    /// Recordings that it said something of.
    pub(crate) looked_at: u64,
    /// Recordings that the rows give to it and that it was not asked for.
    pub(crate) not_looked_at: u64,
    /// Recordings that it holds and no row gives to it.
    pub(crate) not_its_own: Option<u64>,
    /// Files that its journal does not know.
    pub(crate) unknown_files: Option<u64>,
}

/// Whether an agent can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum AgentState {
    /// It answered everything.
    #[default]
    LookedAt,
    /// It has no session.
    Away,
    /// Its version cannot be asked.
    CannotBeAsked,
    /// It did not answer in time, or its session ended.
    Silent,
}

/// Tells flaws and counts them.
#[derive(Debug)]
pub(super) struct Telling {
    told: mpsc::Sender<Flaw>,
    pub(super) report: Report,
}

impl Telling {
    pub(super) fn new(told: mpsc::Sender<Flaw>, scope: &CheckScope) -> Self {
        let report = Report {
            batches: u64::try_from(scope.batches.len()).unwrap_or(u64::MAX),
            earlier: scope.earlier,
            being_planned: scope.being_planned,
            ..Report::default()
        };
        Self { told, report }
    }

    /// Tells these, as long as somebody listens.
    pub(super) async fn tell(&mut self, flaws: Vec<Flaw>) -> Result<(), CheckError> {
        for flaw in flaws {
            let count = self.report.flaws.entry(flaw.kind).or_default();
            *count += 1;
            if *count <= TOLD {
                self.told.send(flaw).await.map_err(|_| CheckError::Gone)?;
            }
        }
        if self.told.is_closed() { Err(CheckError::Gone) } else { Ok(()) }
    }

    /// Whether a second look is worth a pause: not in a record in ruins.
    pub(super) fn is_patient(&self) -> bool {
        self.report.flaws.values().sum::<u64>() < TOLD
    }
}
