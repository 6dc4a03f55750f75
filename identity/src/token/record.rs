//! What the controller recorded about a token, and what that lets in.
//!
//! The secret is compared before anything else is said: whoever does not hold
//! it learns nothing about the record. Whoever does is told what is wrong.

use std::time::Duration;

use cofi_proto::AgentName;

use super::{AccessToken, JoinToken, Role, TokenHash};
use crate::KeyHash;

/// For how long a join token is good unless it was made otherwise.
pub const JOIN_TOKEN_LIFETIME: Duration = Duration::from_hours(1);

/// What was recorded about a join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRecord {
    /// Which agent it is for.
    pub agent: AgentName,
    /// The token's hash.
    pub hash: TokenHash,
    /// From when on it is not good any more, in microseconds since 1970-01-01
    /// UTC.
    pub expires_at_micros: i64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// The key that got a certificate for it.
    pub used_by: Option<KeyHash>,
}

/// What a machine that joins is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A certificate; and the record, in the same transaction, the key.
    First,
    /// The certificate that its key got before, since the answer was lost.
    Again,
}

/// Why a machine may not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefused {
    /// The secret is wrong. Tokens that are not recorded are answered the
    /// same, so that nobody can find out which are.
    #[error("token not known here: make one with cofi token create --join {asked}")]
    Unknown {
        /// The agent that the machine says it is.
        asked: AgentName,
    },
    /// It is for another agent.
    #[error("token for agent {recorded}, not {asked}: make one with cofi token create --join {asked}")]
    OtherAgent {
        /// The agent that it is for.
        recorded: AgentName,
        /// The agent that the machine says it is.
        asked: AgentName,
    },
    /// It was revoked.
    #[error("token revoked: make a new one with cofi token create --join {agent}")]
    Revoked {
        /// The agent that it was for.
        agent: AgentName,
    },
    /// Another machine has used it, or this one with another key.
    #[error(
        "token used already, with another key: unless this machine lost its own, find out who did, then make a new one with cofi token create --join {agent}"
    )]
    Used {
        /// The agent that it was for.
        agent: AgentName,
    },
    /// It has expired.
    #[error("token expired: make a new one with cofi token create --join {agent}")]
    Expired {
        /// The agent that it was for.
        agent: AgentName,
    },
}

impl JoinRecord {
    /// Whether a machine that says it is agent `asked`, holds `token` and wants
    /// a certificate for `key` gets one at `now_micros`, in microseconds since
    /// 1970-01-01 UTC.
    pub fn admit(
        &self,
        token: &JoinToken,
        asked: &AgentName,
        key: KeyHash,
        now_micros: i64,
    ) -> Result<Admission, JoinRefused> {
        if token.hash() != self.hash {
            return Err(JoinRefused::Unknown { asked: asked.clone() });
        }
        let agent = || self.agent.clone();
        if *asked != self.agent {
            return Err(JoinRefused::OtherAgent { recorded: agent(), asked: asked.clone() });
        }
        if self.revoked {
            return Err(JoinRefused::Revoked { agent: agent() });
        }
        match self.used_by {
            // However late: what it gets is what it was given in time.
            Some(used_by) if used_by == key => Ok(Admission::Again),
            Some(_) => Err(JoinRefused::Used { agent: agent() }),
            None if now_micros >= self.expires_at_micros => Err(JoinRefused::Expired { agent: agent() }),
            None => Ok(Admission::First),
        }
    }
}

/// What was recorded about an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRecord {
    /// What it lets its bearer do.
    pub role: Role,
    /// The token's hash.
    pub hash: TokenHash,
    /// From when on it is not good any more, in microseconds since 1970-01-01
    /// UTC; None: good until it is revoked.
    pub expires_at_micros: Option<i64>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Why an access token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefused {
    /// The secret is wrong. Tokens that are not recorded are answered the
    /// same.
    #[error("token not known here")]
    Unknown,
    /// It was revoked.
    #[error("token revoked")]
    Revoked,
    /// It has expired.
    #[error("token expired")]
    Expired,
}

