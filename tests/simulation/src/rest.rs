//! The end of a simulation: what must be so when everything is at rest.

use std::collections::BTreeMap;

use cofi_controller::ledger::{Lid, Placement};
use cofi_proto::{AgentName, session::LidOutcome};

use crate::{
    agent::{Disk, outcome},
    ledger::{ModelLedger, Row},
    witness::Witness,
};

/// What is still to be done, in words.
#[must_use]
pub fn left_to_do(ledger: &ModelLedger, disks: &BTreeMap<AgentName, Disk>) -> Vec<String> {
    let mut left = Vec::new();
    let mut count = |number: usize, what: &str| {
        if number > 0 {
            left.push(format!("{number} {what}"));
        }
    };
    let rows = |test: &dyn Fn(&Row) -> bool| {
        ledger.look(|rows| rows.recordings.values().filter(|row| test(row)).count())
    };
    count(rows(&|row| row.placement != Placement::Stored), "recordings to place");
    count(rows(&|row| row.lid == Lid::None), "recordings to identify");
    let is_held = |row: &Row| {
        let disk = row.agent.as_ref().and_then(|agent| disks.get(agent));
        disk.is_some_and(|disk| disk.holds().get(&row.planned.recording) == row.digest.as_ref())
    };
    count(rows(&|row| row.placement == Placement::Stored && !is_held(row)), "rows without files");
    let decided = |agent: &&AgentName| ledger.look(|rows| rows.standings.contains_key(*agent));
    count(disks.keys().filter(decided).count(), "decisions about agents that are there");
    for (agent, disk) in disks {
        let mine = |id| {
            ledger.look(|rows| rows.recordings.get(id).is_some_and(|row| row.agent.as_ref() == Some(agent)))
        };
        let strange = disk.holds().keys().filter(|id| !mine(*id)).count();
        count(strange, &format!("files of {agent} without rows"));
        let (unrecorded, unreceipted, waiting) = disk.unsettled();
        count(unrecorded, &format!("recordings that {agent} offers"));
        count(unreceipted, &format!("results that {agent} sends"));
        count(waiting, &format!("recordings that {agent} identifies"));
    }
    left
}

/// What the rows must say in the end.
pub fn audit(ledger: &ModelLedger, witness: &Witness) {
    ledger.look(|rows| {
        let (with_calls, calls) = rows.calls();
        let all = rows.recordings.len();
        if with_calls != all || i64::try_from(all).ok() != Some(calls) {
            witness.broken(format_args!("{all} recordings have {calls} calls"));
        }
        for (id, row) in &rows.recordings {
            let expected = row.digest.map(outcome);
            let right = match (&expected, row.lid) {
                (Some(LidOutcome::Identified(identified)), Lid::Done) => {
                    row.language.as_ref() == Some(&identified.language)
                }
                (Some(LidOutcome::Failed(_)), Lid::Failed) => row.language.is_none(),
                (_, Lid::None | Lid::Done | Lid::Failed) => false,
            };
            if !right {
                witness.broken(format_args!("{id} ends as {:?} {:?}", row.lid, row.language));
            }
        }
    });
}
