//! Whom the scripted controller lets in: an authority of its own, and the
//! identities that come from it.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use cofi_identity::{
    AGENT_LIFETIME, Authority, PeerIdentity, PublicKey, Revocations, SERVER_LIFETIME, ServerNames,
    TrustBundle,
    files::{AgentFiles, Answer},
    tls::{AgentGate, CurrentCredential, agents_listener, control_listener},
};
use cofi_proto::{
    AgentName,
    clock::{Clock, SystemClock},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// What a controller keeps of its identity.
pub struct Site {
    pub authority: Authority,
    pub revocations: Arc<Revocations>,
    pub gate: Arc<AgentGate>,
    shown: Arc<CurrentCredential>,
    /// What agents are told to trust.
    trust: Mutex<TrustBundle>,
    /// How long certificates of agents are good.
    lifetime: Mutex<Duration>,
}

impl Site {
    pub fn new() -> Arc<Self> {
        let authority = Authority::create(now()).unwrap();
        let names = ServerNames::new([]).unwrap();
        let server = authority.issue_server(&names, now(), SERVER_LIFETIME).unwrap();
        let trust = TrustBundle::new([authority.certificate().clone()]).unwrap();
        let revocations = Arc::new(Revocations::default());
        Arc::new(Self {
            gate: Arc::new(AgentGate::new(&trust, revocations.clone()).unwrap()),
            shown: Arc::new(CurrentCredential::new(&server).unwrap()),
            trust: Mutex::new(trust),
            lifetime: Mutex::new(AGENT_LIFETIME),
            authority,
            revocations,
        })
    }

    pub fn trust(&self) -> TrustBundle {
        self.trust.lock().unwrap().clone()
    }

    /// Tells agents to trust these from now on.
    pub fn announce(&self, trust: TrustBundle) {
        *self.trust.lock().unwrap() = trust;
    }

    /// Shows a certificate of the authority that takes over.
    pub fn take_over(&self, successor: &Authority) {
        let names = ServerNames::new([]).unwrap();
        self.shown.replace(&successor.issue_server(&names, now(), SERVER_LIFETIME).unwrap()).unwrap();
    }

    pub fn set_lifetime(&self, lifetime: Duration) {
        *self.lifetime.lock().unwrap() = lifetime;
    }

    /// A certificate for an agent.
    pub fn issue(&self, agent: &AgentName, key: &PublicKey) -> Answer {
        let lifetime = *self.lifetime.lock().unwrap();
        let issued = self.authority.issue_agent(agent, key, now(), lifetime).unwrap();
        Answer { certificate: issued.der, trust: self.trust() }
    }

    /// Gives the agent in `data_dir` an identity, whatever it had.
    pub fn certify(&self, data_dir: &Path, agent: &AgentName) -> PeerIdentity {
        let files = AgentFiles::open_or_create(&data_dir.join("identity")).unwrap();
        let key = files.pending_key().unwrap();
        files.install(self.issue(agent, key.public_key()), agent, None, now()).unwrap().peer
    }

    pub fn for_agents(&self) -> Arc<ServerConfig> {
        agents_listener(self.shown.clone(), self.gate.clone(), Arc::new(SystemClock)).unwrap()
    }

    pub fn for_control(&self) -> Arc<ServerConfig> {
        control_listener(self.shown.clone(), Arc::new(SystemClock)).unwrap()
    }
}

pub fn now() -> i64 {
    SystemClock.now_micros()
}

/// A connection whose other end is known.
pub struct Secured(TlsStream<TcpStream>);

/// Accepts connections, and shakes hands on each beside the others.
pub fn secured(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) -> (ReceiverStream<io::Result<Secured>>, JoinSet<()>) {
    let (accepted, incoming) = mpsc::channel(16);
    let acceptor = TlsAcceptor::from(tls);
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        let mut handshakes = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
            handshakes.spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    drop(accepted.send(Ok(Secured(stream))).await);
                }
            });
        }
    });
    (ReceiverStream::new(incoming), accepting)
}

impl Connected for Secured {
    type ConnectInfo = Option<PeerIdentity>;

    fn connect_info(&self) -> Self::ConnectInfo {
        let (_, connection) = self.0.get_ref();
        PeerIdentity::from_certificates(connection.peer_certificates()?).ok()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
