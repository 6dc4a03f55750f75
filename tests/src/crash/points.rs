//! What a point needs to be hit: which program has it, what has to happen, and
//! what has to go wrong first.

use anyhow::{Result, ensure};

use super::story::Story;
use crate::failpoints::points_of;

/// A program that has points. Of the agents only the first one is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// `cofi-controller`.
    Controller,
    /// `cofi-agent`.
    Agent,
}

/// Something that goes wrong first: at the point of this name, in this way.
pub(super) type Provocation = (Daemon, &'static str, &'static str);

/// The agent offers what it holds: acknowledgements of its were lost, twice.
const OFFERS: &[Provocation] = &[
    (Daemon::Agent, "agent.acknowledgements-ready-not-sent", "error@1"),
    (Daemon::Agent, "agent.acknowledgements-ready-not-sent", "error@2"),
];

/// The agent has something to mend when it starts, twice.
const UNFINISHED: &[Provocation] = &[
    (Daemon::Agent, "agent.folder-flushed-not-queued", "kill@1"),
    (Daemon::Agent, "agent.folder-flushed-not-queued", "kill@2"),
];

/// How a point is hit.
#[derive(Debug, Clone)]
pub struct Route {
    /// The point.
    pub point: String,
    /// Which program has it.
    pub daemon: Daemon,
    pub(super) story: Story,
    pub(super) first: &'static [Provocation],
    /// Whether the program ends by itself when it fails there.
    pub(super) error_is_fatal: bool,
    /// Whether the agent throws away what it got when it fails there, without
    /// having acknowledged it.
    pub(super) error_costs_a_delivery: bool,
}

/// The points of both programs, each with its route.
pub async fn routes() -> Result<Vec<Route>> {
    let mut routes = Vec::new();
    for (program, prefix, daemon) in
        [("cofi-agent", "agent.", Daemon::Agent), ("cofi-controller", "controller.", Daemon::Controller)]
    {
        for point in points_of(program).await? {
            ensure!(point.starts_with(prefix), "{program} has a point {point:?}");
            routes.push(route(point, daemon));
        }
    }
    Ok(routes)
}

/// Most points are on the way of every batch.
fn route(point: String, daemon: Daemon) -> Route {
    let (story, first) = match point.as_str() {
        "agent.welcomed-not-begun"
        | "agent.held-page-offered-results-not-sent"
        | "controller.agent-seated-not-written"
        | "controller.agent-written-not-welcomed"
        | "controller.offer-heard-not-compared" => (Story::Batches, OFFERS),
        "agent.store-mended-not-journaled" => (Story::Batches, UNFINISHED),
        "agent.release-heard-nothing-removed"
        | "agent.files-released-not-forgotten"
        | "controller.release-decided-not-sent"
        | "controller.standing-written-not-committed"
        | "controller.standing-committed-nothing-given-up"
        | "controller.page-given-up-not-committed"
        | "controller.page-committed-others-not" => (Story::Custody, &[][..]),
        "agent.engine-drained-results-not-sent" | "controller.departure-seen-not-written" => {
            (Story::AgentDrains, &[][..])
        }
        "controller.drain-begun-groups-not-committed" => (Story::ControllerDrains, &[][..]),
        "controller.lid-page-written-not-committed" | "controller.lid-page-committed-others-not" => {
            (Story::LidIsApplied, &[][..])
        }
        _ => (Story::Batches, &[][..]),
    };
    let error_is_fatal = matches!(
        point.as_str(),
        "agent.store-mended-not-journaled"
            | "controller.transaction-written-not-committed"
            | "controller.transaction-committed-not-answered"
    );
    let error_costs_a_delivery = false;
    Route { point, daemon, story, first, error_is_fatal, error_costs_a_delivery }
}
