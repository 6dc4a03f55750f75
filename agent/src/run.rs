//! The agent from its start to its end.

use std::{
    future::pending,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use cofi_proto::clock::{Clock, SystemClock};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    Config, Stop,
    chain::Chain,
    engine::{Board, Pool, Program, feed},
    holdings::OnDisk,
    identity::{Identity, Keeper},
    journal::{Change, Journal},
    link::Link,
    store::{Layout, Store},
};

/// How long a drain waits for the session to take the last results.
const SEND_GRACE: Duration = Duration::from_secs(5);

/// How long the end waits for threads that may be waiting for a disk.
const END_GRACE: Duration = Duration::from_secs(10);

/// Between two looks for results that need not be kept any more.
const PRUNE_INTERVAL: Duration = Duration::from_hours(1);

/// Open files that many small recordings and their connections need.
const OPEN_FILES: u64 = 8_192;

/// Runs an agent until it is told to stop. `worker_program` is started with
/// `lid-worker` for the built-in engine.
///
/// # Errors
/// The machine has not joined, or its identity cannot be used
/// ([`IdentityError`](crate::IdentityError)); the data folder cannot be used,
/// or a part of the agent ended unexpectedly.
pub async fn run(config: Config, worker_program: PathBuf, stop: Stop) -> anyhow::Result<()> {
    let (mut config, identity) = tokio::task::spawn_blocking(move || {
        let identity = Identity::load(&config);
        identity.map(|identity| (config, identity))
    })
    .await??;
    config.name = identity.agent().clone();
    let span = tracing::info_span!("agent", agent = %config.name);
    Box::pin(run_in_span(config, identity, worker_program, stop)).instrument(span).await
}

