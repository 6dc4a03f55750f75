//! What is told of failures and of what happened.

/// Recordings that rest as failed with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureCount {
    /// A fixed word for programs.
    pub code: String,
    /// How many.
    pub recordings: u64,
    /// The words of one of them.
    pub reason: String,
}

/// Something that happened to a recording or an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRecord {
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// A fixed word for programs.
    pub kind: String,
    /// Where it happened, if on an agent.
    pub agent: Option<String>,
    /// Of a failure.
    pub code: Option<String>,
    /// Words for people.
    pub reason: String,
}
