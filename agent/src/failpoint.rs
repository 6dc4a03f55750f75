//! The points at which a test build can be made to fail. Without the feature
//! `failpoints` nothing of this exists: the macro stands for no code at all.
//!
//! A name says what has happened, and what has not. docs/failpoints.md tells
//! what an error is at each.

/// Passes a point, with what is done if it is to fail there.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    (async $point:ident => $on_error:expr) => {
        if $crate::failpoint::$point.fails_async().await {
            $on_error
        }
    };
    ($point:ident => $on_error:expr) => {
        if $crate::failpoint::$point.fails() {
            $on_error
        }
    };
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($($words:tt)*) => {};
}

#[cfg(feature = "failpoints")]
pub use points::begin;
#[cfg(feature = "failpoints")]
pub(crate) use points::*;

#[cfg(feature = "failpoints")]
mod points {
    use std::process::ExitCode;

    /// Arms the points as the environment says; with an exit status the program
    /// is to end.
    #[must_use]
    pub fn begin() -> Option<ExitCode> {
        cofi_failpoint::begin(ALL)
    }

    // In the order of a recording's life.
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
}
