//! What the invariant checker says, for people: a line a finding, and what was
//! looked at.

use super::{
    escape::escape,
    rows::NOTHING,
    table::{Column, Medium, number, table, words},
};
use crate::view::{AgentCheck, CheckSummary, Checked, Finding};

const AGENTS: &[Column] = &[
    words("AGENT"),
    words("STATE"),
    number("LOOKED AT"),
    number("NOT LOOKED AT"),
    number("NOT ITS OWN"),
    number("UNKNOWN FILES"),
];

pub(super) fn checked(medium: Medium, checked: &Checked) -> String {
    match checked {
        Checked::Finding(Finding { kind, words, .. }) => escape(&format!("{kind}: {words}")).into_owned(),
        Checked::Summary(sum) => {
            let mut parts = vec![looked_at(sum)];
            if !sum.agents.is_empty() {
                parts.push(table(medium, AGENTS, sum.agents.iter().map(agent)));
            }
            parts.push(outcome(sum));
            parts.join("\n")
        }
    }
}

fn agent(agent: &AgentCheck) -> Vec<String> {
    let known = |count: Option<u64>| count.map_or(NOTHING.to_owned(), |count| count.to_string());
    vec![
        agent.name.clone(),
        agent.state.words().to_owned(),
        agent.recordings_looked_at.to_string(),
        agent.recordings_not_looked_at.to_string(),
        known(agent.recordings_not_its_own),
        known(agent.unknown_files),
    ]
}

fn looked_at(sum: &CheckSummary) -> String {
    let looked_at =
        format!("looked at {} of {}", count(sum.recordings, "recording"), count(sum.batches, "batch"));
    let rest = [(sum.earlier_batches, "of an earlier service"), (sum.batches_being_planned, "being planned")];
    let rest = rest
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("not at {} {what}", count(number, "batch")));
    let parts: Vec<String> = std::iter::once(looked_at).chain(rest).collect();
    parts.join("; ")
}

fn outcome(sum: &CheckSummary) -> String {
    if sum.findings == 0 {
        return "nothing is wrong".to_owned();
    }
    let kinds: Vec<String> =
        sum.counts.iter().map(|(kind, count)| format!("{} {count}", escape(kind))).collect();
    format!("{}: {}", count(sum.findings, "finding"), kinds.join(", "))
}

fn count(number: u64, what: &str) -> String {
    let plural = match (number, what) {
        (1, _) => "",
        (_, "batch") => "es",
        _ => "s",
    };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::AgentCheckState;

    fn summary() -> CheckSummary {
        CheckSummary {
            batches: 2,
            recordings: 1,
            earlier_batches: 1,
            batches_being_planned: 0,
            findings: 0,
            counts: std::iter::empty().collect(),
            agents: Vec::new(),
        }
    }

    #[test]
    fn the_last_line_says_whether_something_is_wrong() {
        let text = checked(Medium::Plain, &Checked::Summary(summary()));
        assert_eq!(
            text,
            "looked at 1 recording of 2 batches; not at 1 batch of an earlier service\nnothing is wrong"
        );
        let agent = AgentCheck {
            name: "a".to_owned(),
            state: AgentCheckState::Away,
            recordings_looked_at: 0,
            recordings_not_looked_at: 7,
            recordings_not_its_own: None,
            unknown_files: None,
        };
        let counts = [("call_missing".to_owned(), 2), ("stage".to_owned(), 1)].into_iter().collect();
        let sum = CheckSummary { findings: 3, counts, agents: vec![agent], ..summary() };
        let text = checked(Medium::Plain, &Checked::Summary(sum));
        assert!(text.contains("not connected"), "{text}");
        assert!(text.ends_with("\n3 findings: call_missing 2, stage 1"), "{text}");
    }
}
