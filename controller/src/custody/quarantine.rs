//! Agents in quarantine: the rows follow what the scheduler says, and what
//! such an agent holds goes to others, if there are any.

use std::collections::HashMap;

use cofi_proto::AgentName;
use tokio_util::sync::CancellationToken;

use super::Custodian;
use crate::{
    dispatch::{AgentStatus, QuarantineStatus},
    ledger::{AgentFault, GiveUp, GiveUpScope, LedgerError, QuarantineRecord},
    scheduler::Fault,
};

/// How long a probe may take, in microseconds: a batch may wait for nothing but
/// that. What it says later still counts.
const PROBE_PATIENCE: i64 = 30_000_000;

impl From<Fault> for AgentFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Engine => Self::Engine,
            Fault::Storage => Self::Storage,
        }
    }
}

impl From<AgentFault> for Fault {
    fn from(fault: AgentFault) -> Self {
        match fault {
            AgentFault::Engine => Self::Engine,
            AgentFault::Storage => Self::Storage,
        }
    }
}

impl Custodian {
    /// Looks at the agents that are there; false if it was stopped.
    pub(super) async fn look_at_quarantines(
        &self,
        agents: &[(AgentName, AgentStatus)],
        stop: &CancellationToken,
    ) -> Result<bool, LedgerError> {
        let rows = self.ledger.quarantines().await?.into_iter();
        let mut rows: HashMap<AgentName, QuarantineRecord> =
            rows.map(|record| (record.agent.clone(), record)).collect();
        let others_work = agents.iter().any(|(_, status)| status.unfit.is_none());
        // One that still says what it holds was not told yet what the rows say.
        for (agent, status) in agents.iter().filter(|(_, status)| !status.reconciling) {
            match (&status.quarantine, rows.remove(agent)) {
                (Some(quarantine), row) => {
                    if row.is_none() {
                        self.put(agent, quarantine).await?;
                    }
                    if others_work && !self.hand_over(agent, quarantine, stop).await? {
                        return Ok(false);
                    }
                }
                (None, Some(_)) => self.lift(agent).await?,
                (None, None) => {}
            }
        }
        Ok(true)
    }

    async fn put(&self, agent: &AgentName, quarantine: &QuarantineStatus) -> Result<(), LedgerError> {
        let QuarantineStatus { fault, reason, since, .. } = quarantine;
        tracing::error!(%agent, reason, "agent is quarantined: it gets nothing but probes until it does well");
        let record = QuarantineRecord {
            agent: agent.clone(),
            fault: (*fault).into(),
            reason: reason.clone(),
            since: *since,
        };
        self.ledger.put_quarantine(&record).await
    }

    async fn lift(&self, agent: &AgentName) -> Result<(), LedgerError> {
        if self.ledger.lift_quarantine(agent, "it does well again", self.clock.now_micros()).await? {
            tracing::info!(%agent, "agent does well again: its quarantine is over");
            // In its next session it hears what others hold by now.
            self.dispatch.dismiss(agent.clone()).await;
        }
        Ok(())
    }

    /// Has others do what it has not done. A probe stays with it for a while.
    async fn hand_over(
        &self,
        agent: &AgentName,
        quarantine: &QuarantineStatus,
        stop: &CancellationToken,
    ) -> Result<bool, LedgerError> {
        if self.ledger.pending_lids(agent, None, 1).await?.is_empty() {
            return Ok(true);
        }
        let now = self.clock.now_micros();
        let probe = quarantine.last_probe.filter(|sent| now.saturating_sub(*sent) < PROBE_PATIENCE);
        let what = GiveUp {
            agent: agent.clone(),
            stored_before: probe.unwrap_or(now),
            scope: GiveUpScope::Open,
            reason: format!("quarantined: {}", quarantine.reason),
        };
        self.give_up(&what, stop).await
    }
}
