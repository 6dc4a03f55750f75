//! Tokens and certificates as the ledger knows them: never a secret.

use cofi_identity::{
    KeyHash, Serial,
    token::{AccessRecord, AccessToken, JoinRecord, JoinToken, Role, TokenHash, TokenId},
};
use cofi_proto::AgentName;

use super::TokenState;

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPurpose {
    /// This agent joins with it, once.
    Join(AgentName),
    /// Its bearer calls the control listener.
    Access(Role),
}

/// A token that is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What it is kept under.
    pub id: TokenId,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// Its hash.
    pub hash: TokenHash,
    /// Whom it is for, for people; what is longer than 200 characters is cut.
    pub note: String,
    /// Microseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// The same; None: good until it is revoked.
    pub expires_at: Option<i64>,
}

impl NewToken {
    /// With which an agent joins before `expires_at`.
    #[must_use]
    pub fn join(token: &JoinToken, agent: AgentName, created_at: i64, expires_at: i64) -> Self {
        Self {
            id: token.id(),
            purpose: TokenPurpose::Join(agent),
            hash: token.hash(),
            note: String::new(),
            created_at,
            expires_at: Some(expires_at),
        }
    }

    /// With which its bearer calls the control listener.
    #[must_use]
    pub fn access(
        token: &AccessToken,
        note: impl Into<String>,
        created_at: i64,
        expires_at: Option<i64>,
    ) -> Self {
        Self {
            id: token.id(),
            purpose: TokenPurpose::Access(token.role()),
            hash: token.hash(),
            note: note.into(),
            created_at,
            expires_at,
        }
    }
}

/// A token that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its place in the order in which tokens were recorded.
    pub sequence: i64,
    /// What it is kept under.
    pub id: TokenId,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// Its hash.
    pub hash: TokenHash,
    /// Whom it is for, for people.
    pub note: String,
    /// Microseconds since 1970-01-01 UTC, here and below.
    pub created_at: i64,
    /// None: good until it is revoked.
    pub expires_at: Option<i64>,
    /// None: it is not.
    pub revoked_at: Option<i64>,
    /// When a machine joined with it.
    pub used_at: Option<i64>,
    /// The key of that machine.
    pub used_by: Option<KeyHash>,
}

impl TokenRecord {
    /// What has become of it at `now`.
    #[must_use]
    pub fn state(&self, now: i64) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.used_at.is_some() {
            TokenState::Used
        } else if self.expires_at.is_some_and(|expires_at| now >= expires_at) {
            TokenState::Expired
        } else {
            TokenState::Good
        }
    }

    /// What decides about a machine that joins with it; None for a token of
    /// another kind.
    #[must_use]
    pub fn join_record(&self) -> Option<JoinRecord> {
        let (TokenPurpose::Join(agent), Some(expires_at_micros)) = (&self.purpose, self.expires_at) else {
            return None;
        };
        Some(JoinRecord {
            agent: agent.clone(),
            hash: self.hash,
            expires_at_micros,
            revoked: self.revoked_at.is_some(),
            used_by: self.used_by,
        })
    }

    /// What decides about its bearer; None for a token of another kind.
    #[must_use]
    pub fn access_record(&self) -> Option<AccessRecord> {
        let TokenPurpose::Access(role) = self.purpose else { return None };
        Some(AccessRecord {
            role,
            hash: self.hash,
            expires_at_micros: self.expires_at,
            revoked: self.revoked_at.is_some(),
        })
    }
}

/// What it came to that an agent's certificates were revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRevoked {
    /// How many were good until then.
    pub certificates: u64,
    /// All certificates of the agent that are revoked and not expired, also
    /// those from before.
    pub serials: Vec<Serial>,
}

/// What a machine that joined is answered, and what the controller has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its certificate, in DER.
    pub certificate: Vec<u8>,
    /// All certificates of the agent that are revoked and not expired: those
    /// from before it joined are among them.
    pub revoked: Vec<Serial>,
}
