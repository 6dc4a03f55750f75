//! `AgentService`: sessions and lanes, as they come over the wire.

use std::{pin::Pin, sync::Arc, time::Duration};

use cofi_proto::{AgentName, clock::Clock, limits::PROTOCOL, pb::agent as pb, session::Hello};
use pb::{
    agent_service_server::AgentService, from_agent::Message as Up, from_controller::Message as DownMessage,
    from_receiver::Message as ReceiverUp,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use super::{
    hearing::{Hearing, WireReports},
    releases::Releasing,
    status::RpcError,
};
use crate::{
    access::{Denial, Denials},
    chain::error_chain,
    check::Answers,
    commit::{self, ToApply, ToRecord},
    dispatch::{Dispatch, Down, JoinRefused, Session},
    door::{Certificate, Peer},
    lane::Readers,
    ledger::{AgentLedger, AgentRecord, Custody, LedgerError, QuarantineRecord, Standing, StandingRecord},
    scheduler::{Event, LEASE},
};

/// Time for the first message of a stream.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// Between heartbeats of an agent.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Connections of an agent beside those for recordings: its session's, and one
/// on which it asks for certificates.
const OTHER_CONNECTIONS: u32 = 2;

/// Answers agents.
#[derive(Debug, Clone)]
pub(crate) struct Agents {
    pub(crate) ledger: Arc<dyn AgentLedger>,
    pub(crate) dispatch: Dispatch,
    pub(crate) answers: Answers,
    pub(crate) recorder: mpsc::Sender<ToRecord>,
    pub(crate) applier: mpsc::Sender<ToApply>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) readers: Arc<dyn Readers>,
    pub(crate) tasks: TaskTracker,
    pub(crate) database_id: Arc<str>,
    pub(crate) decided: Arc<Notify>,
    /// Rung when recordings were released.
    pub(crate) released: Arc<watch::Sender<()>>,
    /// Where refusals are counted.
    pub(crate) denials: Denials,
    /// Connections that an agent may have at a time.
    pub(crate) connections_per_agent: u32,
}

type Downward<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Agents {
    type SessionStream = Downward<pb::FromController>;
    type ReceiveStream = Downward<pb::Piece>;

    async fn session(
        &self,
        request: Request<Streaming<pb::FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = request.extensions().get().cloned();
        let mut up = request.into_inner();
        let hello = match first(&mut up).await?.and_then(|message| message.message) {
            Some(Up::Hello(hello)) => Hello::try_from(hello).map_err(RpcError::from)?,
            _ => return Err(RpcError::NoBeginning("a hello").into()),
        };
        self.must_speak_for_itself(peer.as_ref(), &hello.name)?;
        // In a task of its own from here on: a caller that goes away meanwhile
        // must not leave an agent seated that nobody hears.
        let (told, begun) = oneshot::channel();
        self.tasks.spawn(self.clone().hold(hello, peer, up, told));
        let Begun { welcome, down, ended } = begun.await.map_err(|_| RpcError::Stopping)??;
        let messages = tokio_stream::once(DownMessage::Welcome(welcome))
            .chain(ReceiverStream::new(down).map(DownMessage::from))
            .map(|message| Ok(pb::FromController { message: Some(message) }));
        Ok(Response::new(Box::pin(until(messages, ended))))
    }

    async fn receive(
        &self,
        request: Request<Streaming<pb::FromReceiver>>,
    ) -> Result<Response<Self::ReceiveStream>, Status> {
        let agent = of_peer(request.extensions().get())?;
        let mut up = request.into_inner();
        let token = match first(&mut up).await?.and_then(|message| message.message) {
            Some(ReceiverUp::Open(open)) => open.session_token.to_vec(),
            _ => return Err(RpcError::NoBeginning("an opening").into()),
        };
        let lane = self.dispatch.open_lane(agent, token).await.ok_or(RpcError::StaleSession)?;
        let ended = lane.ended.clone();
        let (pieces, open) = lane
            .open(&*self.readers)
            .map_err(|error| RpcError::Internal(format!("start a reader: {error}")))?;
        self.tasks.spawn(open.run(WireReports(up), self.dispatch.clone(), self.recorder.clone()));
        let pieces = ReceiverStream::new(pieces).map(|piece| Ok(piece.into()));
        Ok(Response::new(Box::pin(until(pieces, ended))))
    }
}

