//! `AccessService`.

use std::time::Duration;

use cofi_identity::token::{Role, TokenId};
use cofi_proto::{Malformed, pb::v1 as pb};
use pb::access_service_client::AccessServiceClient;

use super::{
    Channelled, Client, ClientError, MAX_ANSWER_BYTES,
    convert::{KNOWN_STATE, filled, given, time},
};
use crate::view::{AuditEntry, NewToken, RevokedAgent, Secret, Token, TokenKind, TokenState};

impl Client {
    /// Makes a token with which one machine joins as `agent`; without a `ttl`
    /// for as long as the controller thinks right.
    pub(crate) async fn create_join_token(
        &self,
        agent: String,
        ttl: Option<Duration>,
    ) -> Result<NewToken, ClientError> {
        let request = pb::CreateJoinTokenRequest { agent, ttl_seconds: seconds(ttl) };
        let answer = self.call(request, async |request| self.access().create_join_token(request).await);
        let pb::CreateJoinTokenResponse { secret, token } = answer.await?;
        new_token(secret, token)
    }

    /// Makes a token for calls; without a `ttl` it is good until it is revoked.
    pub(crate) async fn create_access_token(
        &self,
        role: Role,
        ttl: Option<Duration>,
        note: String,
    ) -> Result<NewToken, ClientError> {
        let role = match role {
            Role::Viewer => pb::TokenKind::Viewer,
            Role::Operator => pb::TokenKind::Operator,
        };
        let request = pb::CreateAccessTokenRequest { role: role.into(), ttl_seconds: seconds(ttl), note };
        let answer = self.call(request, async |request| self.access().create_access_token(request).await);
        let pb::CreateAccessTokenResponse { secret, token } = answer.await?;
        new_token(secret, token)
    }

    pub(crate) async fn revoke_token(&self, id: TokenId) -> Result<Token, ClientError> {
        let request = pb::RevokeTokenRequest { token_id: id.to_string() };
        let answer = self.call(request, async |request| self.access().revoke_token(request).await);
        Ok(answer.await?.try_into()?)
    }

    pub(crate) async fn revoke_agent(
        &self,
        name: String,
        reason: String,
    ) -> Result<RevokedAgent, ClientError> {
        let request = pb::RevokeAgentRequest { name, reason };
        let answer = self.call(request, async |request| self.access().revoke_agent(request).await);
        let pb::RevokeAgentResponse { revoked_certificates } = answer.await?;
        Ok(RevokedAgent { revoked_certificates })
    }

    pub(super) fn access(&self) -> AccessServiceClient<Channelled> {
        AccessServiceClient::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}

/// None is for the controller to decide about.
fn seconds(ttl: Option<Duration>) -> u32 {
    // Beyond what the field holds nothing lasts.
    ttl.map_or(0, |ttl| u32::try_from(ttl.as_secs().max(1)).unwrap_or(u32::MAX))
}

fn new_token(secret: String, token: Option<pb::Token>) -> Result<NewToken, ClientError> {
    let secret = Secret::new(secret);
    Ok(NewToken { secret, token: token.ok_or(Malformed::Missing("token"))?.try_into()? })
}

impl TryFrom<pb::Token> for Token {
    type Error = Malformed;

    fn try_from(token: pb::Token) -> Result<Self, Malformed> {
        let at = |field, micros| given(micros).map(|micros| time(field, micros)).transpose();
        Ok(Self {
            kind: kind(token.kind)?,
            state: state(token.state)?,
            created_time: time("created_micros", token.created_micros)?,
            expires_time: at("expires_micros", token.expires_micros)?,
            revoked_time: at("revoked_micros", token.revoked_micros)?,
            used_time: at("used_micros", token.used_micros)?,
            token_id: token.token_id,
            agent: filled(token.agent),
            note: filled(token.note),
        })
    }
}

fn kind(kind: i32) -> Result<TokenKind, Malformed> {
    match pb::TokenKind::try_from(kind) {
        Ok(pb::TokenKind::Join) => Ok(TokenKind::Join),
        Ok(pb::TokenKind::Viewer) => Ok(TokenKind::Viewer),
        Ok(pb::TokenKind::Operator) => Ok(TokenKind::Operator),
        Ok(pb::TokenKind::Unspecified) | Err(_) => Err(Malformed::invalid("kind", kind, KNOWN_STATE)),
    }
}

fn state(state: i32) -> Result<TokenState, Malformed> {
    match pb::TokenState::try_from(state) {
        Ok(pb::TokenState::Good) => Ok(TokenState::Good),
        Ok(pb::TokenState::Used) => Ok(TokenState::Used),
        Ok(pb::TokenState::Expired) => Ok(TokenState::Expired),
        Ok(pb::TokenState::Revoked) => Ok(TokenState::Revoked),
        Ok(pb::TokenState::Unspecified) | Err(_) => Err(Malformed::invalid("state", state, KNOWN_STATE)),
    }
}

impl TryFrom<pb::AuditEntry> for AuditEntry {
    type Error = Malformed;

    fn try_from(entry: pb::AuditEntry) -> Result<Self, Malformed> {
        Ok(Self {
            audit_id: entry.audit_id,
            at_time: time("at_micros", entry.at_micros)?,
            actor: entry.actor,
            peer: filled(entry.peer),
            action: entry.action,
            target: filled(entry.target),
            denied: entry.denied,
            detail: filled(entry.detail),
            count: entry.count,
        })
    }
}
