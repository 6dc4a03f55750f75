//! What the agent and an engine's worker process say to each other: one JSON object a line, UTF-8.
//!
//! ```text
//! agent                                     worker
//!   |  <------------  {"ready": {...}}  or  {"fatal": "why"}, and it exits
//!   |  {"id", "path", "candidates"}  ------------>
//!   |  <------------  {"id", "language", "duration_seconds", ...}  or  {"id", "error", ...}
//! ```
//!
//! A failure with `"ends": true` is the last thing that a worker says: it gave the recording up by ending.
//! Requests are answered in any order. A worker leaves when its standard input closes. Nothing but these
//! lines goes to its standard output.

mod request;
mod worker_line;

pub use request::Request;
pub use worker_line::{Answer, Failure, FailureClass, LanguageProbability, Ready, WorkerLine};

/// The longest line in bytes, its line feed included: whatever is longer is a worker gone wrong.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Why a line is none of the protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The line exceeds [`MAX_LINE_BYTES`].
    #[error("line of {bytes} bytes, of which at most {MAX_LINE_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The line is no JSON object with members of these types.
    #[error("read a line of the worker protocol")]
    Json(#[from] serde_json::Error),
    /// The members say nothing, or several things at once.
    #[error("line is {found}, and must be exactly one of ready, fatal, an answer and a failure")]
    Shape {
        /// What the line is instead.
        found: &'static str,
    },
    /// A member has a value that it cannot have.
    #[error("{field} is {value}, and must be {accepted}")]
    Value {
        /// The member.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        accepted: &'static str,
    },
}

fn check_length(line: &str) -> Result<(), ProtocolError> {
    if line.len() >= MAX_LINE_BYTES {
        return Err(ProtocolError::TooLong { bytes: line.len() });
    }
    Ok(())
}

/// Text that is stored and shown: neither empty nor longer than `max` characters, without control characters.
fn check_text(
    field: &'static str,
    text: &str,
    max: usize,
    accepted: &'static str,
) -> Result<(), ProtocolError> {
    if text.is_empty() || text.chars().nth(max).is_some() || text.chars().any(char::is_control) {
        let start: String = text.chars().take(max).collect();
        return Err(ProtocolError::Value { field, value: format!("{start:?}"), accepted });
    }
    Ok(())
}

fn to_line<T: serde::Serialize>(value: &T) -> Result<String, ProtocolError> {
    let line = serde_json::to_string(value)?;
    check_length(&line)?;
    Ok(line)
}
