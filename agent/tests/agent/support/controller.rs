//! The scripted controller: it answers nothing by itself but the hello.

use std::{collections::VecDeque, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use cofi_identity::PeerIdentity;
use cofi_proto::{
    DeliveryId, RecordingId,
    limits::{MAX_PIECE_MESSAGE_BYTES, PIECE_BYTES},
    pb::agent::{
        self as pb,
        agent_service_server::{AgentService, AgentServiceServer},
        from_agent::Message as Up,
        from_controller::Message as Down,
        identity_service_server::IdentityServiceServer,
    },
    receive::{DeliveryOutcome, DeliveryReport},
    session::{Held, LidResult},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::{Identities, Recording, Renewals, Site, identity::peer, site::secured, within};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A controller on a port of its own.
pub struct Controller {
    pub address: SocketAddr,
    pub site: Arc<Site>,
    pub renewals: Arc<Renewals>,
    sessions: mpsc::Receiver<Session>,
    receiving: mpsc::Receiver<Receiving>,
    server: JoinSet<()>,
}

/// A session that an agent has opened and that was welcomed.
pub struct Session {
    /// Who has opened it, by the certificate.
    pub peer: PeerIdentity,
    pub hello: pb::Hello,
    up: Streaming<pb::FromAgent>,
    down: mpsc::Sender<Result<pb::FromController, Status>>,
    /// Seen while something else was waited for.
    heartbeats: VecDeque<pb::Heartbeat>,
    held: VecDeque<pb::HeldPage>,
    results: VecDeque<LidResult>,
    removed: VecDeque<RecordingId>,
}

/// A receive stream that an agent has opened.
pub struct Receiving {
    pub token: Bytes,
    up: Streaming<pb::FromReceiver>,
    down: mpsc::Sender<Result<pb::Piece, Status>>,
    reports: VecDeque<DeliveryReport>,
}

impl Controller {
    pub async fn start() -> Self {
        Self::start_as(Site::new()).await
    }

    pub async fn start_as(site: Arc<Site>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), site).await
    }

    /// Listens where an earlier controller did.
    pub async fn start_at(address: SocketAddr, site: Arc<Site>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sessions, seen_sessions) = mpsc::channel(64);
        let (receiving, seen_receiving) = mpsc::channel(64);
        let renewals = Arc::new(Renewals::default());
        let identities = Identities { site: site.clone(), renewals: renewals.clone() };
        let service = AgentServiceServer::new(Service { sessions, receiving })
            .max_encoding_message_size(MAX_PIECE_MESSAGE_BYTES);
        let (incoming, mut server) = secured(listener, site.for_agents());
        server.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .add_service(IdentityServiceServer::new(identities))
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Self { address, site, renewals, sessions: seen_sessions, receiving: seen_receiving, server }
    }

    /// Ends as a process does: all connections are gone.
    pub async fn stop(mut self) -> (SocketAddr, Arc<Site>) {
        self.server.shutdown().await;
        (self.address, self.site)
    }

    pub async fn session(&mut self) -> Session {
        within("a session", self.sessions.recv()).await.unwrap()
    }

    pub async fn receiving(&mut self) -> Receiving {
        within("a receive stream", self.receiving.recv()).await.unwrap()
    }
}

struct Service {
    sessions: mpsc::Sender<Session>,
    receiving: mpsc::Sender<Receiving>,
}

#[tonic::async_trait]
impl AgentService for Service {
    type SessionStream = Answers<pb::FromController>;
    type ReceiveStream = Answers<pb::Piece>;

