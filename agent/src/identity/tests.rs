//! An identity that is kept good, on a clock that runs as fast as there is
//! something to do. The TLS is real, the network a pipe.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cofi_identity::{
    Authority, CertificateRequest, Revocations, SERVER_LIFETIME, ServerNames,
    files::Answer,
    tls::{AgentGate, agents_listener},
};
use cofi_proto::pb::agent::{
    GetTrustRequest, GetTrustResponse, RenewRequest, RenewResponse,
    identity_service_server::{IdentityService, IdentityServiceServer},
};
use tempfile::TempDir;
use tokio::{
    io::DuplexStream,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::*;
use crate::{
    config::ControllerAddress,
    link::{Connection, Network},
};

const START: i64 = 1_800_000_000_000_000;
const LIFETIME: Duration = Duration::from_hours(3);
const SECOND: i64 = 1_000_000;

/// The time of day that goes with the runtime's own time, and can be turned.
#[derive(Debug)]
struct Turned {
    begun: Instant,
    by: AtomicI64,
}

impl Clock for Turned {
    fn now_micros(&self) -> i64 {
        let passed = i64::try_from(self.begun.elapsed().as_micros()).unwrap();
        START + passed + self.by.load(Ordering::SeqCst)
    }
}

/// What the controller has and did.
#[derive(Debug)]
struct Site {
    clock: Arc<Turned>,
    authority: Authority,
    trust: Mutex<TrustBundle>,
    renewed: AtomicUsize,
    asked_for_trust: AtomicUsize,
    /// Keys of the requests, each time that one came.
    keys: Mutex<Vec<cofi_identity::KeyHash>>,
    /// Whether answers are lost, after certificates were issued.
    losing: Mutex<bool>,
}

impl Site {
    fn issue(&self, key: &cofi_identity::PublicKey) -> Answer {
        let agent = "gpu-01".parse().unwrap();
        let issued = self.authority.issue_agent(&agent, key, self.clock.now_micros(), LIFETIME).unwrap();
        Answer { certificate: issued.der, trust: self.trust.lock().unwrap().clone() }
    }

    fn join(&self, folder: &Path) -> Serial {
        let files = AgentFiles::open_or_create(folder).unwrap();
        let answer = self.issue(files.pending_key().unwrap().public_key());
        files.install(answer, &"gpu-01".parse().unwrap(), None, self.clock.now_micros()).unwrap().peer.serial
    }
}

struct Service(Arc<Site>);

#[tonic::async_trait]
impl IdentityService for Service {
    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let request = CertificateRequest::parse(&request.get_ref().certificate_request).unwrap();
        self.0.keys.lock().unwrap().push(request.public_key().hash());
        let answer = self.0.issue(request.public_key());
        if *self.0.losing.lock().unwrap() {
            return Err(Status::unavailable("the answer is lost"));
        }
        self.0.renewed.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(RenewResponse {
            certificate: answer.certificate.to_vec().into(),
            trusted_authorities: answer.trust.to_pem(),
        }))
    }

    async fn get_trust(&self, _: Request<GetTrustRequest>) -> Result<Response<GetTrustResponse>, Status> {
        self.0.asked_for_trust.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(GetTrustResponse { trusted_authorities: self.0.trust.lock().unwrap().to_pem() }))
    }
}

/// A pipe to the controller.
#[derive(Debug)]
struct Pipe {
    tls: Tls,
    controller: mpsc::Sender<DuplexStream>,
}

#[async_trait]
impl Network for Pipe {
    async fn connect(&self, controller: &ControllerAddress) -> io::Result<Connection> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        self.controller.send(far).await.map_err(io::Error::other)?;
        self.tls.secure(near, None, controller).await
    }
}

/// An agent that is kept good by a controller.
struct Kept {
    site: Arc<Site>,
    folder: TempDir,
    shown: Arc<CurrentCredential>,
    sessions: watch::Sender<u64>,
    tasks: JoinSet<()>,
}

