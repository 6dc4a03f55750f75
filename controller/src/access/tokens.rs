//! The tokens that are good now, in memory: every call asks for one.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use cofi_identity::token::{AccessRecord, AccessRefused, AccessToken, Role, TokenId};
use cofi_proto::clock::Clock;
use tokio_util::sync::CancellationToken;

/// The access tokens that the ledger holds. One controller works on a database
/// at a time, so that what it knows is what there is.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    /// Not a task: every call reads it, and nobody holds it for longer than a
    /// look.
    known: Arc<RwLock<HashMap<TokenId, Known>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone)]
struct Known {
    record: AccessRecord,
    revoked: CancellationToken,
}

/// What a good token gives, for as long as it is good.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) role: Role,
    pub(super) id: TokenId,
    /// Cancelled when the token is revoked.
    pub(super) revoked: CancellationToken,
    /// For how long it is good unless it is revoked; none: for ever.
    pub(super) left: Option<Duration>,
}

impl Tokens {
    pub(crate) fn new(
        known: impl IntoIterator<Item = (TokenId, AccessRecord)>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let tokens = Self { known: Arc::default(), clock };
        known.into_iter().for_each(|(id, record)| tokens.add(id, record));
        tokens
    }

    /// One more is good.
    pub(crate) fn add(&self, id: TokenId, record: AccessRecord) {
        let known = Known { record, revoked: CancellationToken::new() };
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(id, known);
    }

    /// One is good no longer: streams that were opened with it end.
    pub(crate) fn revoke(&self, id: TokenId) {
        if let Some(known) = self.known.write().unwrap_or_else(PoisonError::into_inner).get_mut(&id) {
            known.record.revoked = true;
            known.revoked.cancel();
        }
    }

    /// What the bearer of `token` may do now.
    pub(super) fn judge(&self, token: &AccessToken) -> Result<Grant, AccessRefused> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Known { record, revoked } = known.get(&token.id()).ok_or(AccessRefused::Unknown)?;
        let now = self.clock.now_micros();
        let role = record.role_of(token, now)?;
        let left = |expires_at: i64| Duration::from_micros(expires_at.abs_diff(now));
        let left = record.expires_at_micros.map(left);
        Ok(Grant { role, id: token.id(), revoked: revoked.clone(), left })
    }
}
