//! Why an agent gets nothing, or what it does.

use cofi_proto::AgentName;

use super::{AgentReason, Decision, Reason};
use crate::{
    dispatch::AgentStatus,
    ledger::{AgentRecord, QuarantineRecord, Standing, StandingRecord},
    scheduler::Unfit,
};

/// What is known of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFacts {
    /// Its row.
    pub record: AgentRecord,
    /// What was decided about it.
    pub standing: Option<StandingRecord>,
    /// Its quarantine.
    pub quarantine: Option<QuarantineRecord>,
    /// How it is, if it is connected.
    pub status: Option<AgentStatus>,
    /// Why it was refused a session of late, and when.
    pub refused: Option<(String, i64)>,
    /// When what it holds is placed again if it stays away.
    pub given_up_at: i64,
}

/// Why an agent gets nothing, or what it does. `waiting` recordings wait for it.
#[must_use]
pub fn explain_agent(facts: &AgentFacts, waiting: u64) -> Reason {
    let agent: AgentName = facts.record.name.clone();
    Reason::Agent { agent, state: state(facts, waiting), recordings: waiting }
}

fn state(facts: &AgentFacts, waiting: u64) -> AgentReason {
    let decision = |until| {
        let standing = facts.standing.as_ref()?;
        Some((standing.standing, Decision { why: standing.reason.clone(), since: standing.since, until }))
    };
    if let Some((Standing::Removed, decision)) = decision(None) {
        return AgentReason::Removed(decision);
    }
    let Some(status) = &facts.status else { return absent(facts, waiting, decision(None)) };
    if status.reconciling {
        return AgentReason::Reconciling;
    }
    let deadline = facts.standing.as_ref().and_then(|standing| standing.deadline);
    if let Some((Standing::Draining, decision)) = decision(deadline) {
        return AgentReason::Draining(decision);
    }
    match &status.unfit {
        Some(why) => unfit(facts, status, why),
        None if status.is_full => AgentReason::Full,
        None if waiting > 0 || status.deliveries > 0 || status.heartbeat.lid_waiting > 0 => {
            AgentReason::Works
        }
        None => AgentReason::Idle,
    }
}

fn absent(facts: &AgentFacts, waiting: u64, decision: Option<(Standing, Decision)>) -> AgentReason {
    if let Some((why, at)) = &facts.refused {
        return AgentReason::Refused { why: why.clone(), at: *at };
    }
    if let Some((Standing::Lost, decision)) = decision {
        return AgentReason::Lost(decision);
    }
    let until = (waiting > 0).then_some(facts.given_up_at);
    AgentReason::Away { since: facts.record.last_seen, until }
}

