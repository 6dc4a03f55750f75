//! A controller in this process, with TLS as everywhere, and ways to come to it
//! as anybody.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use cofi_controller::{
    config::{Config, Keys},
    run::{Listeners, run},
};
use cofi_identity::{
    CertificateRequest, Credential, PrivateKey, TrustBundle,
    files::ControllerFiles,
    tls::{CurrentCredential, TrustedServers, agent_client, joining_client, operator_client},
    token::{AccessToken, JoinToken},
};
use cofi_proto::{
    clock::SystemClock,
    pb::{
        agent::identity_service_client::IdentityServiceClient,
        v1::{
            self as pb, access_service_client::AccessServiceClient,
            enrolment_service_client::EnrolmentServiceClient,
        },
    },
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

/// A call with or without a token.
pub(crate) type Called = InterceptedService<Channel, Token>;

/// Puts a token into calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Token(Option<MetadataValue<Ascii>>);

impl Token {
    pub(crate) fn of(text: &str) -> Self {
        let mut value: MetadataValue<Ascii> = format!("Bearer {text}").parse().unwrap();
        value.set_sensitive(true);
        Self(Some(value))
    }
}

impl tonic::service::Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// The controller.
pub(crate) struct House {
    pub(crate) control: SocketAddr,
    pub(crate) agents: SocketAddr,
    pub(crate) trust: TrustBundle,
    folder: tempfile::TempDir,
    stop: CancellationToken,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(Keys::default()).await
    }

    /// One with some keys of its configuration.
    pub(crate) async fn open_with(keys: Keys) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut house = Self {
            control: ([127, 0, 0, 1], 0).into(),
            agents: ([127, 0, 0, 1], 0).into(),
            trust: TrustBundle::new([cofi_identity::Authority::create(0).unwrap().certificate().clone()])
                .unwrap(),
            folder,
            stop: CancellationToken::new(),
            running: None,
        };
        house.start(keys).await;
        house
    }

    async fn start(&mut self, keys: Keys) {
        let keys = Keys {
            state_dir: Some(self.state_dir()),
            control_listen: Some(self.control.to_string()),
            agent_listen: Some(self.agents.to_string()),
            ..keys
        };
        let config = Config::try_from(keys).unwrap();
        let listeners = Listeners {
            control: TcpListener::bind(self.control).await.unwrap(),
            agent: TcpListener::bind(self.agents).await.unwrap(),
        };
        self.control = listeners.control.local_addr().unwrap();
        self.agents = listeners.agent.local_addr().unwrap();
        self.stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods, reason = "it is joined when the house closes")]
        let running = tokio::spawn(run(config, listeners, self.stop.clone()));
        self.running = Some(running);
        self.trust = loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(!self.running.as_ref().unwrap().is_finished(), "the controller ended at its start");
            let files = ControllerFiles::open(&self.state_dir().join("identity"));
            if let Some(trust) = files.ok().and_then(|files| files.trust().ok().flatten())
                && self.files().operator_token().unwrap().is_some()
            {
                break trust;
            }
        };
    }

    /// Ends it and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.end().await;
        self.restart_after_end().await;
    }

    /// Starts it again.
    pub(crate) async fn restart_after_end(&mut self) {
        self.start(Keys::default()).await;
    }

    /// What was written down: all, or what was refused.
    pub(crate) async fn audit(&self, denied_only: bool) -> Vec<pb::AuditEntry> {
        let request = pb::ListAuditRequest { page_size: 1_000, denied_only, ..Default::default() };
        self.access().await.list_audit(request).await.unwrap().into_inner().entries
    }

    /// Ends it in order.
    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap().unwrap();
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn files(&self) -> ControllerFiles {
        ControllerFiles::open(&self.state_dir().join("identity")).unwrap()
    }

    /// A path beside the state directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn operator_token(&self) -> AccessToken {
        self.files().operator_token().unwrap().unwrap()
    }

    /// TLS as operators have it.
    pub(crate) fn operator_tls(&self) -> Arc<ClientConfig> {
        trusting(&self.trust)
    }

    /// The control listener, with a token or without.
    pub(crate) async fn control(&self, token: Token) -> Called {
        let channel = dial(self.control, self.operator_tls()).await.unwrap();
        InterceptedService::new(channel, token)
    }

    /// The operator.
    pub(crate) async fn operator(&self) -> Called {
        self.control(Token::of(&self.operator_token().to_text())).await
    }

    /// The operator's hand on access.
    pub(crate) async fn access(&self) -> AccessServiceClient<Called> {
        AccessServiceClient::new(self.operator().await)
    }

    /// A token made by the operator.
    pub(crate) async fn access_token(
        &self,
        role: pb::TokenKind,
        ttl_seconds: u32,
    ) -> pb::CreateAccessTokenResponse {
        let request =
            pb::CreateAccessTokenRequest { role: role.into(), ttl_seconds, note: "a test's".to_owned() };
        self.access().await.create_access_token(request).await.unwrap().into_inner()
    }

    /// A token to join with.
    pub(crate) async fn join_token(&self, agent: &str, ttl_seconds: u32) -> JoinToken {
        let request = pb::CreateJoinTokenRequest { agent: agent.to_owned(), ttl_seconds };
        let made = self.access().await.create_join_token(request).await.unwrap().into_inner();
        made.secret.parse().unwrap()
    }

    /// Joins as a machine would.
    pub(crate) async fn enrol(
        &self,
        token: &JoinToken,
        agent: &str,
        key: &PrivateKey,
    ) -> Result<pb::EnrolResponse, Status> {
        let tls = joining_client(token.authority(), Arc::new(SystemClock)).unwrap();
        let channel = dial(self.control, tls).await.unwrap();
        let request = pb::EnrolRequest {
            token: token.to_text().to_string(),
            agent: agent.to_owned(),
            certificate_request: CertificateRequest::write(key).unwrap(),
        };
        Ok(EnrolmentServiceClient::new(channel).enrol(request).await?.into_inner())
    }

    /// A machine that has joined.
    pub(crate) async fn joined(&self, agent: &str) -> Machine {
        let key = PrivateKey::generate().unwrap();
        let token = self.join_token(agent, 0).await;
        let answer = self.enrol(&token, agent, &key).await.unwrap();
        self.machine(key, answer.certificate)
    }

    /// A machine with a certificate.
    pub(crate) fn machine(&self, key: PrivateKey, certificate: Vec<u8>) -> Machine {
        let credential = Credential::new(key, vec![CertificateDer::from(certificate)]).unwrap();
        self.machine_with(&credential)
    }

    pub(crate) fn machine_with(&self, credential: &Credential) -> Machine {
        let shown = Arc::new(CurrentCredential::new(credential).unwrap());
        let servers = Arc::new(TrustedServers::new(&self.trust).unwrap());
        let tls = agent_client(shown, servers.clone(), Arc::new(SystemClock)).unwrap();
        Machine { tls, servers, address: self.agents }
    }
}

