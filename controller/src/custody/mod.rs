//! Who keeps what was stored: recordings of hosts that are gone for good are
//! placed again.
//!
//! ```text
//!  away for replace_after ---> lost ----+
//!  came with another store --> lost ----+---> what it held is planned again, page by page
//!  removed by an operator ----------- --+
//!  draining, deadline over -------------+     (of this one only what has no language)
//!  quarantined, and others work --------'     (of this one only what it has not identified)
//! ```
//!
//! What was decided stands in the ledger before anything is done about it, so
//! that a controller that dies in between goes on with it at its next start.

mod absence;
mod quarantine;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use absence::{Absences, Known};
use cofi_proto::{AgentName, clock::Clock};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::error_chain,
    commit::{self, ToRecord},
    dispatch::Dispatch,
    ledger::{AgentLedger, GiveUp, GiveUpScope, LedgerError, Standing, StandingRecord},
};

/// Longest time between two looks; a shorter `replace_after` is looked at more
/// often.
const INTERVAL: Duration = Duration::from_secs(5);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);
/// Recordings that are planned again in one transaction.
const PAGE: i64 = 500;

/// Looks after what hosts hold.
#[derive(Debug)]
pub struct Custodian {
    /// Holds the rows.
    pub ledger: Arc<dyn AgentLedger>,
    /// Knows who is there.
    pub dispatch: Dispatch,
    /// Has what hosts acknowledged before it is on record.
    pub recorder: mpsc::Sender<ToRecord>,
    /// Gives the time of day.
    pub clock: Arc<dyn Clock>,
    /// How long an agent may be away before what it holds is placed again.
    pub replace_after: Duration,
    /// Rung when something was decided.
    pub decided: Arc<Notify>,
}

impl Custodian {
    /// Runs until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let started = Instant::now();
        let mut absences = Absences::new(self.replace_after);
        // Decisions that were carried out to the end.
        let mut done: HashSet<(AgentName, i64)> = HashSet::new();
        let interval = (self.replace_after / 4).clamp(SHORTEST_INTERVAL, INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
                () = self.decided.notified() => {}
            }
            match self.look(&mut absences, &mut done, started.elapsed(), &stop).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    tracing::debug!(error = error_chain(&error), "agents are not looked after yet");
                }
                Err(error) => tracing::error!(error = error_chain(&error), "look after agents"),
            }
        }
    }

    async fn look(
        &self,
        absences: &mut Absences,
        done: &mut HashSet<(AgentName, i64)>,
        now: Duration,
        stop: &CancellationToken,
    ) -> Result<(), LedgerError> {
        let known: Vec<Known> =
            self.ledger.all_agents().await?.into_iter().map(|agent| (agent.name, agent.last_seen)).collect();
        let agents = self.dispatch.agents().await;
        let connected: BTreeSet<AgentName> = agents.iter().map(|(agent, _)| agent.clone()).collect();
        let lost = absences.look(&known, &connected, now);
        if !lost.is_empty() {
            // The database may have been away for longer than they: what they
            // acknowledged counts as stored before they were lost.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = commit::settle(&self.recorder) => {}
            }
        }
        for agent in lost {
            self.lose(&agent.0).await?;
            absences.settle(&agent);
        }
        for standing in self.ledger.standings().await? {
            let key = (standing.agent.clone(), standing.deadline.unwrap_or(standing.since));
            let is_back = standing.standing == Standing::Lost && connected.contains(&standing.agent);
            if !done.contains(&key)
                && let Some(what) = self.to_give_up(&standing)
            {
                if !self.give_up(&what, stop).await? {
                    return Ok(());
                }
                done.insert(key.clone());
                if is_back {
                    // It said all that it holds before it was given up: it
                    // says so again, and hears what others are to hold now.
                    self.dispatch.dismiss(standing.agent).await;
                }
            } else if is_back && done.contains(&key) {
                self.ledger.clear_standing(&standing.agent, self.clock.now_micros()).await?;
            }
        }
        self.look_at_quarantines(&agents, stop).await.map(drop)
    }

    /// Notes that an agent has been away for too long, if it holds anything and
    /// nothing else was decided about it. One that was lost before has been back
    /// since then.
    async fn lose(&self, agent: &AgentName) -> Result<(), LedgerError> {
        if self.ledger.custody(agent).await?.stored == 0 {
            return Ok(());
        }
        match self.ledger.standing(agent).await?.map(|record| record.standing) {
            Some(Standing::Draining | Standing::Removed) => return Ok(()),
            Some(Standing::Lost) | None => {}
        }
        let reason = format!("away for {} s", self.replace_after.as_secs());
        let since = self.clock.now_micros();
        let agent = agent.clone();
        let lost = StandingRecord { agent, standing: Standing::Lost, reason, since, deadline: None };
        self.ledger.put_standing(&lost).await
    }

    /// What is to be placed again by now.
    fn to_give_up(&self, record: &StandingRecord) -> Option<GiveUp> {
        let (stored_before, scope) = match record.standing {
            Standing::Removed | Standing::Lost => (record.since, GiveUpScope::All),
            Standing::Draining => {
                let deadline = record.deadline.filter(|deadline| *deadline <= self.clock.now_micros())?;
                (deadline, GiveUpScope::WithoutLanguage)
            }
        };
        let reason = format!("{}: {}", record.standing.as_str(), record.reason);
        Some(GiveUp { agent: record.agent.clone(), stored_before, scope, reason })
    }

    /// Has everything placed again that is to be; false if it was stopped.
    async fn give_up(&self, what: &GiveUp, stop: &CancellationToken) -> Result<bool, LedgerError> {
        failpoint!(async STANDING_COMMITTED => return Err(LedgerError::failpoint()));
        let (mut after, mut recordings) = (None, 0);
        loop {
            if stop.is_cancelled() {
                return Ok(false);
            }
            let page = self.ledger.give_up(what, after, PAGE, self.clock.now_micros()).await?;
            recordings += page.recordings;
            if page.last.is_none() {
                break;
            }
            failpoint!(async PAGE_COMMITTED => return Err(LedgerError::failpoint()));
            after = page.last;
        }
        if recordings > 0 {
            tracing::warn!(agent = %what.agent, recordings, reason = what.reason, "recordings are placed again");
        }
        Ok(true)
    }
}
