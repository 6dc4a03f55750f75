//! Reasons as messages.

use cofi_proto::pb::v1 as pb;
use pb::ReasonKind as Kind;

use crate::explain::{AgentReason, Decision, Reason};

pub(super) fn reason(reason: Reason) -> pb::Reason {
    let of = |kind: Kind| pb::Reason { kind: kind.into(), ..pb::Reason::default() };
    match reason {
        Reason::Complete => of(Kind::Complete),
        Reason::Failed { recordings, code, detail, attempts } => {
            pb::Reason { recordings, code, detail, attempts, ..of(Kind::Failed) }
        }
        Reason::Cancelled(recordings) => pb::Reason { recordings, ..of(Kind::Cancelled) },
        Reason::DatabaseAway(detail) => pb::Reason { detail, ..of(Kind::DatabaseAway) },
        Reason::Released => of(Kind::Released),
        Reason::UnderWay(recordings) => pb::Reason { recordings, ..of(Kind::UnderWay) },
        Reason::UnderWayTo(agent) => pb::Reason { agent: agent.to_string(), ..of(Kind::UnderWayTo) },
        Reason::BeingVerified => of(Kind::BeingVerified),
        Reason::Queued(recordings) => pb::Reason { recordings, ..of(Kind::Queued) },
        Reason::Backoff { recordings, until, attempts } => {
            let until_micros = until.unwrap_or_default();
            pb::Reason { recordings, until_micros, attempts, ..of(Kind::Backoff) }
        }
        Reason::NoAgentSeen => of(Kind::NoAgentSeen),
        Reason::NoAgentConnected(recordings) => pb::Reason { recordings, ..of(Kind::NoAgentConnected) },
        Reason::Agent { agent, state, recordings } => {
            pb::Reason { agent: agent.to_string(), recordings, ..of_agent(state) }
        }
    }
}

fn of_agent(state: AgentReason) -> pb::Reason {
    let of = |kind: Kind| pb::Reason { kind: kind.into(), ..pb::Reason::default() };
    let decided = |kind, Decision { why, since, until }| pb::Reason {
        detail: why,
        since_micros: since,
        until_micros: until.unwrap_or_default(),
        ..of(kind)
    };
    match state {
        AgentReason::Expected(until_micros) => pb::Reason { until_micros, ..of(Kind::AgentExpected) },
        AgentReason::Works => of(Kind::AgentWorks),
        AgentReason::Idle => of(Kind::AgentIdle),
        AgentReason::Full => of(Kind::AgentFull),
        AgentReason::Away { since, until } => {
            pb::Reason { since_micros: since, until_micros: until.unwrap_or_default(), ..of(Kind::AgentAway) }
        }
        AgentReason::Lost(decision) => decided(Kind::AgentLost, decision),
        AgentReason::Removed(decision) => decided(Kind::AgentRemoved, decision),
        AgentReason::Draining(decision) => decided(Kind::AgentDraining, decision),
        AgentReason::Quarantined(decision) => decided(Kind::AgentQuarantined, decision),
        AgentReason::Reconciling => of(Kind::AgentReconciling),
        AgentReason::EngineStarting => of(Kind::EngineStarting),
        AgentReason::EngineFailed(detail) => pb::Reason { detail, ..of(Kind::EngineFailed) },
        AgentReason::WithoutStream => of(Kind::AgentWithoutStream),
        AgentReason::Paused { why, until } => {
            pb::Reason { detail: why, until_micros: until.unwrap_or_default(), ..of(Kind::AgentPaused) }
        }
        AgentReason::DiskFull => of(Kind::DiskFull),
        AgentReason::DiskFailed(detail) => pb::Reason { detail, ..of(Kind::DiskFailed) },
        AgentReason::Refused { why, at } => {
            pb::Reason { detail: why, since_micros: at, ..of(Kind::AgentRefused) }
        }
    }
}
