//! Reasons, for people: each as a line, and beneath it what would get things
//! going.

use jiff::Timestamp;

use super::{
    escape::escape,
    rows::or_nothing,
    table::{Column, Medium, table, words},
};
use crate::view::{
    AgentExplained, BatchExplained, HistoryEntry, Reason, ReasonKind as Kind, RecordingExplained,
};

const HISTORY: &[Column] = &[words("TIME"), words("WHAT"), words("AGENT"), words("CODE"), words("REASON")];

pub(super) fn batch(explained: &BatchExplained) -> String {
    let mut lines = vec![match (&explained.state, &explained.counts) {
        (Some(state), Some(counts)) => format!(
            "batch {} is {}: {} of {} placed, {} identified, {} failed",
            explained.batch_id,
            state.words(),
            counts.stored,
            counts.recordings,
            counts.identified,
            counts.failed(),
        ),
        _ => format!("batch {}: not known", explained.batch_id),
    }];
    lines.extend(explained.reasons.iter().flat_map(told));
    lines.join("\n")
}

pub(super) fn recording(medium: Medium, explained: &RecordingExplained) -> String {
    let batch = explained.batch_id;
    let title = match &explained.recording {
        Some(recording) => format!("{batch}/{} {}", recording.ordinal, escape(&recording.audio_name)),
        None => format!("batch {batch}: not known"),
    };
    whole(medium, title, &explained.reasons, &explained.history)
}

pub(super) fn agent(medium: Medium, explained: &AgentExplained) -> String {
    let name = escape(&explained.name);
    let title = match &explained.agent {
        Some(agent) => format!("agent {name} is {}", agent.state.words()),
        None => format!("agent {name}: not known"),
    };
    whole(medium, title, &explained.reasons, &explained.history)
}

fn whole(medium: Medium, title: String, reasons: &[Reason], history: &[HistoryEntry]) -> String {
    let lines: Vec<String> = std::iter::once(title).chain(reasons.iter().flat_map(told)).collect();
    let lines = lines.join("\n");
    let history = table(medium, HISTORY, history.iter().map(entry));
    if history.is_empty() { lines } else { format!("{lines}\n\n{history}") }
}

fn entry(entry: &HistoryEntry) -> Vec<String> {
    vec![
        moment(entry.time),
        entry.kind.replace('_', " "),
        or_nothing(entry.agent.as_ref()),
        or_nothing(entry.code.as_ref()),
        or_nothing(entry.reason.as_ref()),
    ]
}

/// A reason, and what would help, as lines.
fn told(reason: &Reason) -> Vec<String> {
    let mut lines = vec![escape(&format!("  {}", why(reason))).into_owned()];
    lines.extend(remedy(reason).map(|remedy| escape(&format!("    -> {remedy}")).into_owned()));
    lines
}

