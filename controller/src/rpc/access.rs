//! `AccessService`: who may come in, and what was done by whom.

use std::{sync::Arc, time::Duration};

use cofi_identity::token::{AccessToken, JOIN_TOKEN_LIFETIME, Role, TokenId};
use cofi_proto::{AgentName, clock::Clock, pb::v1 as pb};
use pb::access_service_server::AccessService;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::{finish, pages::Page, said_reason, status::RpcError};
use crate::{
    access::{Caller, Tokens},
    dispatch::Dispatch,
    identity::Identity,
    ledger::{AuditFilter, AuditRecord, Ledger, NewToken, TokenPurpose, TokenRecord, TokenState},
};

/// Longest time for which a join token is good.
const LONGEST_JOIN: Duration = Duration::from_hours(7 * 24);
/// Entries on a page unless the request says otherwise.
const ENTRIES: i32 = 100;

/// Answers operators about access.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) ledger: Ledger,
    pub(super) tokens: Tokens,
    pub(super) identity: Identity,
    pub(super) dispatch: Dispatch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: TaskTracker,
}

impl Access {
    /// The same, acting for a caller.
    fn acting(&self, caller: &Caller) -> Self {
        Self { ledger: self.ledger.acting(caller.deed(&*self.clock)), ..self.clone() }
    }

    async fn create_join(
        self,
        request: pb::CreateJoinTokenRequest,
    ) -> Result<pb::CreateJoinTokenResponse, RpcError> {
        let agent: AgentName = request
            .agent
            .try_into()
            .map_err(|error: cofi_proto::Malformed| RpcError::field("agent", error.to_string()))?;
        let lifetime = match request.ttl_seconds {
            0 => JOIN_TOKEN_LIFETIME,
            seconds => Duration::from_secs(seconds.into()),
        };
        if lifetime > LONGEST_JOIN {
            return Err(RpcError::field("ttl_seconds", "a join token is good for a week at most"));
        }
        let token = self.identity.join_token().map_err(|error| RpcError::Internal(error.to_string()))?;
        let now = self.clock.now_micros();
        self.ledger.add_token(&NewToken::join(&token, agent, now, after(now, lifetime))).await?;
        let record = self.ledger.token(token.id()).await?;
        Ok(pb::CreateJoinTokenResponse {
            secret: token.to_text().to_string(),
            token: Some(shown(&record, now)),
        })
    }

    async fn create_access(
        self,
        request: pb::CreateAccessTokenRequest,
    ) -> Result<pb::CreateAccessTokenResponse, RpcError> {
        let role = match request.role() {
            pb::TokenKind::Viewer => Role::Viewer,
            pb::TokenKind::Operator => Role::Operator,
            pb::TokenKind::Unspecified | pb::TokenKind::Join => {
                return Err(RpcError::field("role", "expected TOKEN_KIND_VIEWER or TOKEN_KIND_OPERATOR"));
            }
        };
        let note = if request.note.is_empty() { String::new() } else { said_note(request.note)? };
        let token = AccessToken::generate(role).map_err(|error| RpcError::Internal(error.to_string()))?;
        let now = self.clock.now_micros();
        let lifetime = Duration::from_secs(request.ttl_seconds.into());
        let expires_at = (request.ttl_seconds > 0).then(|| after(now, lifetime));
        self.ledger.add_token(&NewToken::access(&token, note, now, expires_at)).await?;
        let record = self.ledger.token(token.id()).await?;
        if let Some(access) = record.access_record() {
            self.tokens.add(token.id(), access);
        }
        Ok(pb::CreateAccessTokenResponse {
            secret: token.to_text().to_string(),
            token: Some(shown(&record, now)),
        })
    }

    async fn list(&self, request: pb::ListTokensRequest) -> Result<pb::ListTokensResponse, RpcError> {
        let scope = format!("tokens/{}", request.all);
        let page = Page::read(scope, request.page_size, ENTRIES, &request.page_token)?;
        let now = self.clock.now_micros();
        let records = self.ledger.tokens(request.all, page.after_number(i64::MAX)?, page.size, now).await?;
        Ok(pb::ListTokensResponse {
            next_page_token: page.next(records.len(), records.last().map(|record| record.sequence)),
            tokens: records.iter().map(|record| shown(record, now)).collect(),
        })
    }

    async fn revoke_token(self, request: pb::RevokeTokenRequest) -> Result<pb::Token, RpcError> {
        let id: TokenId = request
            .token_id
            .parse()
            .map_err(|_| RpcError::field("token_id", "expected 16 hexadecimal digits"))?;
        let now = self.clock.now_micros();
        let record = self.ledger.revoke_token(id, now).await?;
        self.tokens.revoke(id);
        Ok(shown(&record, now))
    }

