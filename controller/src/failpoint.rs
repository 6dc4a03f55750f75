//! The points at which a test build can be made to fail. Without the feature
//! `failpoints` nothing of this exists: the macro stands for no code at all.
//!
//! A name says what has happened, and what has not. docs/failpoints.md tells
//! what an error is at each.

/// Nothing: the point is not there.
#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($($words:tt)*) => {};
}

// In the order of a recording's life; then what happens to agents, to
// batches, and to the controller itself.
#[cfg(feature = "failpoints")]
cofi_failpoint::points! {
    BATCH_BEGUN = "controller.batch-begun-manifest-empty",
    MANIFEST_GROWN = "controller.manifest-grown-not-whole",
    MANIFEST_WHOLE = "controller.manifest-whole-not-published",
    BATCH_PUBLISHED = "controller.batch-published-not-answered",
    RECORDING_ORDERED = "controller.recording-ordered-not-read",
    LAST_PIECE_SENT = "controller.last-piece-sent-not-acknowledged",
    ACKNOWLEDGEMENTS_HEARD = "controller.acknowledgements-heard-not-compared",
    PLACEMENTS_WRITTEN = "controller.placements-written-not-committed",
    PLACEMENTS_COMMITTED = "controller.placements-committed-not-known",
    PLACEMENTS_KNOWN = "controller.placements-known-not-receipted",
    RESULTS_HEARD = "controller.results-heard-not-queued",
    RESULTS_WRITTEN = "controller.results-written-not-committed",
    RESULTS_COMMITTED = "controller.results-committed-not-known",
    RESULTS_KNOWN = "controller.results-known-not-receipted",
    AGENT_SEATED = "controller.agent-seated-not-written",
    AGENT_WRITTEN = "controller.agent-written-not-welcomed",
    OFFER_HEARD = "controller.offer-heard-not-compared",
    RELEASE_DECIDED = "controller.release-decided-not-sent",
    STANDING_WRITTEN = "controller.standing-written-not-committed",
    STANDING_COMMITTED = "controller.standing-committed-nothing-given-up",
    PAGE_GIVEN_UP = "controller.page-given-up-not-committed",
    PAGE_COMMITTED = "controller.page-committed-others-not",
    STAGES_WRITTEN = "controller.stages-written-not-committed",
    STAGES_COMMITTED = "controller.stages-committed-not-shared",
    LID_PAGE_WRITTEN = "controller.lid-page-written-not-committed",
    LID_PAGE_COMMITTED = "controller.lid-page-committed-others-not",
    DRAIN_BEGUN = "controller.drain-begun-groups-not-committed",
    TRANSACTION_WRITTEN = "controller.transaction-written-not-committed",
    TRANSACTION_COMMITTED = "controller.transaction-committed-not-answered",
}
