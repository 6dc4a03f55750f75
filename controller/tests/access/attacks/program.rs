//! A controller in a process of its own, so that its memory and its sockets are
//! nobody else's.

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use cofi_identity::{
    CertificateRequest, Credential, PrivateKey, TrustBundle,
    files::ControllerFiles,
    tls::{CurrentCredential, TrustedServers, agent_client, operator_client},
};
use cofi_proto::{
    clock::SystemClock,
    limits::PROTOCOL,
    pb::{
        agent::{self, agent_service_client::AgentServiceClient},
        v1::{
            CreateAccessTokenRequest, CreateJoinTokenRequest, EnrolRequest, ListAgentsRequest, TokenKind,
            access_service_client::AccessServiceClient, enrolment_service_client::EnrolmentServiceClient,
            fleet_service_client::FleetServiceClient,
        },
    },
};
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use tokio::{
    sync::{Mutex, MutexGuard, mpsc},
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;

use crate::house::{Called, Token, dial};

/// For an operator who comes anew while the controller is under attack.
const PATIENCE: Duration = Duration::from_secs(2);
/// For what an attack took to be given back.
const RECOVERY: Duration = Duration::from_secs(20);
/// Files more than before: connections to the database stay open for a while.
const POOL: usize = 6;
/// What an attack may leave in memory: what the allocator keeps for later.
const LEFTOVER_KIB: u64 = 64 * 1024;

/// One attack at a time of those that take all that a machine has: it is to be
/// measured what is left to others.
static ARENA: Mutex<()> = Mutex::const_new(());

/// The controller.
pub(crate) struct Program {
    pub(crate) control: SocketAddr,
    pub(crate) agents: SocketAddr,
    trust: TrustBundle,
    child: Child,
    folder: tempfile::TempDir,
    /// Held, and never looked at.
    #[allow(dead_code, reason = "it is held")]
    arena: Option<MutexGuard<'static, ()>>,
}

/// What the process has at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// Its memory.
    pub(crate) kib: u64,
    /// Its connections.
    pub(crate) sockets: usize,
    /// Its open files; none where the system does not show them, since the
    /// process is not to be looked into.
    files: Option<usize>,
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Program {
    /// For an attack that takes little.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[], None).await
    }

    /// For an attack that takes what it gets: no other one runs beside it.
    pub(crate) async fn start_alone(arguments: &[&str], files: Option<u32>) -> Self {
        let arena = ARENA.lock().await;
        let mut program = Self::start_with(arguments, files).await;
        program.arena = Some(arena);
        program
    }

    /// One with these arguments, that may open so many files.
    pub(crate) async fn start_with(arguments: &[&str], files: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (control, agents) = (free_port(), free_port());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let limit = files.map(|files| format!("ulimit -n {files} && ")).unwrap_or_default();
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("{limit}exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_cofi-controller"))
            .args(["--control-listen", &format!("127.0.0.1:{control}")])
            .args(["--agent-listen", &format!("127.0.0.1:{agents}")])
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let trust = TrustBundle::new([cofi_identity::Authority::create(0).unwrap().certificate().clone()]);
        let mut program = Self {
            control: ([127, 0, 0, 1], control).into(),
            agents: ([127, 0, 0, 1], agents).into(),
            trust: trust.unwrap(),
            child,
            folder,
            arena: None,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !program.log().contains("controller is up") {
            assert!(program.child.try_wait().unwrap().is_none(), "it ended: {}", program.log());
            assert!(Instant::now() < deadline, "it does not come up: {}", program.log());
            sleep(Duration::from_millis(20)).await;
        }
        program.trust = program.files().trust().unwrap().unwrap();
        program
    }

    fn files(&self) -> ControllerFiles {
        ControllerFiles::open(&self.state_dir().join("identity")).unwrap()
    }

    fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// TLS as operators have it.
    pub(crate) fn operator_tls(&self) -> Arc<ClientConfig> {
        let servers = Arc::new(TrustedServers::new(&self.trust).unwrap());
        operator_client(servers, Arc::new(SystemClock)).unwrap()
    }

    /// A new connection of the operator's.
    pub(crate) async fn operator(&self) -> Called {
        let token = self.files().operator_token().unwrap().unwrap();
        let channel = dial(self.control, self.operator_tls()).await.unwrap();
        InterceptedService::new(channel, Token::of(&token.to_text()))
    }

    /// A token with which one may look, and nothing else.
    pub(crate) async fn viewer(&self) -> String {
        let request = CreateAccessTokenRequest {
            role: TokenKind::Viewer.into(),
            ..CreateAccessTokenRequest::default()
        };
        let made = AccessServiceClient::new(self.operator().await).create_access_token(request).await;
        made.unwrap().into_inner().secret
    }

    /// TLS as an agent has it that has joined.
    pub(crate) async fn agent_tls(&self, agent: &str) -> Arc<ClientConfig> {
        let operator = self.operator().await;
        let request = CreateJoinTokenRequest { agent: agent.to_owned(), ttl_seconds: 0 };
        let made = AccessServiceClient::new(operator.clone()).create_join_token(request).await.unwrap();
        let key = PrivateKey::generate().unwrap();
        let request = EnrolRequest {
            token: made.into_inner().secret,
            agent: agent.to_owned(),
            certificate_request: CertificateRequest::write(&key).unwrap(),
        };
        let answer = EnrolmentServiceClient::new(operator).enrol(request).await.unwrap().into_inner();
        let credential = Credential::new(key, vec![CertificateDer::from(answer.certificate)]).unwrap();
        let servers = Arc::new(TrustedServers::new(&self.trust).unwrap());
        let shown = Arc::new(CurrentCredential::new(&credential).unwrap());
        agent_client(shown, servers, Arc::new(SystemClock)).unwrap()
    }

    /// An operator comes anew and is answered in time; after how long.
    pub(crate) async fn answers(&self) -> Duration {
        let since = Instant::now();
        let asked = async {
            let mut fleet = FleetServiceClient::new(self.operator().await);
            fleet.list_agents(ListAgentsRequest::default()).await.unwrap();
        };
        let answered = timeout(PATIENCE, asked).await;
        assert!(answered.is_ok(), "an operator waits for more than {PATIENCE:?}");
        since.elapsed()
    }

    /// What it has now.
    pub(crate) fn measure(&self) -> Measure {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let files = fs::read_dir(process.join("fd")).ok().map(Iterator::count);
        Measure { kib, sockets: self.sockets(), files }
    }

    /// Connections at its listeners that it holds, as the system counts them.
    fn sockets(&self) -> usize {
        let ports: BTreeSet<String> =
            [self.control, self.agents].map(|address| format!("0100007F:{:04X}", address.port())).into();
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let held = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // Of this end, neither listening nor without an owner.
            ports.contains(fields[1]) && fields[3] != "0A" && fields[9] != "0"
        };
        table.lines().skip(1).filter(held).count()
    }

    /// Waits until it holds so many connections at most.
    pub(crate) async fn holds_at_most(&self, sockets: usize, patience: Duration) -> Duration {
        let since = Instant::now();
        while self.sockets() > sockets {
            assert!(since.elapsed() < patience, "{} connections, not {sockets}", self.sockets());
            sleep(Duration::from_millis(20)).await;
        }
        since.elapsed()
    }

    /// What an attack took is given back.
    pub(crate) async fn recovers(&self, before: Measure) {
        self.holds_at_most(before.sockets, RECOVERY).await;
        let since = Instant::now();
        loop {
            let after = self.measure();
            let recovered = after.files <= before.files.map(|files| files + POOL)
                && after.kib <= before.kib + LEFTOVER_KIB;
            if recovered {
                break;
            }
            assert!(since.elapsed() < RECOVERY, "{before:?}, and after the attack {after:?}");
            sleep(Duration::from_millis(50)).await;
        }
        self.answers().await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// An agent at work, which has a session and says that it is there.
pub(crate) struct Working {
    heard: tonic::Streaming<agent::FromController>,
    up: mpsc::Sender<agent::FromAgent>,
}

pub(crate) fn heartbeat() -> agent::Heartbeat {
    agent::Heartbeat {
        free_disk_bytes: 1 << 40,
        engine: Some(agent::Engine { state: agent::EngineState::Ready.into(), ..agent::Engine::default() }),
        ..agent::Heartbeat::default()
    }
}

pub(crate) fn hello(agent: &str) -> agent::Hello {
    agent::Hello {
        protocol: PROTOCOL,
        version: "1".to_owned(),
        name: agent.to_owned(),
        storage_id: format!("store of {agent}"),
        advertise_address: format!("{agent}.example"),
        weight: 100,
        receive_connections: 1,
        heartbeat: Some(heartbeat()),
        ..agent::Hello::default()
    }
}

impl Working {
    pub(crate) async fn begin(program: &Program, agent: &str) -> Self {
        let channel = dial(program.agents, program.agent_tls(agent).await).await.unwrap();
        let (up, messages) = mpsc::channel(16);
        let first = agent::from_agent::Message::Hello(hello(agent));
        up.send(agent::FromAgent { message: Some(first) }).await.unwrap();
        let session = AgentServiceClient::new(channel).session(ReceiverStream::new(messages)).await.unwrap();
        let mut heard = session.into_inner();
        let welcome = heard.message().await.unwrap().unwrap().message;
        assert!(matches!(welcome, Some(agent::from_controller::Message::Welcome(_))));
        Self { heard, up }
    }

    /// It is heard, and its session has not ended.
    pub(crate) async fn goes_on(&mut self) {
        let beat = agent::from_agent::Message::Heartbeat(heartbeat());
        self.up.send(agent::FromAgent { message: Some(beat) }).await.unwrap();
        match timeout(Duration::from_millis(50), self.heard.message()).await {
            Err(_) | Ok(Ok(Some(_))) => {}
            Ok(ended) => panic!("the agent's session ended: {ended:?}"),
        }
    }
}
