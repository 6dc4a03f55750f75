//! Why a batch is not done.

use std::collections::BTreeMap;

use super::{AgentFacts, AgentReason, Reason, explain_agent};
use crate::{
    dispatch::Prospects,
    ledger::{BatchRecord, FailureCount},
};

/// What is known of a batch.
#[derive(Debug, Clone)]
pub struct BatchFacts {
    /// Its rows.
    pub record: BatchRecord,
    /// What rests as failed.
    pub failures: Vec<FailureCount>,
    /// Who holds what is to be identified, and how much of it.
    pub holders: BTreeMap<String, u64>,
    /// What is ahead of it.
    pub prospects: Prospects,
    /// All agents that were ever seen.
    pub agents: Vec<AgentFacts>,
}

/// Why a batch is not done; what holds up most first.
#[must_use]
pub fn explain_batch(facts: &BatchFacts) -> Vec<Reason> {
    let counts = &facts.record.counts;
    let mut reasons = Vec::new();
    if counts.planned > 0 && !facts.record.cancelled {
        reasons.extend(unsent(&facts.prospects, &facts.agents));
    }
    for (agent, recordings) in &facts.holders {
        let known = facts.agents.iter().find(|known| known.record.name.as_str() == agent);
        let told =
            |told: &Reason| matches!(told, Reason::Agent { agent: named, .. } if named.as_str() == agent);
        if let Some(known) = known {
            // Once, and with what waits for it.
            reasons.retain(|reason| !told(reason));
            reasons.push(explain_agent(known, *recordings));
        }
    }
    if facts.record.cancelled {
        reasons.push(Reason::Cancelled(counts.cancelled));
    }
    let failed = |failure: &FailureCount| Reason::Failed {
        recordings: failure.recordings,
        code: failure.code.clone(),
        detail: failure.reason.clone(),
        attempts: 0,
    };
    reasons.extend(facts.failures.iter().map(failed));
    if reasons.is_empty() && facts.record.rests() {
        reasons.push(Reason::Complete);
    }
    reasons
}

/// Why recordings are not placed.
pub(super) fn unsent(prospects: &Prospects, agents: &[AgentFacts]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for agent in &prospects.expected {
        let state = AgentReason::Expected(prospects.expected_until);
        reasons.push(Reason::Agent { agent: agent.clone(), state, recordings: 0 });
    }
    if agents.is_empty() {
        reasons.push(Reason::NoAgentSeen);
    } else if agents.iter().all(|agent| agent.status.is_none()) {
        let known = u64::try_from(agents.len()).unwrap_or(u64::MAX);
        reasons.push(Reason::NoAgentConnected(known));
    }
    if prospects.under_way > 0 {
        reasons.push(Reason::UnderWay(prospects.under_way));
    }
    if prospects.ahead > 0 {
        reasons.push(Reason::Queued(prospects.ahead));
    }
    if prospects.delayed > 0 {
        let Prospects { delayed: recordings, next_try: until, .. } = *prospects;
        reasons.push(Reason::Backoff { recordings, until, attempts: 0 });
    }
    let others = agents.iter().filter(|agent| !prospects.expected.contains(&agent.record.name));
    reasons.extend(others.map(|agent| explain_agent(agent, 0)));
    reasons
}

#[cfg(test)]
mod tests {
    use cofi_proto::{AgentName, BatchId};

    use super::*;
    use crate::{
        explain::agent::tests::{away, hindered, idle},
        ledger::Counts,
        scheduler::Unfit,
    };

    fn facts(counts: Counts, agents: Vec<AgentFacts>) -> BatchFacts {
        let record = BatchRecord {
            batch: BatchId(1),
            batch_date: "01-02-2025".to_owned(),
            source: "/srv/calls".to_owned(),
            process: 1,
            category_mapping: 1,
            audio_endpoint: "file:///srv/calls".to_owned(),
            candidates: Vec::new(),
            created: 1,
            cancelled: false,
            counts,
        };
        BatchFacts {
            record,
            failures: Vec::new(),
            holders: BTreeMap::new(),
            prospects: Prospects::default(),
            agents,
        }
    }

    fn planned() -> Counts {
        Counts { recordings: 5, planned: 5, ..Counts::default() }
    }

    fn name(agent: &str) -> AgentName {
        agent.parse().unwrap()
    }

    fn of(agent: &str, state: AgentReason, recordings: u64) -> Reason {
        Reason::Agent { agent: name(agent), state, recordings }
    }

    #[test]
    fn batch_without_agents_says_that_there_are_none() {
        assert_eq!(explain_batch(&facts(planned(), Vec::new())), [Reason::NoAgentSeen]);
        let gone = explain_batch(&facts(planned(), vec![away("a"), away("b")]));
        let absent = |agent| of(agent, AgentReason::Away { since: 7, until: None }, 0);
        assert_eq!(gone, [Reason::NoAgentConnected(2), absent("a"), absent("b")]);
    }

    #[test]
    fn agents_that_were_connected_before_a_restart_come_first() {
        let mut facts = facts(planned(), vec![away("a"), idle("b")]);
        facts.prospects.expected = vec![name("a")];
        facts.prospects.expected_until = 20;
        let expected = of("a", AgentReason::Expected(20), 0);
        assert_eq!(explain_batch(&facts), [expected, of("b", AgentReason::Idle, 0)]);
    }

    #[test]
    fn batch_that_gets_on_says_how_and_who_does_not_help() {
        let full = hindered("a", Unfit::DiskFull);
        let mut facts = facts(planned(), vec![full, idle("b")]);
        facts.prospects =
            Prospects { under_way: 2, delayed: 1, next_try: Some(9), ahead: 4, ..Prospects::default() };
        let expected = [
            Reason::UnderWay(2),
            Reason::Queued(4),
            Reason::Backoff { recordings: 1, until: Some(9), attempts: 0 },
            of("a", AgentReason::DiskFull, 0),
            of("b", AgentReason::Idle, 0),
        ];
        assert_eq!(explain_batch(&facts), expected);
    }

    #[test]
    fn holders_are_told_once_with_what_waits_for_them() {
        let counts = Counts { recordings: 5, planned: 1, stored: 4, lid_pending: 4, ..Counts::default() };
        let mut facts = facts(counts, vec![away("a"), idle("b")]);
        facts.holders = [("a".to_owned(), 3), ("b".to_owned(), 1)].into();
        let expected =
            [of("a", AgentReason::Away { since: 7, until: Some(90) }, 3), of("b", AgentReason::Works, 1)];
        assert_eq!(explain_batch(&facts), expected);
    }

    #[test]
    fn batch_at_rest_says_what_failed_or_that_all_is_well() {
        let done = Counts { recordings: 5, stored: 5, identified: 5, ..Counts::default() };
        assert_eq!(explain_batch(&facts(done, vec![idle("a")])), [Reason::Complete]);
        let mut failed = facts(Counts { identified: 3, lid_failed: 2, ..done }, Vec::new());
        let failure = FailureCount { code: "empty".to_owned(), recordings: 2, reason: "no bytes".to_owned() };
        failed.failures = vec![failure];
        let reason = Reason::Failed {
            recordings: 2,
            code: "empty".to_owned(),
            detail: "no bytes".to_owned(),
            attempts: 0,
        };
        assert_eq!(explain_batch(&failed), std::slice::from_ref(&reason));
        failed.record.cancelled = true;
        failed.record.counts.cancelled = 1;
        assert_eq!(explain_batch(&failed), [Reason::Cancelled(1), reason]);
    }
}