    async fn revoke_agent(
        self,
        request: pb::RevokeAgentRequest,
    ) -> Result<pb::RevokeAgentResponse, RpcError> {
        let agent: AgentName = request.name.try_into()?;
        let revoked = self.ledger.revoke_agent(&agent, self.clock.now_micros()).await?;
        let count = u32::try_from(revoked.certificates).unwrap_or(u32::MAX);
        self.identity.revocations.revoke(revoked.serials);
        self.dispatch.dismiss(agent).await;
        Ok(pb::RevokeAgentResponse { revoked_certificates: count })
    }

    async fn audit(&self, request: pb::ListAuditRequest) -> Result<pb::ListAuditResponse, RpcError> {
        let pb::ListAuditRequest { page_size, page_token, actor, target, denied_only } = request;
        let scope = format!("audit/{denied_only}/{actor}/{target}");
        let page = Page::read(scope, page_size, ENTRIES, &page_token)?;
        let said = |text: String| Some(text).filter(|text| !text.is_empty());
        let filter = AuditFilter { actor: said(actor), target: said(target), denied_only };
        let records = self.ledger.audit(&filter, page.after_number(i64::MAX)?, page.size).await?;
        Ok(pb::ListAuditResponse {
            next_page_token: page.next(records.len(), records.last().map(|record| record.id)),
            entries: records.into_iter().map(entry).collect(),
        })
    }
}

fn said_note(note: String) -> Result<String, RpcError> {
    said_reason(note)
        .map_err(|_| RpcError::field("note", "at most 200 characters, and none of them a control character"))
}

fn after(now: i64, lifetime: Duration) -> i64 {
    now.saturating_add(i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX))
}

fn shown(record: &TokenRecord, now: i64) -> pb::Token {
    let (kind, agent) = match &record.purpose {
        TokenPurpose::Join(agent) => (pb::TokenKind::Join, agent.to_string()),
        TokenPurpose::Access(Role::Viewer) => (pb::TokenKind::Viewer, String::new()),
        TokenPurpose::Access(Role::Operator) => (pb::TokenKind::Operator, String::new()),
    };
    let state = match record.state(now) {
        TokenState::Good => pb::TokenState::Good,
        TokenState::Used => pb::TokenState::Used,
        TokenState::Expired => pb::TokenState::Expired,
        TokenState::Revoked => pb::TokenState::Revoked,
    };
    pb::Token {
        token_id: record.id.to_string(),
        kind: kind.into(),
        agent,
        note: record.note.clone(),
        state: state.into(),
        created_micros: record.created_at,
        expires_micros: record.expires_at.unwrap_or_default(),
        revoked_micros: record.revoked_at.unwrap_or_default(),
        used_micros: record.used_at.unwrap_or_default(),
    }
}

fn entry(AuditRecord { id, entry }: AuditRecord) -> pb::AuditEntry {
    pb::AuditEntry {
        audit_id: id,
        at_micros: entry.at,
        actor: entry.actor,
        peer: entry.peer,
        action: entry.action,
        target: entry.target,
        denied: entry.denied,
        detail: entry.detail,
        count: entry.count,
    }
}

#[tonic::async_trait]
impl AccessService for Access {
    async fn create_join_token(
        &self,
        request: Request<pb::CreateJoinTokenRequest>,
    ) -> Result<Response<pb::CreateJoinTokenResponse>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, me.create_join(request.into_inner())).await
    }

    async fn create_access_token(
        &self,
        request: Request<pb::CreateAccessTokenRequest>,
    ) -> Result<Response<pb::CreateAccessTokenResponse>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, me.create_access(request.into_inner())).await
    }

    async fn list_tokens(
        &self,
        request: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::Token>, Status> {
        let me = self.acting(&Caller::of(&request));
        finish(&self.tasks, me.revoke_token(request.into_inner())).await
    }

    async fn revoke_agent(
        &self,
        request: Request<pb::RevokeAgentRequest>,
    ) -> Result<Response<pb::RevokeAgentResponse>, Status> {
        let reason = said_reason(request.get_ref().reason.clone())?;
        let deed = Caller::of(&request).deed(&*self.clock).because(reason);
        let me = Self { ledger: self.ledger.acting(deed), ..self.clone() };
        finish(&self.tasks, me.revoke_agent(request.into_inner())).await
    }

    async fn list_audit(
        &self,
        request: Request<pb::ListAuditRequest>,
    ) -> Result<Response<pb::ListAuditResponse>, Status> {
        Ok(Response::new(self.audit(request.into_inner()).await?))
    }
}
