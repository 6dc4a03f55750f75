//! The scripted controller's control listener, for machines that join.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use cofi_identity::{
    CertificateRequest,
    token::{Admission, JoinRecord, JoinToken},
};
use cofi_proto::pb::v1::{
    EnrolRequest, EnrolResponse,
    enrolment_service_server::{EnrolmentService, EnrolmentServiceServer},
};
use rustls_pki_types::CertificateDer;
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{Request, Response, Status};

use super::{
    Site,
    site::{now, secured},
};

/// A control listener that knows one token.
pub struct Control {
    pub address: SocketAddr,
    pub book: Arc<Book>,
    _server: JoinSet<()>,
}

/// What the controller knows and was sent.
pub struct Book {
    site: Arc<Site>,
    pub record: Mutex<JoinRecord>,
    /// What it answered.
    answered: Mutex<Option<CertificateDer<'static>>>,
    /// Requests, as they came.
    pub received: Mutex<Vec<EnrolRequest>>,
    /// Answers that are to be lost.
    pub losses: Mutex<usize>,
}

impl Control {
    /// One that lets the bearer of the token in as `agent`.
    pub async fn start(site: &Arc<Site>, agent: &str) -> (Self, JoinToken) {
        let token = JoinToken::generate(site.authority.key_hash()).unwrap();
        let record = JoinRecord {
            agent: agent.parse().unwrap(),
            hash: token.hash(),
            expires_at_micros: now() + 60_000_000,
            revoked: false,
            used_by: None,
        };
        let book = Arc::new(Book {
            site: site.clone(),
            record: Mutex::new(record),
            answered: Mutex::default(),
            received: Mutex::default(),
            losses: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (incoming, mut server) = secured(listener, site.for_control());
        let service = EnrolmentServiceServer::from_arc(book.clone());
        server.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        (Self { address, book, _server: server }, token)
    }

    /// A new token, in place of the one before.
    pub fn another(&self) -> JoinToken {
        let token = JoinToken::generate(self.book.site.authority.key_hash()).unwrap();
        let mut record = self.book.record.lock().unwrap();
        record.hash = token.hash();
        record.used_by = None;
        token
    }

    pub fn received(&self) -> usize {
        self.book.received.lock().unwrap().len()
    }
}

impl Book {
    fn admit(&self, request: &EnrolRequest) -> Result<CertificateDer<'static>, Status> {
        let invalid = |error: String| Status::invalid_argument(error);
        let token: JoinToken = request.token.parse().map_err(|error| invalid(format!("{error}")))?;
        let agent = request.agent.parse().map_err(|_| invalid("agent".to_owned()))?;
        let asked = CertificateRequest::parse(&request.certificate_request)
            .map_err(|error| invalid(error.to_string()))?;
        let key = asked.public_key().hash();
        let mut record = self.record.lock().unwrap();
        let admission = record
            .admit(&token, &agent, key, now())
            .map_err(|error| Status::permission_denied(error.to_string()))?;
        let mut answered = self.answered.lock().unwrap();
        if admission == Admission::First {
            record.used_by = Some(key);
            *answered = Some(self.site.issue(&agent, asked.public_key()).certificate);
        }
        Ok(answered.clone().unwrap())
    }
}

#[tonic::async_trait]
impl EnrolmentService for Book {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        self.received.lock().unwrap().push(request.clone());
        let certificate = self.admit(&request)?;
        let mut losses = self.losses.lock().unwrap();
        if *losses > 0 {
            *losses -= 1;
            return Err(Status::unavailable("the answer is lost"));
        }
        let (certificate, trusted_authorities) = (certificate.to_vec(), self.site.trust().to_pem());
        Ok(Response::new(EnrolResponse { certificate, trusted_authorities }))
    }
}
