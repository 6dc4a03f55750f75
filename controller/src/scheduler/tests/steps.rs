//! What can happen in a history.

use cofi_proto::receive::RefusalCode;
use proptest::prelude::*;

/// What happens next in a history; numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Join(usize),
    Leave(usize),
    OpenLane(usize),
    /// The agent stores a delivery; its acknowledgement arrives.
    Store(usize, usize),
    /// The agent stores a delivery, and its acknowledgement is on its way.
    StoreSilently(usize, usize),
    Refuse(usize, usize, RefusalCode),
    SourceChanged(usize, usize),
    Engine(usize, bool),
    Drain(usize, bool),
    /// The agent identifies what it has, or its engine fails on it.
    Identify(usize, bool),
    Commit(usize),
    Load,
    /// The rows are looked at.
    Look,
    Advance(u64),
    Cancel,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let agent = 0..3_usize;
    let code = prop_oneof![
        Just(RefusalCode::Integrity),
        Just(RefusalCode::DiskFull),
        Just(RefusalCode::Io),
        Just(RefusalCode::NameTaken)
    ];
    prop_oneof![
        4 => agent.clone().prop_map(Step::Join),
        1 => agent.clone().prop_map(Step::Leave),
        4 => agent.clone().prop_map(Step::OpenLane),
        12 => (agent.clone(), any::<usize>()).prop_map(|(agent, which)| Step::Store(agent, which)),
        3 => (agent.clone(), any::<usize>()).prop_map(|(agent, which)| Step::StoreSilently(agent, which)),
        2 => (agent.clone(), any::<usize>(), code).prop_map(|(agent, which, code)| Step::Refuse(agent, which, code)),
        1 => (agent.clone(), any::<usize>()).prop_map(|(agent, which)| Step::SourceChanged(agent, which)),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, works)| Step::Engine(agent, works)),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, draining)| Step::Drain(agent, draining)),
        2 => (agent, any::<bool>()).prop_map(|(agent, well)| Step::Identify(agent, well)),
        8 => (1..50_usize).prop_map(Step::Commit),
        8 => Just(Step::Load),
        2 => Just(Step::Look),
        4 => (1..15_000_u64).prop_map(Step::Advance),
        // Rare: it ends most of what can happen.
        1 => (0..30_u8).prop_map(|dice| if dice == 0 { Step::Cancel } else { Step::Load }),
    ]
}