    async fn session(
        &self,
        request: Request<Streaming<pb::FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = peer(&request)?;
        let mut up = request.into_inner();
        let Some(Up::Hello(hello)) = up.message().await?.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("the first message is the hello"));
        };
        let (down, messages) = mpsc::channel(64);
        let welcome = pb::Welcome {
            inventory: false,
            session_token: Bytes::from_static(b"token"),
            heartbeat_interval_ms: 1_000,
            lease_ms: 20_000,
            database_id: String::from("test"),
        };
        down.send(Ok(pb::FromController { message: Some(Down::Welcome(welcome)) })).await.unwrap();
        let session = Session {
            peer,
            hello,
            up,
            down,
            heartbeats: VecDeque::new(),
            held: VecDeque::new(),
            results: VecDeque::new(),
            removed: VecDeque::new(),
        };
        self.sessions.send(session).await.map_err(|_| Status::unavailable("test ended"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn receive(
        &self,
        request: Request<Streaming<pb::FromReceiver>>,
    ) -> Result<Response<Self::ReceiveStream>, Status> {
        let mut up = request.into_inner();
        let first = up.message().await?.and_then(|first| first.message);
        let Some(pb::from_receiver::Message::Open(open)) = first else {
            return Err(Status::invalid_argument("the first message opens"));
        };
        let (down, pieces) = mpsc::channel(64);
        let receiving = Receiving { token: open.session_token, up, down, reports: VecDeque::new() };
        self.receiving.send(receiving).await.map_err(|_| Status::unavailable("test ended"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(pieces))))
    }
}

impl Session {
    async fn take(&mut self) {
        let message = self.up.message().await.unwrap();
        match message.expect("the agent ended the session").message.unwrap() {
            Up::Hello(_) => panic!("a second hello"),
            Up::Held(page) => self.held.push_back(page),
            Up::Heartbeat(heartbeat) => self.heartbeats.push_back(heartbeat),
            Up::Verified(_) | Up::HeldList(_) => panic!("an answer to no question"),
            Up::Removed(group) => {
                assert!(group.recordings.len() <= 1_000);
                self.removed
                    .extend(group.recordings.into_iter().map(|id| RecordingId::try_from(id).unwrap()));
            }
            Up::Results(group) => {
                assert!(group.results.len() <= 500);
                assert!(self.held.back().is_some_and(|page| page.last), "results before the last held page");
                self.results
                    .extend(group.results.into_iter().map(|result| LidResult::try_from(result).unwrap()));
            }
        }
    }

    /// All that the agent says it holds.
    pub async fn held(&mut self) -> Vec<Held> {
        within("the last page of what is held", async {
            while !self.held.back().is_some_and(|page| page.last) {
                self.take().await;
            }
        })
        .await;
        let pages = self.held.iter().inspect(|page| assert!(page.recordings.len() <= 1_000));
        pages.flat_map(|page| page.recordings.clone()).map(|held| Held::try_from(held).unwrap()).collect()
    }

    /// What the agent says next to have removed.
    pub async fn removed(&mut self) -> RecordingId {
        within("a removal", async {
            while self.removed.is_empty() {
                self.take().await;
            }
        })
        .await;
        self.removed.pop_front().unwrap()
    }

    pub async fn result(&mut self) -> LidResult {
        within("a result", async {
            loop {
                if let Some(result) = self.results.pop_front() {
                    return result;
                }
                self.take().await;
            }
        })
        .await
    }

    /// The next heartbeat for which `condition` holds.
    pub async fn heartbeat(&mut self, condition: impl Fn(&pb::Heartbeat) -> bool) -> pb::Heartbeat {
        within("such a heartbeat", async {
            loop {
                while let Some(heartbeat) = self.heartbeats.pop_front() {
                    if condition(&heartbeat) {
                        return heartbeat;
                    }
                }
                self.take().await;
            }
        })
        .await
    }

    /// Reads until the agent ends its side of the session, then ends the other.
    pub async fn ended(mut self) -> Vec<LidResult> {
        within("the end of the session", async {
            while let Ok(Some(message)) = self.up.message().await {
                if let Some(Up::Results(group)) = message.message {
                    let results =
                        group.results.into_iter().map(|result| LidResult::try_from(result).unwrap());
                    self.results.extend(results);
                }
            }
            self.results.into()
        })
        .await
    }

