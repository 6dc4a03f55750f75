//! What the scripted controller says to agents that renew.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use cofi_identity::{CertificateRequest, PeerIdentity};
use cofi_proto::pb::agent::{
    GetTrustRequest, GetTrustResponse, RenewRequest, RenewResponse, identity_service_server::IdentityService,
};
use tonic::{Request, Response, Status};

use super::Site;

/// What agents asked about their identity.
#[derive(Default)]
pub struct Renewals {
    pub asked_for_trust: AtomicUsize,
}

pub struct Identities {
    pub site: Arc<Site>,
    pub renewals: Arc<Renewals>,
}

#[tonic::async_trait]
impl IdentityService for Identities {
    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let peer = peer(&request)?;
        let asked = CertificateRequest::parse(&request.get_ref().certificate_request)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let answer = self.site.issue(&peer.agent, asked.public_key());
        Ok(Response::new(RenewResponse {
            certificate: answer.certificate.to_vec().into(),
            trusted_authorities: answer.trust.to_pem(),
        }))
    }

    async fn get_trust(
        &self,
        request: Request<GetTrustRequest>,
    ) -> Result<Response<GetTrustResponse>, Status> {
        peer(&request)?;
        self.renewals.asked_for_trust.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(GetTrustResponse { trusted_authorities: self.site.trust().to_pem() }))
    }
}

/// Who asks, by the certificate of the connection.
pub fn peer<T>(request: &Request<T>) -> Result<PeerIdentity, Status> {
    let peer = request.extensions().get::<Option<PeerIdentity>>().cloned().flatten();
    peer.ok_or_else(|| Status::unauthenticated("no certificate of an agent"))
}
