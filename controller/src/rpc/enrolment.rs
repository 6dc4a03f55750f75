//! `EnrolmentService`: a machine's first certificate.

use std::sync::Arc;

use cofi_identity::{
    CertificateRequest, RequestRefused,
    token::{JoinToken, TokenError},
};
use cofi_proto::{AgentName, clock::Clock, pb::v1 as pb};
use pb::enrolment_service_server::EnrolmentService;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::{finish, status::RpcError};
use crate::{
    access::{Caller, Denial, Denials},
    identity::Identity,
    ledger::{Deed, Ledger},
};

/// Machines that are let in at a time: anybody may ask, and each one costs a
/// transaction.
const AT_A_TIME: usize = 8;

/// Answers machines that have no certificate yet.
#[derive(Debug, Clone)]
pub(super) struct Enrolment {
    ledger: Ledger,
    identity: Identity,
    denials: Denials,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
}

impl Enrolment {
    pub(super) fn new(
        ledger: Ledger,
        identity: Identity,
        denials: Denials,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Self {
        Self { ledger, identity, denials, clock, tasks, room: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    async fn enrol(self, request: pb::EnrolRequest, caller: Caller) -> Result<pb::EnrolResponse, RpcError> {
        let _room = self.room.clone().try_acquire_owned().map_err(|_| RpcError::Crowded)?;
        let agent: AgentName = request.agent.try_into()?;
        let (peer, target) = (caller.peer.clone(), format!("agent:{agent}"));
        let enrolled = self.admit(&request.token, &request.certificate_request, agent, caller).await;
        if let Err(error) = &enrolled {
            let (actor, action) = ("nobody".to_owned(), "EnrolmentService.Enrol".to_owned());
            self.denials.note(Denial { actor, peer, action, target, detail: error.to_string() });
        }
        enrolled
    }

    async fn admit(
        &self,
        token: &str,
        request: &[u8],
        agent: AgentName,
        caller: Caller,
    ) -> Result<pb::EnrolResponse, RpcError> {
        let token: JoinToken = token.parse().map_err(wrong_token)?;
        let request = CertificateRequest::parse(request).map_err(wrong_request)?;
        let key = request.public_key();
        let now = self.clock.now_micros();
        let deed = Deed::new(now, format!("agent:{agent}"), caller.peer, caller.action);
        let issue = || self.identity.issue(&agent, key, now);
        let joined = self.ledger.acting(deed).join(&token, &agent, key.hash(), now, issue).await?;
        self.identity.revocations.revoke(joined.revoked);
        tracing::info!(%agent, token = %token.id(), "agent has joined");
        Ok(pb::EnrolResponse {
            certificate: joined.certificate,
            trusted_authorities: self.identity.trust_pem(),
        })
    }
}

fn wrong_token(error: TokenError) -> RpcError {
    RpcError::field("token", error.to_string())
}

pub(super) fn wrong_request(error: RequestRefused) -> RpcError {
    RpcError::field("certificate_request", error.to_string())
}

#[tonic::async_trait]
impl EnrolmentService for Enrolment {
    async fn enrol(&self, request: Request<pb::EnrolRequest>) -> Result<Response<pb::EnrolResponse>, Status> {
        let caller = Caller::of(&request);
        finish(&self.tasks, self.clone().enrol(request.into_inner(), caller)).await
    }
}
