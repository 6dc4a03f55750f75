//! Real handshakes over a pipe in memory.

mod agents;
mod joining;
mod noted;
mod operators;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use cofi_proto::{AgentName, clock::Clock};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::{
    AGENT_LIFETIME, Authority, Credential, PeerIdentity, PrivateKey, Revocations, SERVER_LIFETIME, Serial,
    ServerNames, TrustBundle,
};

const START: i64 = 1_800_000_000_000_000;
const DAY: i64 = 86_400_000_000;

/// A clock that tests turn.
#[derive(Debug)]
struct TurnedClock(AtomicI64);

impl TurnedClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START)))
    }

    fn turn(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for TurnedClock {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A controller's side of the handshake.
struct Controller {
    clock: Arc<TurnedClock>,
    authority: Authority,
    shown: Arc<CurrentCredential>,
    gate: Arc<AgentGate>,
    revocations: Arc<Revocations>,
}

impl Controller {
    fn new() -> Self {
        let clock = TurnedClock::new();
        let authority = Authority::create(START).unwrap();
        let revocations = Arc::new(Revocations::default());
        let shown = Arc::new(CurrentCredential::new(&server_of(&authority, START)).unwrap());
        let gate = Arc::new(AgentGate::new(&trust(&[&authority]), Arc::clone(&revocations)).unwrap());
        Self { clock, authority, shown, gate, revocations }
    }

    fn agents(&self) -> Arc<ServerConfig> {
        agents_listener(Arc::clone(&self.shown), Arc::clone(&self.gate), self.clock.clone()).unwrap()
    }

    fn control(&self) -> Arc<ServerConfig> {
        control_listener(Arc::clone(&self.shown), self.clock.clone()).unwrap()
    }

    fn credential(&self) -> Credential {
        credential_of(&self.authority, self.clock.now_micros())
    }

    /// TLS of an agent with `credential` that trusts this controller.
    fn agent(&self, credential: &Credential) -> Arc<ClientConfig> {
        let servers = Arc::new(TrustedServers::new(&trust(&[&self.authority])).unwrap());
        let shown = Arc::new(CurrentCredential::new(credential).unwrap());
        agent_client(shown, servers, self.clock.clone()).unwrap()
    }
}

fn server_of(authority: &Authority, now: i64) -> Credential {
    authority.issue_server(&ServerNames::new(["cofi.example.org"]).unwrap(), now, SERVER_LIFETIME).unwrap()
}

fn credential_of(authority: &Authority, now: i64) -> Credential {
    let key = PrivateKey::generate().unwrap();
    let agent: AgentName = "gpu-01".parse().unwrap();
    let certificate = authority.issue_agent(&agent, key.public_key(), now, AGENT_LIFETIME).unwrap();
    Credential::new(key, vec![certificate.der]).unwrap()
}

fn trust(authorities: &[&Authority]) -> TrustBundle {
    TrustBundle::new(authorities.iter().map(|authority| authority.certificate().clone())).unwrap()
}

/// What the two ends of a connection saw.
struct Seen {
    /// The agent that the server saw.
    server: io::Result<PeerIdentity>,
    /// The serial number of the server that the client saw, once it had read
    /// the byte that the server sends first.
    client: io::Result<Serial>,
    /// What the client sent that the server could read.
    received: Vec<u8>,
    /// Whether the client resumed what it had with the server before.
    kind: Option<HandshakeKind>,
}

impl Seen {
    fn refusals(&self) -> (Option<Refusal>, Option<Refusal>) {
        let find = |error: Option<&io::Error>| error.and_then(|error| Refusal::find(error));
        (find(self.server.as_ref().err()), find(self.client.as_ref().err()))
    }
}

async fn meet(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Seen {
    meet_as(server, client, "cofi.example.org").await
}

/// Connects `client`, which dials `name` and sends a secret, to `server`.
async fn meet_as(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &'static str) -> Seen {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (mut received, mut kind) = (Vec::new(), None);
    let accept = async {
        let mut stream = TlsAcceptor::from(Arc::clone(server)).accept(far).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        stream.read_to_end(&mut received).await?;
        let (_, connection) = stream.get_ref();
        assert_eq!(connection.alpn_protocol(), Some(b"h2".as_slice()));
        PeerIdentity::from_certificates(connection.peer_certificates().unwrap_or_default())
            .map_err(io::Error::other)
    };
    let connect = async {
        let dialled = ServerName::try_from(name).unwrap();
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(dialled, near).await?;
        stream.write_all(b"secret").await?;
        stream.read_u8().await?;
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates().unwrap_or_default();
        let serial = crate::Facts::of(&shown[0]).unwrap().serial;
        kind = connection.handshake_kind();
        stream.shutdown().await?;
        Ok(serial)
    };
    let both = async { tokio::join!(accept, connect) };
    let (server, client) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    Seen { server, client, received, kind }
}