/// A session that has begun, for who opened it.
struct Begun {
    welcome: pb::Welcome,
    down: mpsc::Receiver<Down>,
    ended: CancellationToken,
}

impl Agents {
    /// Refuses whoever says to be another agent than its certificate does.
    fn must_speak_for_itself(&self, peer: Option<&Peer>, said: &AgentName) -> Result<(), RpcError> {
        let shown = of_peer(peer)?;
        if shown == *said {
            return Ok(());
        }
        let error = RpcError::OtherAgent { shown: shown.clone(), said: said.clone() };
        self.denials.note(Denial {
            actor: format!("agent:{shown}"),
            peer: peer.map(Peer::address).unwrap_or_default(),
            action: "AgentService.Session".to_owned(),
            target: format!("agent:{said}"),
            detail: error.to_string(),
        });
        Err(error)
    }

    /// Holds a session from the hello to its end.
    async fn hold(
        self,
        hello: Hello,
        peer: Option<Peer>,
        up: Streaming<pb::FromAgent>,
        told: oneshot::Sender<Result<Begun, RpcError>>,
    ) {
        let name = hello.name.clone();
        let (session, inventory) = match self.seat(hello, peer).await {
            Ok(seated) => seated,
            Err(error) => {
                self.dispatch.refused(name, error_chain(&error)).await;
                // Whoever asked may have gone, here and below.
                told.send(Err(error)).ok();
                return;
            }
        };
        let Session { id, token, host, down, paced, ended } = session;
        let welcome = pb::Welcome {
            session_token: token.into(),
            heartbeat_interval_ms: millis(HEARTBEAT),
            lease_ms: millis(LEASE),
            database_id: self.database_id.to_string(),
            inventory,
        };
        told.send(Ok(Begun { welcome, down, ended: ended.clone() })).ok();
        let agent = host.agent.clone();
        let removed = Arc::new(Notify::new());
        let releasing = Releasing {
            ledger: &*self.ledger,
            agent: agent.clone(),
            down: paced.clone(),
            due: self.released.subscribe(),
            removed: removed.clone(),
        };
        let hearing = Hearing { agents: &self, id, host, paced, removed };
        let outcome = tokio::select! {
            () = ended.cancelled() => Ok(()),
            outcome = hearing.run(up) => outcome,
            outcome = releasing.run() => outcome,
        };
        match outcome {
            Ok(()) => tracing::info!(%agent, session = id, "session ended"),
            Err(error) => {
                tracing::info!(%agent, session = id, error = error_chain(&error), "session lost");
            }
        }
        ended.cancel();
        self.answers.left(&agent);
        self.dispatch.left(agent, id).await;
    }