impl Kept {
    fn new() -> Self {
        let clock = Arc::new(Turned { begun: Instant::now(), by: AtomicI64::new(0) });
        let authority = Authority::create(START).unwrap();
        let site = Arc::new(Site {
            trust: Mutex::new(TrustBundle::new([authority.certificate().clone()]).unwrap()),
            authority,
            clock: clock.clone(),
            renewed: AtomicUsize::new(0),
            asked_for_trust: AtomicUsize::new(0),
            keys: Mutex::default(),
            losing: Mutex::new(false),
        });
        let folder = TempDir::new().unwrap();
        let data_dir = folder.path().join("data");
        site.join(&self::folder(&data_dir));
        let identity = Identity::load(&Config::new("gpu-01".parse().unwrap(), data_dir)).unwrap();
        let shown = identity.shown.clone();
        let (dialled, incoming) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(site.clone(), incoming));
        let tls = identity.network(clock.clone()).unwrap();
        let network = Arc::new(Pipe { tls, controller: dialled });
        let (sessions, seen) = watch::channel(0);
        let keeper = Keeper::new(identity, network, "localhost:7401".parse().unwrap(), clock, seen);
        tasks.spawn(async { match keeper.run().await {} });
        Self { site, folder, shown, sessions, tasks }
    }

    fn identity_folder(&self) -> PathBuf {
        folder(&self.folder.path().join("data"))
    }

    fn files(&self) -> AgentIdentity {
        AgentFiles::open(&self.identity_folder()).unwrap().unwrap().load().unwrap().unwrap()
    }

    fn renewed(&self) -> usize {
        self.site.renewed.load(Ordering::SeqCst)
    }
}

/// Serves what comes in. The library knows pipes, but no TLS on one: what is
/// in the TLS goes over a second pipe.
async fn serve(site: Arc<Site>, mut incoming: mpsc::Receiver<DuplexStream>) {
    let names = ServerNames::new([]).unwrap();
    let server = site.authority.issue_server(&names, START, SERVER_LIFETIME).unwrap();
    let shown = Arc::new(CurrentCredential::new(&server).unwrap());
    let gate = AgentGate::new(&site.trust.lock().unwrap(), Arc::new(Revocations::default())).unwrap();
    let tls = agents_listener(shown, Arc::new(gate), site.clock.clone()).unwrap();
    let (accepted, plain) = mpsc::channel::<io::Result<DuplexStream>>(4);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let service = IdentityServiceServer::new(Service(site));
        let incoming = ReceiverStream::new(plain);
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    while let Some(stream) = incoming.recv().await {
        let (acceptor, accepted) = (TlsAcceptor::from(tls.clone()), accepted.clone());
        tasks.spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let (mut client, server) = tokio::io::duplex(64 * 1024);
            accepted.send(Ok(server)).await.unwrap();
            drop(tokio::io::copy_bidirectional(&mut stream, &mut client).await);
        });
    }
}

