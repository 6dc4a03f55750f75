//! The decision about one call.

use std::sync::Arc;

use cofi_identity::{
    Revocations,
    token::{AccessRefused, AccessToken, Role, TokenError},
};
use http::{HeaderMap, header::AUTHORIZATION};
use tonic::{Code, Status};

use super::{
    Caller, Denial, Denials, Tokens, Who,
    calls::{Call, Calls},
    table::{Least, least},
    tokens::Grant,
};
use crate::door::Peer;

/// Decides about calls, and has refusals written down.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    shows: Shows,
    calls: Calls,
    denials: Denials,
}

/// What callers have to show.
#[derive(Debug, Clone)]
enum Shows {
    /// On the agents' listener: their certificates, in the handshake.
    Certificate(Arc<Revocations>),
    /// On the control listener.
    Token(Tokens),
}

/// A call that may be made.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    /// What it was admitted by, if that can end.
    pub(super) grant: Option<Grant>,
    /// Counts it.
    pub(super) call: Call,
}

/// Why a call is refused. What is wrong with a token, its bearer is told: it
/// was compared before anything else was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("this call needs a token: authorization: Bearer TOKEN")]
    NoToken,
    #[error("{0}")]
    Unreadable(TokenError),
    #[error("{0}: ask an operator for another one, made with cofi token create --role")]
    Token(AccessRefused),
    #[error("this call needs the token of an operator, this is one of a viewer")]
    NotOperator,
    #[error("this call is for agents, on the other listener")]
    ForAgents,
    #[error("this call is not for agents")]
    NotForAgents,
    #[error("the certificate of this agent was revoked: join again")]
    Revoked,
    #[error("this controller knows no such call")]
    NoSuchCall,
    #[error("{0} calls of whoever makes this one go on already: end some of them first")]
    Busy(usize),
}

impl Refused {
    fn code(self) -> Code {
        match self {
            Self::NoToken | Self::Unreadable(_) | Self::Token(_) | Self::Revoked => Code::Unauthenticated,
            Self::NotOperator | Self::ForAgents | Self::NotForAgents => Code::PermissionDenied,
            Self::NoSuchCall => Code::Unimplemented,
            Self::Busy(_) => Code::ResourceExhausted,
        }
    }
}

impl Guard {
    /// For the agents' listener.
    pub(crate) fn of_agents(revocations: Arc<Revocations>, denials: Denials) -> Self {
        Self { shows: Shows::Certificate(revocations), calls: Calls::default(), denials }
    }

    /// For the control listener.
    pub(crate) fn of_control(tokens: Tokens, denials: Denials) -> Self {
        Self { shows: Shows::Token(tokens), calls: Calls::default(), denials }
    }

    /// Decides about a call to `path` by `peer`.
    pub(super) fn judge(&self, peer: &Peer, path: &str, headers: &HeaderMap) -> Result<Admitted, Status> {
        let mut who = Who::Nobody;
        let judged = match &self.shows {
            Shows::Certificate(revocations) => judge_agent(revocations, peer, path, &mut who).map(|()| None),
            Shows::Token(tokens) => judge_bearer(tokens, path, headers, &mut who),
        };
        // Who had nothing to show goes on being a stranger.
        if judged.is_ok() && who != Who::Nobody {
            peer.admit(&who);
        }
        let judged = judged.and_then(|grant| {
            let call = self.calls.begin(&who, peer.connection()).map_err(Refused::Busy)?;
            Ok((grant, call))
        });
        let caller = Caller { who, peer: peer.address(), action: action(path) };
        match judged {
            Ok((grant, call)) => Ok(Admitted { caller, grant, call }),
            Err(refused) => {
                let Caller { who, peer, action } = caller;
                let (actor, detail) = (who.to_string(), refused.to_string());
                self.denials.note(Denial { actor, peer, action, target: String::new(), detail });
                Err(Status::new(refused.code(), refused.to_string()))
            }
        }
    }
}

fn judge_agent(revocations: &Revocations, peer: &Peer, path: &str, who: &mut Who) -> Result<(), Refused> {
    let agent = peer.agent().ok_or(Refused::Revoked)?;
    *who = Who::Agent(agent.clone());
    if peer.serial().is_some_and(|serial| revocations.is_revoked(serial)) {
        return Err(Refused::Revoked);
    }
    match least(path).ok_or(Refused::NoSuchCall)? {
        Least::Agent => Ok(()),
        Least::Anyone | Least::Viewer | Least::Operator => Err(Refused::NotForAgents),
    }
}

fn judge_bearer(
    tokens: &Tokens,
    path: &str,
    headers: &HeaderMap,
    who: &mut Who,
) -> Result<Option<Grant>, Refused> {
    let wanted = least(path);
    if wanted == Some(Least::Anyone) {
        return Ok(None);
    }
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (shown.next(), shown.next()) else { return Err(Refused::NoToken) };
    let token = AccessToken::from_authorization(header.as_bytes()).map_err(Refused::Unreadable)?;
    let grant = tokens.judge(&token).map_err(Refused::Token)?;
    *who = Who::Bearer(grant.role, grant.id);
    match (wanted.ok_or(Refused::NoSuchCall)?, grant.role) {
        (Least::Anyone | Least::Viewer, Role::Viewer | Role::Operator)
        | (Least::Operator, Role::Operator) => Ok(Some(grant)),
        (Least::Operator, Role::Viewer) => Err(Refused::NotOperator),
        (Least::Agent, Role::Viewer | Role::Operator) => Err(Refused::ForAgents),
    }
}

/// A path as people say it: `BatchService.GetBatch`. Of one that is not known,
/// no more than that.
fn action(path: &str) -> String {
    if least(path).is_none() {
        return "unknown call".to_owned();
    }
    path.rsplit('.').next().unwrap_or(path).replace('/', ".")
}

#[cfg(test)]
mod tests;