    /// Seats an agent. The second part is whether it is to offer everything that
    /// it holds, since it knows of more than the rows do.
    async fn seat(&self, hello: Hello, peer: Option<Peer>) -> Result<(Session, bool), RpcError> {
        if hello.protocol != PROTOCOL {
            return Err(RpcError::Protocol { ours: PROTOCOL, theirs: hello.protocol });
        }
        let most = self.connections_per_agent.saturating_sub(OTHER_CONNECTIONS).max(1);
        if hello.receive_connections > most {
            return Err(RpcError::TooManyStreams { wanted: hello.receive_connections, most });
        }
        if !hello.database_id.is_empty() && *hello.database_id != *self.database_id {
            let ours = self.database_id.to_string();
            return Err(RpcError::OtherDatabase { ours, theirs: hello.database_id });
        }
        let standing = self.ledger.standing(&hello.name).await?.map(|record| record.standing);
        if standing == Some(Standing::Removed) {
            return Err(JoinRefused::Removed(hello.name).into());
        }
        // A database from a backup may not know of a certificate, and could not
        // have it revoked.
        if let Some(Certificate { facts, der }) = peer.as_ref().and_then(Peer::certificate) {
            self.ledger.know_certificate(&hello.name, facts, der).await?;
        }
        let (recorded, receipted) = (hello.recorded, hello.receipted);
        let record = AgentRecord {
            name: hello.name.clone(),
            storage_id: hello.storage_id.clone(),
            advertise_address: hello.advertise_address.clone(),
            version: hello.version.clone(),
            connected: true,
            last_seen: self.clock.now_micros(),
        };
        let session = self.dispatch.join(hello).await.ok_or(RpcError::Stopping)??;
        let custody = match self.welcome(&record, standing).await {
            Ok(custody) => custody,
            Err(error) => {
                self.dispatch.left(record.name, session.id).await;
                return Err(error.into());
            }
        };
        // What it was not told to remove yet, or has not said to have removed.
        let Custody { stored, settled, releasing } = custody;
        let inventory = standing == Some(Standing::Lost)
            || recorded > stored + releasing
            || receipted > settled + releasing;
        if inventory {
            tracing::warn!(agent = %record.name, recorded, stored, "agent is to offer all that it holds");
        }
        tracing::info!(agent = %record.name, session = session.id, address = record.advertise_address, "session begins");
        Ok((session, inventory))
    }

    /// Writes down that an agent is there, and looks what the rows say that it
    /// holds. One that comes with another store has lost what it held.
    async fn welcome(
        &self,
        record: &AgentRecord,
        standing: Option<Standing>,
    ) -> Result<Custody, LedgerError> {
        let before = match self.ledger.agent(&record.name).await {
            Ok(before) => Some(before),
            Err(LedgerError::NoSuchAgent(_)) => None,
            Err(error) => return Err(error),
        };
        let is_another_store = before.is_some_and(|before| before.storage_id != record.storage_id);
        if is_another_store {
            // What the other store acknowledged may still be on its way to the
            // rows: nobody would look for it any more.
            commit::settle(&self.recorder).await;
        }
        let custody = self.ledger.custody(&record.name).await?;
        if is_another_store && custody.stored > 0 {
            let lost = StandingRecord {
                agent: record.name.clone(),
                standing: Standing::Lost,
                reason: "came with another data_dir".to_owned(),
                since: self.clock.now_micros(),
                deadline: None,
            };
            self.ledger.put_standing(&lost).await?;
            self.decided.notify_one();
        }
        failpoint!(async AGENT_SEATED => return Err(LedgerError::failpoint()));
        self.ledger.put_agent(record).await?;
        failpoint!(async AGENT_WRITTEN => return Err(LedgerError::failpoint()));
        let draining = standing == Some(Standing::Draining);
        self.dispatch.event(Event::AgentDraining { agent: record.name.clone(), draining }).await;
        let quarantines = self.ledger.quarantines().await?.into_iter();
        if let Some(QuarantineRecord { agent, fault, reason, .. }) =
            quarantines.into_iter().find(|quarantine| quarantine.agent == record.name)
        {
            self.dispatch.event(Event::AgentQuarantined { agent, fault: fault.into(), reason }).await;
        }
        Ok(custody)
    }
}

/// The agent at the other end.
fn of_peer(peer: Option<&Peer>) -> Result<AgentName, RpcError> {
    peer.and_then(Peer::agent).cloned().ok_or(RpcError::NoCertificate)
}

/// The first message of a stream; whoever opens one says at once what it is.
async fn first<T>(up: &mut Streaming<T>) -> Result<Option<T>, Status> {
    match tokio::time::timeout(FIRST_MESSAGE, up.message()).await {
        Ok(message) => message,
        Err(_) => Err(RpcError::NoBeginning("anything within 10 s").into()),
    }
}

/// A stream that ends with its session.
fn until<T>(stream: impl Stream<Item = T> + Send, ended: CancellationToken) -> impl Stream<Item = T> + Send {
    futures_util::StreamExt::take_until(stream, ended.cancelled_owned())
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