impl AccessRecord {
    /// What the bearer of `token` may do at `now_micros`, in microseconds
    /// since 1970-01-01 UTC.
    pub fn role_of(&self, token: &AccessToken, now_micros: i64) -> Result<Role, AccessRefused> {
        if token.hash() != self.hash {
            return Err(AccessRefused::Unknown);
        }
        if self.revoked {
            return Err(AccessRefused::Revoked);
        }
        match self.expires_at_micros {
            Some(expires_at) if now_micros >= expires_at => Err(AccessRefused::Expired),
            Some(_) | None => Ok(self.role),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn name(name: &str) -> AgentName {
        name.parse().unwrap()
    }

    fn recorded() -> (JoinToken, JoinRecord) {
        let token = JoinToken::generate(KeyHash::from_bytes([1; 32])).unwrap();
        let record = JoinRecord {
            agent: name("gpu-01"),
            hash: token.hash(),
            expires_at_micros: HOUR,
            revoked: false,
            used_by: None,
        };
        (token, record)
    }

    const KEY: KeyHash = KeyHash::from_bytes([2; 32]);
    const OTHER_KEY: KeyHash = KeyHash::from_bytes([3; 32]);

    #[test]
    fn a_join_token_works_once_and_for_the_same_key_again() {
        let (token, mut record) = recorded();
        let agent = name("gpu-01");
        assert_eq!(record.admit(&token, &agent, KEY, 0), Ok(Admission::First));
        record.used_by = Some(KEY);
        assert_eq!(record.admit(&token, &agent, KEY, 0), Ok(Admission::Again));
        assert_eq!(record.admit(&token, &agent, KEY, 2 * HOUR), Ok(Admission::Again));
        let used = Err(JoinRefused::Used { agent: agent.clone() });
        assert_eq!(record.admit(&token, &agent, OTHER_KEY, 0), used);
        record.revoked = true;
        assert_eq!(record.admit(&token, &agent, KEY, 0), Err(JoinRefused::Revoked { agent }));
    }

    #[test]
    fn a_join_token_is_for_one_agent_and_one_hour() {
        let (token, record) = recorded();
        let (agent, asked) = (name("gpu-01"), name("gpu-02"));
        let other = JoinRefused::OtherAgent { recorded: agent.clone(), asked: asked.clone() };
        assert_eq!(record.admit(&token, &asked, KEY, 0), Err(other));
        assert!(record.admit(&token, &agent, KEY, HOUR - 1).is_ok());
        assert_eq!(record.admit(&token, &agent, KEY, HOUR), Err(JoinRefused::Expired { agent }));
    }

    #[test]
    fn a_wrong_secret_learns_nothing_about_the_record() {
        let (_, mut record) = recorded();
        record.revoked = true;
        record.used_by = Some(OTHER_KEY);
        let (guess, _) = recorded();
        let asked = name("gpu-02");
        let refused = record.admit(&guess, &asked, KEY, 2 * HOUR);
        assert_eq!(refused, Err(JoinRefused::Unknown { asked }));
    }

    #[test]
    fn an_access_token_gives_the_recorded_role() {
        let token = AccessToken::generate(Role::Viewer).unwrap();
        let record = AccessRecord {
            role: Role::Viewer,
            hash: token.hash(),
            expires_at_micros: Some(HOUR),
            revoked: false,
        };
        assert_eq!(record.role_of(&token, HOUR - 1), Ok(Role::Viewer));
        assert_eq!(record.role_of(&token, HOUR), Err(AccessRefused::Expired));
        let for_ever = AccessRecord { expires_at_micros: None, ..record.clone() };
        assert_eq!(for_ever.role_of(&token, i64::MAX), Ok(Role::Viewer));
        let revoked = AccessRecord { revoked: true, ..record.clone() };
        assert_eq!(revoked.role_of(&token, 0), Err(AccessRefused::Revoked));
        let promoted: AccessToken = token.to_text().replace("viewer", "operator").parse().unwrap();
        assert_eq!(record.role_of(&promoted, 0), Err(AccessRefused::Unknown));
    }
}
