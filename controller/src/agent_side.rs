//! The half of the controller that faces agents, put together. It is made the
//! same way over the database and the machine's network, and in the simulation
//! over a model of the one and a simulated other.
//!
//! ```text
//!             rpc::agent (sessions, lanes)
//!              |          |            |
//!              v          v            v
//!          dispatcher  recorder --> applier      custodian
//!              |          |            |             |
//!              '----------+-- ledger --+-------------'
//! ```

use std::{pin::Pin, sync::Arc, time::Duration};

use cofi_language::LanguageTable;
use cofi_proto::clock::Clock;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, mpsc, watch},
};
use tokio_stream::Stream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::Connected;

use crate::{
    access::{Denials, Guard},
    check::Answers,
    commit::{self, Applier, Recorder},
    custody::Custodian,
    dispatch::{Dispatch, Dispatcher},
    door::{Connection, Peer},
    health::Health,
    lane::Readers,
    ledger::{AgentLedger, LedgerError},
    rpc::{self, Agents, IdentityCalls},
};

/// What it is made of.
#[derive(Debug)]
pub struct AgentSide {
    /// Holds the rows.
    pub ledger: Arc<dyn AgentLedger>,
    /// Names the database for ever.
    pub database_id: Arc<str>,
    /// Of this start of the controller.
    pub generation: u64,
    /// What codes are known.
    pub languages: Arc<LanguageTable>,
    /// Gives the time of day.
    pub clock: Arc<dyn Clock>,
    /// Told how the database is.
    pub health: Health,
    /// Read the sources.
    pub readers: Arc<dyn Readers>,
    /// How long an agent may be away before what it holds is placed again.
    pub replace_after: Duration,
    /// Where refusals are counted.
    pub denials: Denials,
    /// Connections that an agent may have at a time.
    pub connections_per_agent: u32,
}

/// A part, to be run by the caller.
pub type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The half, ready to be run.
#[allow(missing_debug_implementations, reason = "parts are futures, which have none")]
pub struct AgentHalf {
    /// Knows the agents.
    pub dispatch: Dispatch,
    /// Answers the agents.
    pub door: AgentDoor,
    /// Rung when something was decided about an agent.
    pub decided: Arc<Notify>,
    /// Rung when recordings were released.
    pub released: Arc<watch::Sender<()>>,
    /// What outlives a call.
    pub tasks: TaskTracker,
    /// Questions of the checker to agents.
    pub(crate) answers: Answers,
    /// Run until they are stopped, with their names.
    pub parts: Vec<(&'static str, Part)>,
    /// Run until the door and all sessions are gone, so that what these left
    /// with them is written.
    pub writers: Vec<Part>,
}

impl AgentSide {
    /// Puts it together. Agents that had a session when the controller was last
    /// up are waited for: they may hold recordings that nobody recorded.
    pub async fn assemble(self, stop: &CancellationToken) -> Result<AgentHalf, LedgerError> {
        let Self {
            ledger,
            database_id,
            generation,
            languages,
            clock,
            health,
            readers,
            replace_after,
            denials,
            connections_per_agent,
        } = self;
        let agents = ledger.all_agents().await?.into_iter();
        let expected = agents.filter(|agent| agent.connected).map(|agent| agent.name).collect();
        let (dispatcher, dispatch) =
            Dispatcher::new(generation, expected, ledger.clone(), clock.clone(), health.clone());
        let (rows_written, decided) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (recorder, to_record) = mpsc::channel(commit::QUEUE);
        let custodian = Custodian {
            ledger: ledger.clone(),
            dispatch: dispatch.clone(),
            recorder: recorder.clone(),
            clock: clock.clone(),
            replace_after,
            decided: decided.clone(),
        };
        let recording = Recorder {
            ledger: ledger.clone(),
            clock: clock.clone(),
            dispatch: dispatch.clone(),
            health: health.clone(),
            rows_written: rows_written.clone(),
        };
        let (applier, to_apply) = mpsc::channel(commit::QUEUE);
        let applying = Applier {
            ledger: ledger.clone(),
            languages,
            clock: clock.clone(),
            dispatch: dispatch.clone(),
            health,
            rows_written,
        };
        let released = Arc::new(watch::Sender::new(()));
        let (answers, tasks) = (Answers::default(), TaskTracker::new());
        let agents = Agents {
            ledger,
            dispatch: dispatch.clone(),
            answers: answers.clone(),
            recorder,
            applier,
            clock,
            readers,
            tasks: tasks.clone(),
            database_id,
            decided: decided.clone(),
            released: released.clone(),
            denials,
            connections_per_agent,
        };
        let parts: Vec<(&'static str, Part)> = vec![
            ("dispatcher", Box::pin(dispatcher.run(stop.clone()))),
            ("custodian", Box::pin(custodian.run(stop.clone()))),
        ];
        let writers: Vec<Part> = vec![Box::pin(recording.run(to_record)), Box::pin(applying.run(to_apply))];
        Ok(AgentHalf { dispatch, door: AgentDoor(agents), decided, released, tasks, answers, parts, writers })
    }
}

/// Where agents come in.
#[derive(Debug)]
pub struct AgentDoor(Agents);

impl AgentDoor {
    /// Answers agents until it is stopped: who they are, their connections
    /// show.
    pub async fn serve<C>(
        self,
        connections: impl Stream<Item = std::io::Result<C>>,
        stop: CancellationToken,
    ) -> Result<(), tonic::transport::Error>
    where
        C: AsyncRead + AsyncWrite + Connected<ConnectInfo = Peer> + Unpin + Send + 'static,
    {
        let guard = Guard::of_agents(Arc::default(), self.0.denials.clone());
        rpc::serve_agents(connections, guard, self.0, None, stop).await
    }

    /// The same for connections with certificates, which can be renewed and
    /// revoked.
    pub(crate) async fn serve_certified(
        self,
        connections: impl Stream<Item = std::io::Result<Connection>>,
        identity: IdentityCalls,
        stop: CancellationToken,
    ) -> Result<(), tonic::transport::Error> {
        let guard = Guard::of_agents(identity.identity.revocations.clone(), self.0.denials.clone());
        rpc::serve_agents(connections, guard, self.0, Some(identity), stop).await
    }
}