/// A machine that shows a certificate.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) servers: Arc<TrustedServers>,
    pub(crate) address: SocketAddr,
}

impl Machine {
    /// A connection to the agents' listener.
    pub(crate) async fn dial(&self) -> Result<Channel, tonic::transport::Error> {
        dial(self.address, self.tls.clone()).await
    }

    /// Asks something that any agent may: with TLS 1.3 a client learns of a
    /// refused certificate only then.
    pub(crate) async fn is_let_in(&self) -> bool {
        let Ok(channel) = self.dial().await else { return false };
        let asked = IdentityServiceClient::new(channel)
            .get_trust(cofi_proto::pb::agent::GetTrustRequest::default())
            .await;
        asked.is_ok()
    }
}

/// TLS as operators have it who trust these.
pub(crate) fn trusting(trust: &TrustBundle) -> Arc<ClientConfig> {
    let servers = Arc::new(TrustedServers::new(trust).unwrap());
    operator_client(servers, Arc::new(SystemClock)).unwrap()
}

/// TLS to an address.
pub(crate) async fn tls(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(tls).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// A channel to an address.
pub(crate) async fn dial(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let connector = service_fn(move |_| {
        let config = config.clone();
        async move { std::io::Result::Ok(TokioIo::new(tls(address, config).await?)) }
    });
    Endpoint::from_static("http://localhost").connect_with_connector(connector).await
}
