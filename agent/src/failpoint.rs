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

// In the order of a recording's life.
#[cfg(feature = "failpoints")]
cofi_failpoint::points! {
    WELCOMED = "agent.welcomed-not-begun",
    PAGE_OFFERED = "agent.held-page-offered-results-not-sent",
    PIECE_WRITTEN = "agent.piece-written-not-hashed",
    FILE_WHOLE = "agent.file-whole-not-flushed",
    FILES_FLUSHED = "agent.files-flushed-not-journaled",
    ROW_JOURNALED = "agent.row-journaled-not-renamed",
    FILES_RENAMED = "agent.files-renamed-folder-not-flushed",
    FOLDER_FLUSHED = "agent.folder-flushed-not-queued",
    ACKNOWLEDGEMENTS_READY = "agent.acknowledgements-ready-not-sent",
    RECORDED_HEARD = "agent.recorded-heard-not-journaled",
    RECORDING_TAKEN = "agent.recording-taken-worker-not-asked",
    RESULT_IN_HAND = "agent.results-in-hand-not-journaled",
    RESULTS_READ = "agent.results-read-not-sent",
    RESULTS_SENT = "agent.results-sent-not-receipted",
    RECEIPTS_HEARD = "agent.receipts-heard-not-journaled",
    CHANGES_WRITTEN = "agent.changes-written-not-committed",
    CHANGES_COMMITTED = "agent.changes-committed-not-answered",
    RELEASE_HEARD = "agent.release-heard-nothing-removed",
    CHANGE_OWED = "agent.files-removed-not-forgotten",
    ENGINE_DRAINED = "agent.engine-drained-results-not-sent",
    STORE_MENDED = "agent.store-mended-not-journaled",
}
