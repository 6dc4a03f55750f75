//! Who has been away for how long. Pure: who is there and the time go in.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cofi_proto::AgentName;

/// How long an agent is away.
#[derive(Debug, Clone, Copy)]
struct Absence {
    since: Duration,
    /// When the agent had been seen last by the time that what follows from its
    /// absence was decided.
    settled: Option<i64>,
}

/// An agent that is known, and when it was seen last, in the time of its row.
pub(super) type Known = (AgentName, i64);

/// Agents that are away, each told when it has been so for too long, and again
/// until something was done about it. After a start all of them begin anew.
#[derive(Debug)]
pub(super) struct Absences {
    replace_after: Duration,
    away: BTreeMap<AgentName, Absence>,
}

impl Absences {
    pub(super) fn new(replace_after: Duration) -> Self {
        Self { replace_after, away: BTreeMap::new() }
    }

    /// Looks who is there: those that have now been away for too long. One that
    /// was seen since what follows was decided was back, if only between two
    /// looks: it may hold something again.
    pub(super) fn look(
        &mut self,
        known: &[Known],
        connected: &BTreeSet<AgentName>,
        now: Duration,
    ) -> Vec<Known> {
        self.away.retain(|agent, _| !connected.contains(agent));
        for (agent, seen) in known.iter().filter(|(agent, _)| !connected.contains(agent)) {
            let begun = Absence { since: now, settled: None };
            let absence = self.away.entry(agent.clone()).or_insert(begun);
            if absence.settled.is_some_and(|settled| settled != *seen) {
                *absence = begun;
            }
        }
        let is_lost = |absence: &Absence| {
            absence.settled.is_none() && now.saturating_sub(absence.since) >= self.replace_after
        };
        known.iter().filter(|(agent, _)| self.away.get(agent).is_some_and(is_lost)).cloned().collect()
    }

    /// What follows from an agent's absence was decided: it is not told again.
    pub(super) fn settle(&mut self, (agent, seen): &Known) {
        if let Some(absence) = self.away.get_mut(agent) {
            absence.settled = Some(*seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_mins(15);

    fn names(names: &[&str]) -> Vec<AgentName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn seen_at(seen: i64) -> Vec<Known> {
        names(&["a", "b"]).into_iter().map(|agent| (agent, seen)).collect()
    }

    fn look(absences: &mut Absences, connected: &[&str], seconds: u64) -> Vec<AgentName> {
        let connected = names(connected).into_iter().collect();
        let lost = absences.look(&seen_at(0), &connected, Duration::from_secs(seconds));
        for agent in &lost {
            absences.settle(agent);
        }
        lost.into_iter().map(|(agent, _)| agent).collect()
    }

    #[test]
    fn agent_is_told_again_until_something_was_done_about_it() {
        let mut absences = Absences::new(AFTER);
        let (known, nobody) = (seen_at(0), BTreeSet::new());
        absences.look(&known, &nobody, Duration::ZERO);
        assert_eq!(absences.look(&known, &nobody, AFTER), known);
        assert_eq!(absences.look(&known, &nobody, AFTER * 2), known);
        absences.settle(&known[0]);
        assert_eq!(absences.look(&known, &nobody, AFTER * 3), known[1..]);
    }

    #[test]
    fn agent_that_was_back_between_two_looks_can_be_lost_again() {
        let mut absences = Absences::new(AFTER);
        look(&mut absences, &["a"], 0);
        assert_eq!(look(&mut absences, &["a"], 900), names(&["b"]));
        let a = names(&["a"]).into_iter().collect();
        assert_eq!(absences.look(&seen_at(1), &a, Duration::from_secs(1_000)), []);
        assert_eq!(absences.look(&seen_at(1), &a, Duration::from_secs(1_899)), []);
        assert_eq!(absences.look(&seen_at(1), &a, Duration::from_secs(1_900)), seen_at(1)[1..]);
    }

    #[test]
    fn agent_is_lost_once_when_it_has_been_away_for_too_long() {
        let mut absences = Absences::new(AFTER);
        assert_eq!(look(&mut absences, &["a"], 10), []);
        assert_eq!(look(&mut absences, &["a"], 909), []);
        assert_eq!(look(&mut absences, &["a"], 910), names(&["b"]));
        assert_eq!(look(&mut absences, &["a"], 5_000), []);
    }

    #[test]
    fn agent_that_is_back_in_time_begins_anew_when_it_leaves() {
        let mut absences = Absences::new(AFTER);
        look(&mut absences, &[], 0);
        assert_eq!(look(&mut absences, &["a", "b"], 899), []);
        assert_eq!(look(&mut absences, &["b"], 1_000), []);
        assert_eq!(look(&mut absences, &["b"], 1_899), []);
        assert_eq!(look(&mut absences, &["b"], 1_900), names(&["a"]));
    }

    #[test]
    fn agent_that_was_lost_and_came_back_can_be_lost_again() {
        let mut absences = Absences::new(AFTER);
        look(&mut absences, &["a"], 0);
        assert_eq!(look(&mut absences, &["a"], 900), names(&["b"]));
        look(&mut absences, &["a", "b"], 1_000);
        look(&mut absences, &["a"], 1_001);
        assert_eq!(look(&mut absences, &["a"], 1_901), names(&["b"]));
    }
}