async fn run_in_span(
    config: Config,
    identity: Identity,
    worker_program: PathBuf,
    stop: Stop,
) -> anyhow::Result<()> {
    raise_open_files();
    let layout = {
        let (data, publish) = (config.data_dir.clone(), config.publish_dir.clone());
        let opening = tokio::task::spawn_blocking(move || Layout::open(&data, publish.as_deref()));
        Arc::new(opening.await?.context("open the store")?)
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (journal, writing) = Journal::open(&layout.journal(), clock.clone()).await?;
    let mut lasting = JoinSet::new();
    lasting.spawn(
        async {
            writing.await;
            Ok(())
        }
        .in_current_span(),
    );
    let (store, threads) = Store::start(layout.clone(), journal.clone(), config.disk_reserve_bytes)
        .await
        .context("start the store")?;
    for thread in threads {
        lasting.spawn(thread.in_current_span());
    }
    tracing::info!(storage = layout.storage_id(), data = %config.data_dir.display(), "agent started");

    let parts = Parts { layout, journal, store, clock };
    let agent = Agent::start(config, identity, &worker_program, parts, stop)?;
    let outcome = agent.run(&mut lasting).await;
    // All users of the store are gone: its threads and the journal end.
    let ended = timeout(END_GRACE, async { while lasting.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!("store did not end in time");
    }
    tracing::info!("agent ended");
    outcome
}

/// What the parts of the agent work on.
struct Parts {
    layout: Arc<Layout>,
    journal: Journal,
    store: Store,
    clock: Arc<dyn Clock>,
}

/// The parts that use store and journal. None of them may end by itself.
struct Agent {
    tasks: JoinSet<anyhow::Result<()>>,
    link: JoinSet<anyhow::Result<()>>,
    pool: JoinSet<anyhow::Result<()>>,
    journal: Journal,
    store: Store,
    sent: watch::Receiver<i64>,
    close: CancellationToken,
    drain_grace: Duration,
    stop: Stop,
}

impl Agent {
    fn start(
        config: Config,
        identity: Identity,
        worker_program: &Path,
        parts: Parts,
        stop: Stop,
    ) -> anyhow::Result<Self> {
        let Parts { layout, journal, store, clock } = parts;
        let network = Arc::new(identity.network(clock.clone()).context("set up tls")?);
        let (sessions, sessions_seen) = watch::channel(0);
        let controller = config.controller.clone();
        let keeper = Keeper::new(identity, network.clone(), controller, clock.clone(), sessions_seen);
        let program = Program::new(&config.engine, worker_program);
        let (board, board_seen) = watch::channel(Board::new(program.name()));
        let (sent, sent_seen) = watch::channel(0);
        let close = CancellationToken::new();
        let (feeder, feeding) = feed(journal.clone(), stop.clone());
        let pool = Pool {
            program,
            config: config.engine.clone(),
            layout: layout.clone(),
            journal: journal.clone(),
            feeder,
            board: Arc::new(board),
            stop: stop.clone(),
        };
        let retention = config.result_retention;
        let drain_grace = config.drain_grace;
        let link = Link {
            config: Arc::new(config),
            holdings: Arc::new(OnDisk { layout, store: store.clone(), journal: journal.clone() }),
            network,
            board: board_seen,
            sent: Arc::new(sent),
            sessions: Arc::new(sessions),
            stop: stop.clone(),
            close: close.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async { feeding.await.context("feeder") }.in_current_span());
        tasks.spawn(async { match keeper.run().await {} }.in_current_span());
        tasks.spawn(prune(journal.clone(), clock, retention).in_current_span());
        let mut session = JoinSet::new();
        session.spawn(async { link.run().await.context("link") }.in_current_span());
        let mut workers = JoinSet::new();
        workers.spawn(async { pool.run().await.context("engine") }.in_current_span());
        Ok(Self {
            tasks,
            link: session,
            pool: workers,
            journal,
            store,
            sent: sent_seen,
            close,
            drain_grace,
            stop,
        })
    }

    async fn run(mut self, lasting: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        let failed = tokio::select! {
            () = stop.draining() => Ok(()),
            failed = unexpected(&mut self.tasks) => failed,
            failed = unexpected(&mut self.link) => failed,
            failed = unexpected(&mut self.pool) => failed,
            failed = unexpected(lasting) => failed,
        };
        // Once the agent drains tasks may end, and one may have been seen first.
        let outcome = if stop.is_draining() {
            tokio::select! {
                () = self.drain() => Ok(()),
                () = stop.stopping() => Ok(()),
                failed = unexpected(lasting) => failed,
            }
        } else {
            failed
        };
        self.pool.shutdown().await;
        self.link.shutdown().await;
        self.tasks.shutdown().await;
        outcome
    }

    /// Finishes what is in hand and sends what can be sent.
    async fn drain(&mut self) {
        let finishing = async { while self.pool.join_next().await.is_some() {} };
        if timeout(self.drain_grace, finishing).await.is_err() {
            tracing::warn!(
                "recordings in the engine are given up: they will be identified after the next start"
            );
        }
        failpoint!(async ENGINE_DRAINED => return);
        let settled = async {
            self.store.settle().await.context("settle the store")?;
            self.journal.settle().await.context("settle the journal")?;
            self.journal.outbox_end().await.context("look for results to send")
        };
        match settled.await {
            Ok(end) => {
                let sending = self.sent.wait_for(|sent| *sent >= end);
                if !matches!(timeout(SEND_GRACE, sending).await, Ok(Ok(_))) {
                    tracing::info!("results that could not be sent wait for the next start");
                }
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "could not settle"),
        }
        self.close.cancel();
        // The link ends with its session; the others are stopped after it.
        drop(timeout(SEND_GRACE, self.link.join_next()).await);
    }
}

/// Waits for a task that ends although nobody asked it to.
async fn unexpected(tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match tasks.join_next().await {
        Some(Ok(Err(error))) => Err(error),
        Some(Ok(Ok(()))) => bail!("a task of the agent ended unexpectedly"),
        Some(Err(panic)) => Err(panic).context("a task of the agent panicked"),
        None => pending().await,
    }
}

/// Removes results that were receipted long ago.
async fn prune(journal: Journal, clock: Arc<dyn Clock>, retention: Duration) -> anyhow::Result<()> {
    let retention = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
    let mut ticks = interval(PRUNE_INTERVAL);
    loop {
        ticks.tick().await;
        let before = clock.now_micros().saturating_sub(retention);
        if let Err(error) = journal.commit(Change::Expired(before)).await {
            tracing::error!(error = %Chain(&error), "could not remove old results");
            sleep(PRUNE_INTERVAL / 60).await;
        }
    }
}

/// The soft limit on open files is often 1,024, far less than the hard one.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit on open files stays as it is");
        }
    }
}