/// Time as it passes for the agent.
async fn after(duration: Duration) {
    sleep(duration).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_renewed_in_time_over_ten_lifetimes() {
    let kept = Kept::new();
    let mut serials = vec![kept.files().peer.serial];
    for _ in 0..10 * 12 {
        after(LIFETIME / 12).await;
        let files = kept.files();
        let now = kept.site.clock.now_micros();
        let left = files.peer.not_after_micros - now;
        assert!(left > i64::try_from(LIFETIME.as_micros()).unwrap() / 2, "{left} microseconds are left");
        serials.push(files.peer.serial);
    }
    serials.dedup();
    // After a third of a lifetime and a little more each.
    assert!((26..=30).contains(&kept.renewed()), "{}", kept.renewed());
    assert_eq!(serials.len(), kept.renewed() + 1);
    assert!(!kept.identity_folder().join("pending.pem").exists());
}

#[tokio::test(start_paused = true)]
async fn connections_are_opened_anew_with_the_renewed_certificate() {
    let kept = Kept::new();
    let mut replaced = kept.shown.replaced();
    after(LIFETIME / 4).await;
    assert!(tokio::time::timeout(Duration::ZERO, replaced.wait()).await.is_err(), "too early");
    after(LIFETIME / 4).await;
    assert_eq!(kept.renewed(), 1);
    tokio::time::timeout(Duration::ZERO, replaced.wait()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_neither_keys_nor_the_certificate() {
    let kept = Kept::new();
    let before = kept.files().peer;
    *kept.site.losing.lock().unwrap() = true;
    after(LIFETIME * 2 / 3).await;
    let asked = kept.site.keys.lock().unwrap().len();
    assert!((5..40).contains(&asked), "{asked} requests in a third of a lifetime");
    assert_eq!(kept.files().peer, before);
    *kept.site.losing.lock().unwrap() = false;
    after(Duration::from_mins(6)).await;
    assert_eq!(kept.renewed(), 1);
    assert_ne!(kept.files().peer, before);
    let mut keys = kept.site.keys.lock().unwrap().clone();
    keys.dedup();
    assert_eq!(keys.len(), 1, "the key that was asked for is asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_is_noticed() {
    let kept = Kept::new();
    after(Duration::from_secs(30)).await;
    assert_eq!(kept.renewed(), 0);
    // As a machine does that slept for half of the certificate's life.
    kept.site.clock.by.store(i64::try_from(LIFETIME.as_micros()).unwrap() / 2, Ordering::SeqCst);
    after(Duration::from_secs(15)).await;
    assert_eq!(kept.renewed(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_joins_anew_needs_no_restart() {
    let kept = Kept::new();
    kept.site.clock.by.store(i64::try_from(LIFETIME.as_micros()).unwrap() + 2 * SECOND, Ordering::SeqCst);
    after(Duration::from_secs(30)).await;
    assert_eq!(kept.renewed(), 0, "it was too late");
    let mut replaced = kept.shown.replaced();
    let serial = kept.site.join(&kept.identity_folder());
    tokio::time::timeout(Duration::from_secs(15), replaced.wait()).await.unwrap();
    assert_eq!(kept.files().peer.serial, serial);
    after(LIFETIME / 2).await;
    assert_eq!(kept.renewed(), 1, "what was joined with is renewed like any other");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_ends_what_is_open_once() {
    let kept = Kept::new();
    kept.site.clock.by.store(i64::try_from(LIFETIME.as_micros()).unwrap() + 2 * SECOND, Ordering::SeqCst);
    let mut replaced = kept.shown.replaced();
    tokio::time::timeout(Duration::from_secs(15), replaced.wait()).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_mins(5), replaced.wait()).await.is_err());
}

/// What is logged on this thread.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_renewed_is_told_once_and_louder_as_time_runs_out() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let kept = Kept::new();
    *kept.site.losing.lock().unwrap() = true;
    let count = |words: &str| {
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(words)).count()
    };
    after(LIFETIME / 2).await;
    assert_eq!((count("INFO"), count("certificate is not renewed yet")), (1, 1));
    assert_eq!(count("the answer is lost"), 1);
    after(LIFETIME * 2 / 5).await;
    assert_eq!((count("WARN"), count("expires soon")), (1, 1));
    assert_eq!(count("ERROR"), 0);
    after(LIFETIME).await;
    assert_eq!((count("ERROR"), count("certificate has expired")), (1, 1));
    assert_eq!(count("cofi token create --join gpu-01"), 1);
}

#[tokio::test(start_paused = true)]
async fn whom_to_trust_is_asked_when_a_session_begins_and_every_hour() {
    let kept = Kept::new();
    // A renewal would tell as well.
    *kept.site.losing.lock().unwrap() = true;
    let asked = || kept.site.asked_for_trust.load(Ordering::SeqCst);
    after(Duration::from_mins(20)).await;
    assert_eq!(asked(), 0, "no session has begun");
    kept.sessions.send_replace(1);
    after(Duration::from_secs(1)).await;
    assert_eq!(asked(), 1);
    let successor = Authority::create(START).unwrap();
    let both = kept.site.trust.lock().unwrap().with(successor.certificate().clone()).unwrap();
    *kept.site.trust.lock().unwrap() = both.clone();
    after(Duration::from_mins(58)).await;
    assert_eq!((asked(), kept.files().trust == both), (1, false));
    after(Duration::from_mins(3)).await;
    assert_eq!((asked(), kept.files().trust == both), (2, true));
}

#[tokio::test(start_paused = true)]
async fn nobody_else_is_disturbed_who_asks_for_a_certificate() {
    let kept = Kept::new();
    let files = AgentFiles::open(&kept.identity_folder()).unwrap().unwrap();
    let joining = files.lock().unwrap().unwrap();
    after(LIFETIME / 2).await;
    assert_eq!(kept.site.keys.lock().unwrap().len(), 0);
    drop(joining);
    after(Duration::from_mins(6)).await;
    assert_eq!(kept.renewed(), 1);
    assert!(!kept.tasks.is_empty());
}