fn unfit(facts: &AgentFacts, status: &AgentStatus, why: &Unfit) -> AgentReason {
    match why {
        Unfit::Reconciling => AgentReason::Reconciling,
        // Decided just now: the rows do not say it yet.
        Unfit::Draining => {
            AgentReason::Draining(Decision { why: String::new(), since: facts.record.last_seen, until: None })
        }
        Unfit::Quarantined(why) => AgentReason::Quarantined(Decision {
            why: why.clone(),
            since: match (&facts.quarantine, &status.quarantine) {
                (Some(record), _) => record.since,
                (None, Some(quarantine)) => quarantine.since,
                (None, None) => facts.record.last_seen,
            },
            until: status.quarantine.as_ref().map(|quarantine| quarantine.next_probe),
        }),
        Unfit::EngineStarting => AgentReason::EngineStarting,
        Unfit::EngineFailed(why) => AgentReason::EngineFailed(why.clone()),
        Unfit::NoLane => AgentReason::WithoutStream,
        Unfit::Paused(why) => AgentReason::Paused { why: why.clone(), until: status.paused_until },
        Unfit::DiskFull => AgentReason::DiskFull,
        Unfit::DiskFailed(why) => AgentReason::DiskFailed(why.clone()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use cofi_proto::session::{Engine, Heartbeat, Storage};

    use super::*;
    use crate::{dispatch::QuarantineStatus, ledger::AgentFault, scheduler::Fault};

    /// A connected agent that has nothing to do.
    pub(crate) fn idle(name: &str) -> AgentFacts {
        let heartbeat = Heartbeat {
            free_disk_bytes: 1 << 30,
            lid_waiting: 0,
            engine: Engine::default(),
            storage: Storage::Ready,
        };
        AgentFacts {
            status: Some(AgentStatus {
                weight: 100,
                heartbeat,
                deliveries: 0,
                reconciling: false,
                unfit: None,
                quarantine: None,
                paused_until: None,
                is_full: false,
                verifies: true,
            }),
            ..away(name)
        }
    }

    /// An agent that was last seen at 7, and is given up at 90.
    pub(crate) fn away(name: &str) -> AgentFacts {
        let record = AgentRecord {
            name: name.parse().unwrap(),
            storage_id: "store".to_owned(),
            advertise_address: "10.0.0.1".to_owned(),
            version: "1".to_owned(),
            connected: false,
            last_seen: 7,
        };
        AgentFacts { record, standing: None, quarantine: None, status: None, refused: None, given_up_at: 90 }
    }

    fn decided(facts: AgentFacts, standing: Standing) -> AgentFacts {
        let agent = facts.record.name.clone();
        let reason = "works on it".to_owned();
        let record = StandingRecord { agent, standing, reason, since: 3, deadline: Some(50) };
        AgentFacts { standing: Some(record), ..facts }
    }

    pub(crate) fn hindered(name: &str, why: Unfit) -> AgentFacts {
        let mut facts = idle(name);
        facts.status.as_mut().unwrap().unfit = Some(why);
        facts
    }

    fn reason(facts: &AgentFacts) -> AgentReason {
        state(facts, 0)
    }

    #[test]
    fn agent_that_is_away_says_since_when_and_when_others_take_what_it_holds() {
        assert_eq!(state(&away("a"), 5), AgentReason::Away { since: 7, until: Some(90) });
        assert_eq!(state(&away("a"), 0), AgentReason::Away { since: 7, until: None });
    }

    #[test]
    fn what_an_operator_decided_comes_before_what_the_agent_says() {
        let why = || "works on it".to_owned();
        let removed = decided(idle("a"), Standing::Removed);
        assert_eq!(reason(&removed), AgentReason::Removed(Decision { why: why(), since: 3, until: None }));
        let draining = decided(hindered("a", Unfit::DiskFull), Standing::Draining);
        let decision = Decision { why: why(), since: 3, until: Some(50) };
        assert_eq!(reason(&draining), AgentReason::Draining(decision));
        let lost = decided(away("a"), Standing::Lost);
        assert_eq!(reason(&lost), AgentReason::Lost(Decision { why: why(), since: 3, until: None }));
        assert_eq!(reason(&decided(idle("a"), Standing::Lost)), AgentReason::Idle, "it is back");
    }

    #[test]
    fn agent_that_asks_in_vain_says_why() {
        let facts = AgentFacts { refused: Some(("too old".to_owned(), 8)), ..away("a") };
        assert_eq!(state(&facts, 2), AgentReason::Refused { why: "too old".to_owned(), at: 8 });
    }

    #[test]
    fn quarantine_says_since_when_and_when_it_is_probed() {
        let mut facts = hindered("a", Unfit::Quarantined("told to fail".to_owned()));
        let agent = facts.record.name.clone();
        let reason_text = "told to fail".to_owned();
        facts.quarantine = Some(QuarantineRecord {
            agent,
            fault: AgentFault::Engine,
            reason: reason_text.clone(),
            since: 4,
        });
        facts.status.as_mut().unwrap().quarantine = Some(QuarantineStatus {
            fault: Fault::Engine,
            reason: reason_text.clone(),
            since: 5,
            last_probe: None,
            next_probe: 60,
        });
        let decision = Decision { why: reason_text, since: 4, until: Some(60) };
        assert_eq!(reason(&facts), AgentReason::Quarantined(decision));
    }

    #[test]
    fn agent_that_is_ready_works_or_has_nothing_to_do_or_all_that_it_may() {
        assert_eq!(reason(&idle("a")), AgentReason::Idle);
        assert_eq!(state(&idle("a"), 1), AgentReason::Works);
        let mut facts = idle("a");
        facts.status.as_mut().unwrap().deliveries = 9;
        assert_eq!(reason(&facts), AgentReason::Works);
        facts.status.as_mut().unwrap().is_full = true;
        assert_eq!(reason(&facts), AgentReason::Full);
    }
}
