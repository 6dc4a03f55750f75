//! The controller as a whole: what it is made of, in which order it starts and
//! ends.

use std::sync::Arc;

use anyhow::Context;
use cofi_proto::clock::{Clock, SystemClock};
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agent_side::{AgentHalf, AgentSide},
    config::Config,
    dispatch::Dispatch,
    entry::Entry,
    health::Health,
    lane::Threads,
    ledger::{Claim, Ledger},
    plan::Planner,
    progress::Progress,
    release::{Releaser, Retention},
    rpc::{IdentityCalls, Services, serve_control},
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
    let languages = Arc::new(config.languages.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entry = Entry::open(&config, &ledger, clock.clone()).await?;
    let planner =
        Planner::new(ledger.clone(), languages.clone(), config.allowed_roots.clone(), clock.clone());
    planner.discard_leftovers().await.context("discard batches that were never whole")?;
    let database_id = ledger.database_id().await.context("read the database's name")?;
    let generation = ledger.begin_generation().await.context("begin a generation")?;
    let health = Health::default();
    let side = AgentSide {
        ledger: Arc::new(ledger.clone()),
        database_id: database_id.into(),
        generation,
        languages: languages.clone(),
        clock: clock.clone(),
        health: health.clone(),
        readers: Arc::new(Threads),
        replace_after: config.replace_after,
        denials: entry.denials.clone(),
        connections_per_agent: config.connections_per_agent,
    };
    let end = CancellationToken::new();
    let half = side.assemble(&end).await.context("read the agents")?;
    let AgentHalf {
        dispatch,
        door: agent_door,
        decided,
        released,
        tasks,
        answers,
        parts: halves,
        writers: writing,
    } = half;

    let mut parts = JoinSet::new();
    let mut writers = JoinSet::new();
    for (name, running) in halves {
        parts.spawn(part(name, infallible(running)));
    }
    for running in writing {
        writers.spawn(running);
    }
    let progress = Progress::new(ledger.clone(), dispatch.clone(), health.clone());
    parts.spawn(part("progress", infallible(progress.clone().run(end.clone()))));

    let doors = entry.doors(&config, listeners, &clock)?;
    let Entry { identity, tokens, denials, keeper, denial_log } = entry;
    parts.spawn(part("identity", infallible(keeper.run(end.clone()))));
    let denied = denial_log.run(ledger.clone(), clock.clone(), end.clone());
    parts.spawn(part("denials", infallible(denied)));

    let releaser = Releaser { ledger: ledger.clone(), clock: clock.clone(), due: released };
    if let Some(keep_seconds) = config.release_after_seconds {
        let retention = Retention { releaser: releaser.clone(), keep_seconds };
        parts.spawn(part("retention", infallible(retention.run(end.clone()))));
    }

    open_unfinished(&ledger, &dispatch).await.context("open the unfinished batches")?;
    let calls = IdentityCalls {
        ledger: ledger.clone(),
        identity: identity.clone(),
        clock: clock.clone(),
        tasks: tasks.clone(),
    };
    let services = Services {
        planner,
        ledger,
        dispatch,
        progress,
        releaser,
        health,
        identity,
        tokens,
        denials,
        answers,
        languages,
        replace_after: config.replace_after,
        clock,
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
    let control = doors.control.open(&tasks, end.clone());
    parts.spawn(part("control", serve_control(control, services, end.clone())));
    let agents = doors.agents.open(&tasks, end.clone());
    parts.spawn(part("agents", agent_door.serve_certified(agents, calls, end.clone())));

    Running { parts, writers, tasks, end }.until(stop, claim).await
}

/// All that runs.
struct Running {
    parts: JoinSet<anyhow::Result<&'static str>>,
    writers: JoinSet<()>,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Running {
    /// Waits until it is to stop, or has to, and ends everything in order.
    async fn until(self, stop: CancellationToken, claim: Claim) -> anyhow::Result<()> {
        let Self { mut parts, mut writers, tasks, end } = self;
        let outcome = tokio::select! {
            () = stop.cancelled() => Ok(()),
            lost = claim.keep() => Err(anyhow::Error::new(lost)),
            ended = parts.join_next() => Err(unexpected(ended)),
            _ = writers.join_next() => Err(anyhow::anyhow!("a task that writes to the database died")),
        };
        end.cancel();
        failpoint!(async DRAIN_BEGUN => return outcome);
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

async fn open_unfinished(ledger: &Ledger, dispatch: &Dispatch) -> anyhow::Result<()> {
    for batch in ledger.unfinished_batches().await? {
        let record = ledger.batch(batch).await?;
        if !record.cancelled {
            dispatch.open_batch(record).await;
        }
    }
    Ok(())
}