fn moment(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn count(number: u64) -> String {
    format!("{number} recording{}", if number == 1 { "" } else { "s" })
}

/// The reason in words.
fn why(reason: &Reason) -> String {
    let agent = reason.agent.as_deref().unwrap_or("an agent");
    let detail = reason.detail.as_deref().unwrap_or("no reason is known");
    let since = reason.since_time.map(|time| format!(" since {}", moment(time))).unwrap_or_default();
    let waiting = match reason.recordings {
        0 => String::new(),
        waiting => format!("; {} for it", waits(waiting)),
    };
    match reason.kind {
        Kind::Complete => "everything is placed and identified".to_owned(),
        Kind::Failed => {
            let code = reason.code.as_deref().unwrap_or("unknown");
            let tried = match reason.attempts {
                0 | 1 => String::new(),
                attempts => format!(" after {attempts} attempts"),
            };
            format!("{} failed{tried} ({code}): {detail}", count(reason.recordings))
        }
        Kind::Cancelled => format!("cancelled before it was placed: {}", count(reason.recordings)),
        Kind::DatabaseAway => format!("the database cannot be read: {detail}"),
        Kind::Released => "later stages are done with it: no host needs to hold it".to_owned(),
        Kind::UnderWay => format!("{} under way to agents", count(reason.recordings)),
        Kind::UnderWayTo => format!("it is under way to {agent}"),
        Kind::BeingVerified => "an agent holds it already, which is compared with the source".to_owned(),
        Kind::Queued if reason.recordings == 0 => "it waits for its turn".to_owned(),
        Kind::Queued => format!("{} of others come first", count(reason.recordings)),
        Kind::Backoff => backoff(reason),
        Kind::NoAgentSeen => "no agent has ever connected".to_owned(),
        Kind::NoAgentConnected => format!("none of {} agents is connected", reason.recordings),
        Kind::AgentExpected => {
            format!(
                "{agent} was connected before the controller started anew, and may hold what is not recorded"
            )
        }
        Kind::AgentWorks => format!("{agent} works{waiting}"),
        Kind::AgentIdle => format!("{agent} is ready and has nothing to do"),
        Kind::AgentFull => format!("{agent} has as much under way as it may{waiting}"),
        Kind::AgentAway => format!("{agent} is away{since}{waiting}"),
        Kind::AgentLost => format!("{agent} is lost{since} ({detail}): what it held is placed again"),
        Kind::AgentRemoved => format!("{agent} was removed by an operator{since}: {detail}"),
        Kind::AgentDraining => format!("{agent} is drained{since}: {detail}{waiting}"),
        Kind::AgentQuarantined => format!("{agent} is quarantined{since}: {detail}{waiting}"),
        Kind::AgentReconciling => format!("{agent} says first what it holds{waiting}"),
        Kind::EngineStarting => format!("{agent} starts its engine{waiting}"),
        Kind::EngineFailed => format!("{agent} has no engine: {detail}{waiting}"),
        Kind::AgentWithoutStream => format!("{agent} has opened no stream to receive on{waiting}"),
        Kind::AgentPaused => format!("{agent} rests after an error: {detail}{waiting}"),
        Kind::DiskFull => format!("{agent} has no room on its disk{waiting}"),
        Kind::DiskFailed => format!("{agent} has a disk that fails: {detail}{waiting}"),
        Kind::AgentRefused => format!("{agent} asks for a session and is refused: {detail}{waiting}"),
    }
}

fn waits(number: u64) -> String {
    format!("{} wait{}", count(number), if number == 1 { "s" } else { "" })
}

fn backoff(reason: &Reason) -> String {
    let failed = match reason.attempts {
        0 => format!("{} failed and will be tried again", count(reason.recordings)),
        attempts => format!("it failed {attempts} times and is tried again"),
    };
    match reason.until_time {
        Some(until) => format!("{failed} at {}", moment(until)),
        None => failed,
    }
}

/// What would get things going, if that is known and anything is to be done.
fn remedy(reason: &Reason) -> Option<String> {
    let agent = reason.agent.as_deref().unwrap_or("NAME");
    let until = reason.until_time.map(moment);
    match reason.kind {
        Kind::Complete
        | Kind::Released
        | Kind::UnderWay
        | Kind::UnderWayTo
        | Kind::BeingVerified
        | Kind::Queued
        | Kind::Backoff
        | Kind::AgentWorks
        | Kind::AgentIdle
        | Kind::AgentFull
        | Kind::AgentLost
        | Kind::AgentReconciling
        | Kind::EngineStarting => None,
        Kind::Failed => Some("`cofi batch retry` tries again, once the cause is mended".to_owned()),
        Kind::Cancelled => Some("submit the folder anew, with --skip-known for what is left".to_owned()),
        Kind::DatabaseAway => Some("bring the database back: work goes on by itself".to_owned()),
        Kind::NoAgentSeen => Some("start cofi-agent on a host, with --controller at this one".to_owned()),
        Kind::NoAgentConnected => Some("start an agent, or look at the log of one".to_owned()),
        Kind::AgentExpected => Some(match until {
            Some(until) => format!("start it; at {until} work goes on without it"),
            None => "start it".to_owned(),
        }),
        Kind::AgentAway => Some(match until {
            Some(until) => format!("start it, or look at its log; at {until} what it holds is placed again"),
            None => "start it, or look at its log".to_owned(),
        }),
        Kind::AgentRemoved => Some(format!("`cofi agent resume {agent}` lets it come back")),
        Kind::AgentDraining => Some(format!("`cofi agent resume {agent}` lets it take work again")),
        Kind::AgentQuarantined => {
            let probed = until.map(|until| format!("it is probed at {until}; ")).unwrap_or_default();
            Some(format!("{probed}once it is mended, `cofi agent resume {agent}` lets it take work at once"))
        }
        Kind::EngineFailed => Some("look at its log, its model and its device".to_owned()),
        Kind::AgentWithoutStream => Some("look at its log, and at the network between".to_owned()),
        Kind::AgentPaused => until.map(|until| format!("it takes work again at {until}")),
        Kind::DiskFull => Some("make room on its disk, or add an agent".to_owned()),
        Kind::DiskFailed => Some("look at its disk: it is tried again by itself".to_owned()),
        Kind::AgentRefused => Some("mend what the words say, on that host".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind) -> Reason {
        Reason {
            kind,
            agent: Some("gpu-1".to_owned()),
            recordings: 0,
            code: None,
            detail: None,
            since_time: None,
            until_time: None,
            attempts: 0,
        }
    }

    #[test]
    fn what_waits_for_an_agent_is_told_with_it() {
        let away = Reason { recordings: 1, since_time: Some(Timestamp::UNIX_EPOCH), ..of(Kind::AgentAway) };
        let lines = told(&away);
        assert_eq!(lines[0], "  gpu-1 is away since 1970-01-01T00:00:00Z; 1 recording waits for it");
        assert_eq!(lines[1], "    -> start it, or look at its log");
        let works = Reason { recordings: 2, ..of(Kind::AgentWorks) };
        assert_eq!(told(&works), ["  gpu-1 works; 2 recordings wait for it"]);
    }

    #[test]
    fn failures_say_how_often_and_with_which_words() {
        let failed = Reason {
            recordings: 1,
            code: Some("timeout".to_owned()),
            detail: Some("no answer\u{1b}[2J".to_owned()),
            attempts: 2,
            ..of(Kind::Failed)
        };
        assert_eq!(told(&failed)[0], "  1 recording failed after 2 attempts (timeout): no answer\\u{1b}[2J");
    }

    #[test]
    fn backoff_says_when_it_ends_if_that_is_known() {
        let again = Reason { attempts: 2, ..of(Kind::Backoff) };
        assert_eq!(told(&again), ["  it failed 2 times and is tried again"]);
        let many = Reason { recordings: 3, until_time: Some(Timestamp::UNIX_EPOCH), ..of(Kind::Backoff) };
        assert_eq!(told(&many), ["  3 recordings failed and will be tried again at 1970-01-01T00:00:00Z"]);
    }
}