    /// Whether the agent is still there.
    pub fn is_open(&self) -> bool {
        !self.down.is_closed()
    }

    /// Cuts the session.
    pub async fn cut(self) {
        self.down.send(Err(Status::unavailable("cut"))).await.unwrap();
    }

    pub async fn say(&self, message: Down) {
        self.down.send(Ok(pb::FromController { message: Some(message) })).await.unwrap();
    }

    pub async fn recorded(&self, recordings: &[RecordingId]) {
        let recordings = recordings.iter().map(|id| (*id).into()).collect();
        self.say(Down::Recorded(pb::RecordedGroup { recordings })).await;
    }

    pub async fn receipt(&self, recording: RecordingId, round: i32) {
        let receipts = vec![pb::ResultReceipt { recording: Some(recording.into()), round }];
        self.say(Down::ResultReceipts(pb::ResultReceipts { receipts })).await;
    }

    pub async fn identify(&self, recording: RecordingId, round: i32, candidates: &[&str]) {
        let candidates = candidates.iter().map(|code| (*code).to_owned()).collect();
        let recordings = vec![pb::Identify { recording: Some(recording.into()), round, candidates }];
        self.say(Down::Identify(pb::IdentifyGroup { recordings })).await;
    }

    pub async fn release(&self, recording: RecordingId) {
        let recordings =
            vec![pb::Release { recording: Some(recording.into()), reason: "held elsewhere".into() }];
        self.say(Down::Release(pb::ReleaseGroup { recordings })).await;
    }
}

impl Receiving {
    pub async fn send_piece(&self, piece: pb::Piece) {
        within("room on the stream", self.down.send(Ok(piece))).await.unwrap();
    }

    pub async fn send(&self, recording: &Recording) {
        for piece in recording.pieces(PIECE_BYTES) {
            self.send_piece(piece).await;
        }
    }

    pub async fn report(&mut self) -> DeliveryReport {
        loop {
            if let Some(report) = self.reports.pop_front() {
                return report;
            }
            let message = within("a report", self.up.message()).await.unwrap();
            let message = message.expect("the agent ended the stream").message.unwrap();
            let pb::from_receiver::Message::Reports(group) = message else { panic!("opened twice") };
            assert!(group.reports.len() <= 1_024);
            self.reports.extend(group.reports.into_iter().map(|r| DeliveryReport::try_from(r).unwrap()));
        }
    }

    /// Sends a recording and waits until it is acknowledged.
    pub async fn store(&mut self, recording: &Recording) {
        self.send(recording).await;
        let report = self.report().await;
        assert_eq!(report, acknowledged(recording));
    }

    /// Sends a recording and waits until it is refused.
    pub async fn refusal(&mut self, delivery: DeliveryId) -> (&'static str, String) {
        let report = self.report().await;
        assert_eq!(report.delivery, delivery);
        match report.outcome {
            DeliveryOutcome::Refused { code, reason } => (code.as_str(), reason),
            DeliveryOutcome::Acknowledged { .. } => panic!("acknowledged"),
        }
    }

    /// Waits until the agent has ended the stream.
    pub async fn ended(mut self) {
        while let Ok(Some(_)) = within("the end of the stream", self.up.message()).await {}
    }

    /// Whether the agent has left the stream.
    pub fn is_over(&self) -> bool {
        self.down.is_closed()
    }

    /// Cuts the stream.
    pub async fn cut(self) {
        self.down.send(Err(Status::unavailable("cut"))).await.unwrap();
    }
}

/// What an agent reports of a recording that it has stored.
pub fn acknowledged(recording: &Recording) -> DeliveryReport {
    let size_bytes = u64::try_from(recording.content.len()).unwrap();
    let outcome = DeliveryOutcome::Acknowledged { size_bytes, digest: recording.digest() };
    DeliveryReport { delivery: recording.delivery, outcome }
}
