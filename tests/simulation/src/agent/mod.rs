//! An agent: its real link to the controller, over a model of what it holds.

mod disk;
mod engine;
mod holdings;
mod journal;
mod rows;
mod store;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::bail;
use cofi_agent::{Board, Config, Stop, Worker, link::Link};
use cofi_lid::protocol::Ready;
use cofi_proto::AgentName;
pub use disk::Disk;
pub use engine::outcome;
use holdings::InMemory;
use journal::Journal;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{chance::Chance, mistake::Mistake, net::Simulated};
use store::{Flusher, Receiver};

/// Pieces that may wait for the store.
const PIECES: usize = 32;
/// Recordings that may wait to be flushed.
const WORK: usize = 64;

/// What an agent is made of.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// Where it finds its controller.
    pub controller: SocketAddr,
    /// Streams that it receives on.
    pub receive_connections: u32,
    /// What it holds.
    pub disk: Disk,
    /// Decides how long things take.
    pub chance: Chance,
    /// What it does wrong, if anything.
    pub mistake: Option<Mistake>,
}

impl Agent {
    /// Runs until it crashes.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { name, controller, receive_connections, disk, chance, mistake } = self;
        // The journal is opened, and what a crash has left is looked at.
        sleep(chance.millis(20..=500)).await;
        disk.recover();
        let mut tasks = JoinSet::new();
        let (journal, writer) = Journal::new(disk.clone(), chance.clone());
        tasks.spawn(writer.run());
        let (work, waiting) = mpsc::channel(WORK);
        // Names of an earlier run are not used again.
        let next_file = disk.content().journal.next_position().unsigned_abs() << 20;
        let flusher = Flusher {
            disk: disk.clone(),
            journal: journal.clone(),
            chance: chance.clone(),
            next_file,
            mistake,
        };
        tasks.spawn(flusher.run(waiting));
        let (events, arriving) = mpsc::channel(PIECES);
        tasks.spawn(Receiver::new(disk.clone(), work.clone()).run(arriving));
        tasks.spawn(engine::run(disk.clone(), journal.clone(), chance.clone()));

        let (board, board_seen) = watch::channel(Board::new("model".to_owned()));
        board.send_if_modified(|board| board.note(0, Worker::Ready(Ready::default())));
        let mut config = Config::new(name, PathBuf::new());
        config.controller = controller.into();
        config.receive_connections = receive_connections;
        let link = Link {
            config: Arc::new(config),
            holdings: Arc::new(InMemory::new(disk, journal, events, work, mistake)),
            network: Arc::new(Simulated),
            board: board_seen,
            sent: Arc::new(watch::Sender::new(0)),
            sessions: Arc::new(watch::Sender::new(0)),
            stop: Stop::new(),
            close: CancellationToken::new(),
        };
        let mut session = JoinSet::new();
        session.spawn(link.run());
        tokio::select! {
            ended = session.join_next() => bail!("the link ended: {ended:?}"),
            ended = tasks.join_next() => bail!("a part of the agent ended: {ended:?}"),
            () = sleep(Duration::MAX) => Ok(()),
        }
    }
}
