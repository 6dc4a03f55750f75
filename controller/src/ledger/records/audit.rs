//! What was done by whom, and what was refused.

use uuid::Uuid;

/// Something that somebody asked for. A ledger that acts for it
/// ([`Ledger::acting`](crate::ledger::Ledger::acting)) writes it down with the
/// first change that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// By which it is found, so that it is written down once.
    id: Uuid,
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Who: `operator:TOKEN_ID`, `agent:NAME`.
    pub actor: String,
    /// From where, an IP address.
    pub peer: String,
    /// The call, as `Service.Method`.
    pub action: String,
    /// What it is about; empty: what the ledger finds it to be about, as
    /// `batch:7`, `agent:NAME`, `token:TOKEN_ID`.
    pub target: String,
    /// Why, or with what; empty: what the ledger has to say of the change.
    pub detail: String,
}

impl Deed {
    /// One whose target and detail the ledger is to fill in.
    #[must_use]
    pub fn new(
        at: i64,
        actor: impl Into<String>,
        peer: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self {
            id: Uuid::new_v4(),
            at,
            actor: actor.into(),
            peer: peer.into(),
            action: action.into(),
            target: String::new(),
            detail: String::new(),
        }
    }

    /// What it is about.
    #[must_use]
    pub fn about(self, target: impl Into<String>) -> Self {
        Self { target: target.into(), ..self }
    }

    /// Why, or with what.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    pub(in crate::ledger) fn id(&self) -> Uuid {
        self.id
    }
}

/// What stands in a row of `cofiAudit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Who: `operator:TOKEN_ID`, `viewer:TOKEN_ID`, `agent:NAME`, `controller`,
    /// `nobody`. At most 100 characters are kept.
    pub actor: String,
    /// From where, an IP address. At most 64 characters are kept.
    pub peer: String,
    /// The call, as `Service.Method`, or what happened. At most 100 characters
    /// are kept.
    pub action: String,
    /// What it was about. At most 200 characters are kept.
    pub target: String,
    /// Whether it was refused.
    pub denied: bool,
    /// Why, or with what. At most 1,000 characters are kept.
    pub detail: String,
    /// How often the same happened.
    pub count: u32,
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number; later ones have greater ones.
    pub id: i64,
    /// What it says.
    pub entry: AuditEntry,
}

/// Which entries of the audit are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Only this actor.
    pub actor: Option<String>,
    /// Only this target.
    pub target: Option<String>,
    /// Only what was refused.
    pub denied_only: bool,
}
