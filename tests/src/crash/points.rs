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

/// Points that a program passes a few times while it starts: they are tried
/// there, and later.
const PASSED_AT_STARTS: [&str; 4] = [
    "agent.changes-written-not-committed",
    "agent.changes-committed-not-answered",
    "controller.transaction-written-not-committed",
    "controller.transaction-committed-not-answered",
];

/// Points at which an error ends the program: while it starts.
const ENDS_THE_PROGRAM: [&str; 4] = [
    "agent.store-mended-not-journaled",
    "agent.changes-written-not-committed",
    "controller.transaction-written-not-committed",
    "controller.transaction-committed-not-answered",
];

/// Hits after which a program has started.
const STARTED: usize = 12;

/// How a point is hit.
#[derive(Debug, Clone)]
pub struct Route {
    /// The point.
    pub point: String,
    /// Which program has it.
    pub daemon: Daemon,
    pub(super) story: Story,
    pub(super) first: &'static [Provocation],
    /// Hits that are let by first: those of the program's start.
    pub(super) after: usize,
    /// Whether the program ends by itself when it fails there.
    pub(super) error_is_fatal: bool,
    /// Words of what it then says at ERROR, beside those of every failpoint.
    pub(super) alarms: &'static [&'static str],
}

/// The points of both programs, each with its route.
pub async fn routes() -> Result<Vec<Route>> {
    let mut routes = Vec::new();
    for (program, prefix, daemon) in
        [("cofi-agent", "agent.", Daemon::Agent), ("cofi-controller", "controller.", Daemon::Controller)]
    {
        for point in points_of(program).await? {
            ensure!(point.starts_with(prefix), "{program} has a point {point:?}");
            let route = route(point, daemon);
            if PASSED_AT_STARTS.contains(&route.point.as_str()) {
                routes.push(Route { after: STARTED, error_is_fatal: false, ..route.clone() });
            }
            routes.push(route);
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
        | "agent.files-removed-not-forgotten"
        | "controller.release-decided-not-sent"
        | "controller.standing-written-not-committed"
        | "controller.standing-committed-nothing-given-up"
        | "controller.page-given-up-not-committed"
        | "controller.page-committed-others-not" => (Story::Custody, &[][..]),
        "agent.engine-drained-results-not-sent" => (Story::AgentDrains, &[][..]),
        "controller.drain-begun-groups-not-committed" => (Story::ControllerDrains, &[][..]),
        "controller.lid-page-written-not-committed" | "controller.lid-page-committed-others-not" => {
            (Story::LidIsApplied, &[][..])
        }
        _ => (Story::Batches, &[][..]),
    };
    let error_is_fatal = ENDS_THE_PROGRAM.contains(&point.as_str());
    let alarms = match point.as_str() {
        "agent.files-renamed-folder-not-flushed" => &["flush the folder"][..],
        "agent.store-mended-not-journaled" => &["start the store: the store is closed"][..],
        // The next start cannot tell a release that was cut off from a loss.
        "agent.files-removed-not-forgotten" => &["recordings that were held are gone"][..],
        _ => &[][..],
    };
    Route { point, daemon, story, first, after: 0, error_is_fatal, alarms }
}
