//! Machines that join, and what they show.

use std::sync::OnceLock;

use cofi_controller::ledger::{Joined, Ledger, LedgerError, NewToken};
use cofi_identity::{
    AGENT_LIFETIME, AgentCertificate, Authority, Facts, IssueError, KeyHash, PrivateKey, Serial,
    token::JoinToken,
};
use cofi_proto::AgentName;

use crate::scene::{self, NOW};

pub const HOUR: i64 = 3_600_000_000;

/// The authority of all tests.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::create(NOW).unwrap())
}

/// A machine with a key of its own.
pub struct Machine {
    pub agent: AgentName,
    key: PrivateKey,
}

impl Machine {
    pub fn new(agent: &str) -> Self {
        Self { agent: scene::agent(agent), key: PrivateKey::generate().unwrap() }
    }

    pub fn key(&self) -> KeyHash {
        self.key.public_key().hash()
    }

    /// A certificate for its key, another one each time.
    pub fn issue(&self, now: i64) -> Result<AgentCertificate, IssueError> {
        authority().issue_agent(&self.agent, self.key.public_key(), now, AGENT_LIFETIME)
    }

    pub async fn join(&self, ledger: &Ledger, token: &JoinToken, now: i64) -> Result<Joined, LedgerError> {
        ledger.join(token, &self.agent, self.key(), now, || self.issue(now)).await
    }

    /// Joins with a token of its own.
    pub async fn joins(&self, ledger: &Ledger) -> Serial {
        let token = record_token(ledger, &self.agent).await;
        serial(&self.join(ledger, &token, NOW).await.unwrap().certificate)
    }

    pub async fn renew(&self, ledger: &Ledger, shown: Serial, now: i64) -> Result<Vec<u8>, LedgerError> {
        ledger.renew(&self.agent, shown, self.key(), now, || self.issue(now)).await
    }
}

pub fn join_token() -> JoinToken {
    JoinToken::generate(authority().key_hash()).unwrap()
}

/// A token with which `agent` joins within an hour.
pub async fn record_token(ledger: &Ledger, agent: &AgentName) -> JoinToken {
    let token = join_token();
    ledger.add_token(&NewToken::join(&token, agent.clone(), NOW, NOW + HOUR)).await.unwrap();
    token
}

/// The serial number of a certificate in DER.
pub fn serial(certificate: &[u8]) -> Serial {
    Facts::of(&certificate.into()).unwrap().serial
}
