//! Mistakes that are made on purpose, to see that they are noticed.

use clap::ValueEnum;

/// A mistake in a part that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mistake {
    /// The store acknowledges what it has not flushed.
    AcknowledgeEarly,
    /// Before it dials again the agent does not wait for what came in.
    SettleNothing,
    /// The store keeps what it is told to remove.
    KeepReleased,
    /// The ledger answers what it has not committed.
    AnswerEarly,
}
