//! Who may come in, and what was done by whom.

use std::{fmt, path::PathBuf};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::{optional_rfc3339, rfc3339};

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Token {
    pub(crate) token_id: String,
    pub(crate) kind: TokenKind,
    /// Of a join token: the agent that it is for.
    pub(crate) agent: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) state: TokenState,
    #[serde(serialize_with = "rfc3339")]
    pub(crate) created_time: Timestamp,
    /// Not there: it is good until it is revoked.
    #[serde(serialize_with = "optional_rfc3339")]
    pub(crate) expires_time: Option<Timestamp>,
    #[serde(serialize_with = "optional_rfc3339")]
    pub(crate) revoked_time: Option<Timestamp>,
    #[serde(serialize_with = "optional_rfc3339")]
    pub(crate) used_time: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenKind {
    Join,
    Viewer,
    Operator,
}

impl TokenKind {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenState {
    Good,
    Used,
    Expired,
    Revoked,
}

impl TokenState {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A token that was just made, with its secret: the only time that it is told.
#[derive(Debug)]
pub(crate) struct NewToken {
    pub(crate) secret: Secret,
    pub(crate) token: Token,
}

/// What is said of a token that was just made.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedToken {
    pub(crate) token: Token,
    /// Unless it was written to a file.
    pub(crate) secret: Option<Secret>,
    pub(crate) secret_file: Option<PathBuf>,
}

/// What must not be seen except where it was asked for.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

/// That an agent's certificates are good no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct RevokedAgent {
    pub(crate) revoked_certificates: u32,
}

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AuditEntry {
    pub(crate) audit_id: i64,
    #[serde(serialize_with = "rfc3339")]
    pub(crate) at_time: Timestamp,
    pub(crate) actor: String,
    /// Not there: the controller itself.
    pub(crate) peer: Option<String>,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) denied: bool,
    pub(crate) detail: Option<String>,
    pub(crate) count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("sesame".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(..) Secret(..)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"sesame\"");
    }
}
