//! `IdentityService`: how agents stay who they are.

use std::sync::Arc;

use cofi_identity::CertificateRequest;
use cofi_proto::{clock::Clock, pb::agent as pb};
use pb::identity_service_server::IdentityService;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::{enrolment::wrong_request, finish, status::RpcError};
use crate::{
    access::Caller,
    door::Peer,
    identity::Identity,
    ledger::{Deed, Ledger},
};

/// Answers agents about certificates.
#[derive(Debug, Clone)]
pub(crate) struct IdentityCalls {
    pub(crate) ledger: Ledger,
    pub(crate) identity: Identity,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: TaskTracker,
}

impl IdentityCalls {
    async fn renew(
        self,
        request: pb::RenewRequest,
        caller: Caller,
        peer: Option<Peer>,
    ) -> Result<pb::RenewResponse, RpcError> {
        let peer = peer.as_ref();
        let shown = peer.and_then(|peer| Some((peer.agent()?, peer.serial()?)));
        let (agent, serial) = shown.ok_or(RpcError::NoCertificate)?;
        let request = CertificateRequest::parse(&request.certificate_request).map_err(wrong_request)?;
        let key = request.public_key();
        let now = self.clock.now_micros();
        let deed = Deed::new(now, caller.who.to_string(), caller.peer, caller.action);
        let issue = || self.identity.issue(agent, key, now);
        let certificate = self.ledger.acting(deed).renew(agent, serial, key.hash(), now, issue).await?;
        tracing::info!(%agent, "agent has a new certificate");
        Ok(pb::RenewResponse {
            certificate: certificate.into(),
            trusted_authorities: self.identity.trust_pem(),
        })
    }
}

#[tonic::async_trait]
impl IdentityService for IdentityCalls {
    async fn renew(&self, request: Request<pb::RenewRequest>) -> Result<Response<pb::RenewResponse>, Status> {
        let (caller, peer) = (Caller::of(&request), request.extensions().get().cloned());
        finish(&self.tasks, self.clone().renew(request.into_inner(), caller, peer)).await
    }

    async fn get_trust(
        &self,
        _: Request<pb::GetTrustRequest>,
    ) -> Result<Response<pb::GetTrustResponse>, Status> {
        Ok(Response::new(pb::GetTrustResponse { trusted_authorities: self.identity.trust_pem() }))
    }
}
