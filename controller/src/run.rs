//! The controller as a whole: what it is made of, in which order it starts and
//! ends.

use std::sync::Arc;

use anyhow::Context;
use cofi_proto::{AgentName, clock::SystemClock};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::{JoinError, JoinSet},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    check::Answers,
    commit::{self, Applier, Recorder},
    config::Config,
    custody::Custodian,
    dispatch::{Dispatch, Dispatcher},
    health::Health,
    ledger::Ledger,
    plan::Planner,
    progress::Progress,
    rpc::{Services, serve_agents, serve_control},
};

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Where it listens. Bound by the caller, so that a test can take port 0.
#[derive(Debug)]
pub struct Listeners {
    /// For operators.
    pub control: TcpListener,
    /// For agents.
    pub agent: TcpListener,
}

impl Listeners {
    /// Binds what the configuration says.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = async |key: &str, address| {
            TcpListener::bind(address).await.with_context(|| format!("listen on {key} = {address}"))
        };
        Ok(Self {
            control: bind("control_listen", config.control_listen).await?,
            agent: bind("agent_listen", config.agent_listen).await?,
        })
    }
}

/// Runs the controller until `stop` is cancelled, or something fails that it
/// cannot go on without.
pub async fn run(config: Config, listeners: Listeners, stop: CancellationToken) -> anyhow::Result<()> {
    let ledger = Ledger::open(config.database.clone())
        .await
        .with_context(|| format!("open the database {}", config.database.url))?;
    let outcome = serve(config, listeners, ledger.clone(), stop).await;
    // A connection that was lost without a word does not take its leave.
    if tokio::time::timeout(GRACE, ledger.close()).await.is_err() {
        tracing::warn!("connections to the database did not end in time");
    }
    outcome
}

async fn serve(
    config: Config,
    listeners: Listeners,
    ledger: Ledger,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let claim = ledger.claim().await.context("claim the database")?;
    let languages = Arc::new(config.languages);
    let clock = Arc::new(SystemClock);
    let planner = Planner::new(ledger.clone(), languages.clone(), config.allowed_roots, clock.clone());
    planner.discard_leftovers().await.context("discard batches that were never whole")?;
    let database_id = ledger.database_id().await.context("read the database's name")?;
    let generation = ledger.begin_generation().await.context("begin a generation")?;
    let health = Health::default();
    let expected = connected_agents(&ledger).await.context("read the agents")?;
    let (dispatcher, dispatch) =
        Dispatcher::new(generation, expected, ledger.clone(), clock.clone(), health.clone());

    let mut parts = JoinSet::new();
    let mut writers = JoinSet::new();
    let end = CancellationToken::new();
    parts.spawn(part("dispatcher", infallible(dispatcher.run(end.clone()))));
    let rows_written = Arc::new(Notify::new());
    let (recorder, to_record) = mpsc::channel(commit::QUEUE);
    let recording = Recorder {
        ledger: ledger.clone(),
        clock: clock.clone(),
        dispatch: dispatch.clone(),
        health: health.clone(),
        rows_written: rows_written.clone(),
    };
    writers.spawn(recording.run(to_record));
    let (applier, to_apply) = mpsc::channel(commit::QUEUE);
    let applying = Applier {
        ledger: ledger.clone(),
        languages: languages.clone(),
        clock: clock.clone(),
        dispatch: dispatch.clone(),
        health: health.clone(),
        rows_written,
    };
    writers.spawn(applying.run(to_apply));
    let decided = Arc::new(Notify::new());
    let custodian = Custodian {
        ledger: ledger.clone(),
        dispatch: dispatch.clone(),
        clock: clock.clone(),
        replace_after: config.replace_after,
        decided: decided.clone(),
    };
    parts.spawn(part("custodian", infallible(custodian.run(end.clone()))));
    let progress = Progress::new(ledger.clone(), dispatch.clone(), health.clone());
    parts.spawn(part("progress", infallible(progress.clone().run(end.clone()))));

    open_unfinished(&ledger, &dispatch).await.context("open the unfinished batches")?;
    let tasks = TaskTracker::new();
    let services = Services {
        planner,
        ledger,
        dispatch,
        progress,
        recorder,
        applier,
        health,
        answers: Answers::default(),
        languages,
        clock,
        database_id: database_id.into(),
        decided,
        tasks: tasks.clone(),
    };
    tracing::info!(
        generation,
        control = %config.control_listen,
        agents = %config.agent_listen,
        database = config.database.url,
        "controller is up"
    );
    parts.spawn(part("control", serve_control(listeners.control, services.clone(), end.clone())));
    parts.spawn(part("agents", serve_agents(listeners.agent, services, end.clone())));

    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        lost = claim.keep() => Err(anyhow::Error::new(lost)),
        ended = parts.join_next() => Err(unexpected(ended)),
        _ = writers.join_next() => Err(anyhow::anyhow!("a task that writes to the database died")),
    };
    end.cancel();
    // Sessions and lanes end with the dispatcher; then the last senders of the
    // recorder and the applier are gone, and what they hold is committed.
    tasks.close();
    let rest = async {
        tasks.wait().await;
        while parts.join_next().await.is_some() {}
        while writers.join_next().await.is_some() {}
    };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        tracing::warn!("connections did not end in time");
    }
    outcome
}

async fn infallible(part: impl Future<Output = ()>) -> Result<(), std::convert::Infallible> {
    part.await;
    Ok(())
}

async fn part<E>(
    name: &'static str,
    part: impl Future<Output = Result<(), E>>,
) -> anyhow::Result<&'static str>
where
    E: Into<anyhow::Error>,
{
    part.await.map_err(Into::into).with_context(|| format!("the part {name} failed"))?;
    Ok(name)
}

fn unexpected(ended: Option<Result<anyhow::Result<&'static str>, JoinError>>) -> anyhow::Error {
    match ended {
        Some(Ok(Ok(name))) => anyhow::anyhow!("the part {name} ended by itself"),
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => anyhow::Error::new(error).context("a part of the controller died"),
        None => anyhow::anyhow!("the controller has no parts"),
    }
}

/// Agents that had a session when the controller was last up: they may hold
/// recordings that nobody recorded.
async fn connected_agents(ledger: &Ledger) -> anyhow::Result<Vec<AgentName>> {
    let agents = ledger.all_agents().await?.into_iter();
    Ok(agents.filter(|agent| agent.connected).map(|agent| agent.name).collect())
}

async fn open_unfinished(ledger: &Ledger, dispatch: &Dispatch) -> anyhow::Result<()> {
    for batch in ledger.unfinished_batches().await? {
        let record = ledger.batch(batch).await?;
        if !record.cancelled {
            dispatch.open_batch(record).await;
        }
    }
    Ok(())
}
