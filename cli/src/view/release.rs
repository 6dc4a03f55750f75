//! Recordings that no host needs to hold any more.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::rfc3339;

/// That no host needs to hold a recording any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Release {
    /// Who held it.
    pub(crate) agent: String,
    pub(crate) cause: ReleaseCause,
    pub(crate) reason: String,
    #[serde(serialize_with = "rfc3339")]
    pub(crate) release_time: Timestamp,
    /// When its host said that the file is gone.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub(crate) removal_time: Option<Timestamp>,
}

/// Who wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReleaseCause {
    Operator,
    Retention,
}

impl ReleaseCause {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Retention => "retention",
        }
    }
}

/// What releasing recordings of a batch came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Released {
    /// Nothing was released: the numbers say what would be.
    pub(crate) dry_run: bool,
    pub(crate) released: u64,
    pub(crate) released_bytes: u64,
    pub(crate) released_before: u64,
    pub(crate) needed: u64,
    pub(crate) unidentified: u64,
    pub(crate) too_young: u64,
}

#[allow(clippy::ref_option, reason = "the form that serde calls")]
fn rfc3339_or_null<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}
