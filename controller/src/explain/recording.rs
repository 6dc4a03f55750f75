//! Why a recording is not done.

use super::{AgentFacts, Reason, batch::unsent, explain_agent};
use crate::{
    dispatch::{Place, Prospects},
    ledger::{Lid, Placement, RecordingRecord},
};

/// What is known of a recording.
#[derive(Debug, Clone)]
pub struct RecordingFacts {
    /// Its rows.
    pub record: RecordingRecord,
    /// What is ahead of it.
    pub prospects: Prospects,
    /// All agents that were ever seen.
    pub agents: Vec<AgentFacts>,
}

/// Why a recording is not done; what holds it up most first.
#[must_use]
pub fn explain_recording(facts: &RecordingFacts) -> Vec<Reason> {
    let record = &facts.record;
    let attempts = u32::try_from(record.attempts).unwrap_or(u32::MAX);
    match (record.placement, record.lid) {
        (Placement::Planned, _) => planned(facts),
        (Placement::Cancelled, _) => vec![Reason::Cancelled(1)],
        (Placement::Failed, _) | (Placement::Stored, Lid::Failed) => vec![Reason::Failed {
            recordings: 1,
            code: record.code.clone().unwrap_or_default(),
            detail: record.reason.clone().unwrap_or_default(),
            attempts,
        }],
        (Placement::Stored, Lid::Done) if record.release.is_some() => vec![Reason::Released],
        (Placement::Stored, Lid::Done) => vec![Reason::Complete],
        (Placement::Stored, Lid::None) => {
            let is_holder = |agent: &&AgentFacts| Some(agent.record.name.as_str()) == record.agent.as_deref();
            let holder = facts.agents.iter().find(is_holder).map(|agent| explain_agent(agent, 1));
            let failed = (attempts > 0).then_some(Reason::Backoff { recordings: 1, until: None, attempts });
            holder.into_iter().chain(failed).collect()
        }
    }
}

fn planned(facts: &RecordingFacts) -> Vec<Reason> {
    match &facts.prospects.recording {
        Some(Place::UnderWay(agent)) => vec![Reason::UnderWayTo(agent.clone())],
        Some(Place::Offered) => vec![Reason::BeingVerified],
        Some(Place::Delayed(until, attempts)) => {
            let attempts = u32::try_from(*attempts).unwrap_or(u32::MAX);
            vec![Reason::Backoff { recordings: 1, until: Some(*until), attempts }]
        }
        Some(Place::Queued(ahead)) => {
            let of_others = Prospects { under_way: 0, delayed: 0, ahead: *ahead, ..facts.prospects.clone() };
            unsent(&of_others, &facts.agents)
        }
        None => unsent(&facts.prospects, &facts.agents),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{
        AgentReason,
        agent::tests::{away, idle},
    };

    fn facts(placement: Placement, lid: Lid) -> RecordingFacts {
        let record = RecordingRecord {
            ordinal: 3,
            audio_name: "a.wav".to_owned(),
            source_path: "a.wav".to_owned(),
            size: 10,
            placement,
            lid,
            agent: (placement == Placement::Stored).then(|| "a".to_owned()),
            call: None,
            digest: None,
            attempts: 2,
            code: Some("timeout".to_owned()),
            reason: Some("no answer".to_owned()),
            language: None,
            duration_seconds: None,
            release: None,
        };
        RecordingFacts { record, prospects: Prospects::default(), agents: vec![away("a"), idle("b")] }
    }

    #[test]
    fn recording_that_waits_says_where_it_is() {
        let mut facts = facts(Placement::Planned, Lid::None);
        for (place, expected) in [
            (Place::UnderWay("b".parse().unwrap()), Reason::UnderWayTo("b".parse().unwrap())),
            (Place::Offered, Reason::BeingVerified),
            (Place::Delayed(40, 1), Reason::Backoff { recordings: 1, until: Some(40), attempts: 1 }),
        ] {
            facts.prospects.recording = Some(place);
            assert_eq!(explain_recording(&facts), [expected]);
        }
        facts.prospects.recording = Some(Place::Queued(7));
        let reasons = explain_recording(&facts);
        assert_eq!(reasons[0], Reason::Queued(7));
        assert_eq!(reasons.len(), 3, "and how the agents are: {reasons:?}");
    }

    #[test]
    fn recording_whose_host_is_away_says_until_when_it_is_waited_for() {
        let facts = facts(Placement::Stored, Lid::None);
        let state = AgentReason::Away { since: 7, until: Some(90) };
        let held = Reason::Agent { agent: "a".parse().unwrap(), state, recordings: 1 };
        let again = Reason::Backoff { recordings: 1, until: None, attempts: 2 };
        assert_eq!(explain_recording(&facts), [held, again]);
    }

    #[test]
    fn recording_that_rests_says_why() {
        let failed = Reason::Failed {
            recordings: 1,
            code: "timeout".to_owned(),
            detail: "no answer".to_owned(),
            attempts: 2,
        };
        for (placement, lid) in [(Placement::Stored, Lid::Failed), (Placement::Failed, Lid::None)] {
            assert_eq!(explain_recording(&facts(placement, lid)), std::slice::from_ref(&failed));
        }
        assert_eq!(explain_recording(&facts(Placement::Stored, Lid::Done)), [Reason::Complete]);
        assert_eq!(explain_recording(&facts(Placement::Cancelled, Lid::None)), [Reason::Cancelled(1)]);
    }
}
