//! The dispatcher itself.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use cofi_proto::{
    AgentName, BatchId,
    session::{
        EngineState, Heartbeat, Hello, Identify, LidFailure, LidOutcome, Release, ResultReceipt, Storage,
    },
};
use std::sync::Arc;

use cofi_proto::clock::Clock;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Dispatch, Down, JoinRefused, Message, Session, sessions::Sessions};
use crate::{
    chain::error_chain,
    delivery::StoredRecording,
    health::Health,
    lane::Order,
    ledger::{
        AgentLedger, Applied, AttemptRecord, BatchRecord, LedgerError, PendingLid, PlacementFailure,
        Recorded, ReportedResult,
    },
    scheduler::{Action, Condition, Event, Scheduler, Unfit},
};

/// How often the scheduler is told that time has passed.
const TICK: Duration = Duration::from_millis(250);
/// Pause before the database is asked again for what it did not give.
const RETRY: Duration = Duration::from_millis(500);

/// Pause before a recording is identified again that an engine failed on.
const AGAIN: Duration = Duration::from_secs(1);

/// What comes of something that ran beside the dispatcher.
type Beside = Option<Then>;

enum Then {
    Happened(Event),
    Identify(PendingLid),
}

/// Owns the scheduler, the sessions and the lanes.
#[derive(Debug)]
pub struct Dispatcher {
    pub(super) scheduler: Scheduler,
    pub(super) sessions: Sessions,
    /// Root and candidates of batches that are open.
    batches: HashMap<BatchId, (String, Vec<String>)>,
    messages: mpsc::Receiver<Message>,
    beside: JoinSet<Beside>,
    ledger: Arc<dyn AgentLedger>,
    pub(super) clock: Arc<dyn Clock>,
    health: Health,
    pub(super) started: Instant,
    /// Agents that were refused a session and have none since: why, and when.
    pub(super) refused: BTreeMap<AgentName, (String, i64)>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Dispatcher {
    /// A dispatcher that waits for `expected` agents before it places
    /// anything, and the handle to it.
    pub fn new(
        generation: u64,
        expected: Vec<AgentName>,
        ledger: Arc<dyn AgentLedger>,
        clock: Arc<dyn Clock>,
        health: Health,
    ) -> (Self, Dispatch) {
        let (dispatch, messages) = Dispatch::channel();
        let dispatcher = Self {
            scheduler: Scheduler::new(generation, expected, Duration::ZERO),
            sessions: Sessions::default(),
            batches: HashMap::new(),
            messages,
            beside: JoinSet::new(),
            ledger,
            clock,
            health,
            started: Instant::now(),
            refused: BTreeMap::new(),
        };
        (dispatcher, dispatch)
    }

    /// Runs until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.happened(Event::Tick),
                Some(done) = self.beside.join_next() => match done {
                    Ok(Some(Then::Happened(event))) => self.happened(event),
                    Ok(Some(Then::Identify(pending))) => self.identify(vec![pending]),
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "a task of the dispatcher failed"),
                },
                message = self.messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => break,
                },
            }
        }
        self.sessions.end_all();
    }

    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn happened(&mut self, event: Event) {
        let now = self.now();
        for action in self.scheduler.handle(event, now) {
            self.act(action);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event) => {
                if let Event::LaneClosed { lane, .. } = &event {
                    self.sessions.close_lane(*lane);
                }
                self.happened(event);
            }
            Message::OpenBatch(batch) => self.open_batch(*batch, Event::BatchOpened),
            Message::BatchWaits(batch) => self.open_batch(*batch, Event::BatchWaits),
            Message::Join(hello, reply) => {
                // Whoever asked may have gone; the session then ends at once.
                let agent = hello.name.clone();
                if let Err(Ok(session)) = reply.send(self.join(hello)) {
                    self.left(&agent, session.id);
                }
            }
            Message::Left(agent, session) => self.left(&agent, session),
            Message::Dismiss(agent) => self.sessions.end(&agent),
            Message::Heartbeat(agent, session, heartbeat) => self.heartbeat(agent, session, heartbeat),
            Message::OpenLane(agent, token, reply) => {
                let Some(lane) = self.sessions.open_lane(&agent, &token) else { return };
                let (agent, id) = (lane.host.agent.clone(), lane.id);
                if reply.send(lane).is_ok() {
                    self.happened(Event::LaneOpened { agent, lane: id });
                } else {
                    self.sessions.close_lane(id);
                }
            }
            Message::Recorded(group) => self.recorded(group),
            Message::Applied(group) => self.applied(group),
            Message::Identify(pending) => self.identify(pending),
            Message::Release(agent, recording, reason) => {
                failpoint!(RELEASE_DECIDED => return self.sessions.end(&agent));
                self.sessions.send(&agent, &[Release { recording, reason }], Down::Release);
            }
            // Whoever asked may have gone.
            Message::Ask(agent, question, reply) => drop(reply.send(self.sessions.ask(&agent, question))),
            Message::Agents(reply) => drop(reply.send(self.agents())),
            Message::Refused(agent, why) => self.refused(agent, why),
            Message::Prospects(batch, recording, reply) => {
                drop(reply.send(self.prospects(batch, recording)));
            }
            Message::WaitingFor(batch, reply) => {
                drop(reply.send(self.scheduler.waiting_for(batch, self.now())));
            }
        }
    }

    fn open_batch(&mut self, batch: BatchRecord, event: fn(BatchId) -> Event) {
        self.batches.insert(batch.batch, (batch.source, batch.candidates));
        self.happened(event(batch.batch));
    }

    fn join(&mut self, hello: Hello) -> Result<Session, JoinRefused> {
        let session = self.sessions.join(&hello)?;
        self.refused.remove(&hello.name);
        let condition = condition(&hello.heartbeat);
        // A session that it replaces ends here, before its own task says so.
        self.happened(Event::AgentLeft(hello.name.clone()));
        self.happened(Event::AgentJoined { agent: hello.name, weight: hello.weight, condition });
        Ok(session)
    }

    fn left(&mut self, agent: &AgentName, session: u64) {
        if self.sessions.leave(agent, session) {
            self.happened(Event::AgentLeft(agent.clone()));
        }
    }

    fn heartbeat(&mut self, agent: AgentName, session: u64, heartbeat: Heartbeat) {
        let Some(seated) = self.sessions.current(&agent, session) else { return };
        let condition = condition(&heartbeat);
        seated.heartbeat = heartbeat;
        self.happened(Event::AgentCondition { agent, condition });
    }

    fn recorded(&mut self, group: Vec<(StoredRecording, Option<Recorded>)>) {
        let mut receipts: BTreeMap<AgentName, (Vec<_>, Vec<Release>)> = BTreeMap::new();
        for (stored, outcome) in group {
            let (agent, recording) = (stored.host().agent.clone(), stored.recording());
            let (receipts, releases) = receipts.entry(agent.clone()).or_default();
            let is_stored = outcome == Some(Recorded::Stored);
            match outcome {
                Some(Recorded::Stored) => receipts.push(recording),
                Some(Recorded::Unwanted(reason)) => releases.push(Release { recording, reason }),
                // Refused by the database: the agent keeps it.
                None => {}
            }
            self.happened(Event::Recorded { agent, recording, stored: is_stored });
        }
        failpoint!(PLACEMENTS_KNOWN => return self.sessions.end_all());
        for (agent, (recorded, releases)) in receipts {
            self.sessions.send(&agent, &recorded, Down::Recorded);
            self.sessions.send(&agent, &releases, Down::Release);
        }
    }

    fn applied(&mut self, group: Vec<(ReportedResult, Option<Applied>)>) {
        let mut receipts: BTreeMap<AgentName, (Vec<ResultReceipt>, bool)> = BTreeMap::new();
        for (result, outcome) in group {
            let ReportedResult { recording, round, agent, outcome: said, .. } = result;
            match outcome {
                // Refused by the database, or to come again, or not the agent's.
                None | Some(Applied::NotRecorded | Applied::Elsewhere) => continue,
                Some(Applied::Settled) => {}
                Some(Applied::Blamed) => self.happened(Event::Blamed(recording)),
                Some(Applied::SetBack(pending)) => {
                    let why = match &said {
                        LidOutcome::Failed(LidFailure { code, reason, .. }) => format!("{code}: {reason}"),
                        LidOutcome::Identified(_) => String::new(),
                    };
                    self.happened(Event::EngineFailed { agent: agent.clone(), recording, why });
                    self.beside.spawn(async {
                        tokio::time::sleep(AGAIN).await;
                        Some(Then::Identify(pending))
                    });
                }
            }
            let (receipts, well) = receipts.entry(agent).or_default();
            receipts.push(ResultReceipt { recording, round });
            *well |= matches!(said, LidOutcome::Identified(_));
        }
        failpoint!(RESULTS_KNOWN => return self.sessions.end_all());
        for (agent, (receipts, well)) in receipts {
            let recordings = u64::try_from(receipts.len()).unwrap_or(u64::MAX);
            self.sessions.send(&agent, &receipts, Down::Receipts);
            self.happened(Event::Identified { agent, recordings, well });
        }
    }

    fn identify(&self, pending: Vec<PendingLid>) {
        let mut by_agent: BTreeMap<AgentName, Vec<Identify>> = BTreeMap::new();
        for PendingLid { agent, recording, round, candidates } in pending {
            let Ok(agent) = agent.parse() else { continue };
            by_agent.entry(agent).or_default().push(Identify { recording, round, candidates });
        }
        for (agent, identify) in by_agent {
            self.sessions.send(&agent, &identify, Down::Identify);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { agent, lane, delivery, recording } => {
                let Some((root, candidates)) = self.batches.get(&recording.recording.batch) else {
                    tracing::error!(recording = %recording.recording, "a recording of a batch that is not open");
                    return;
                };
                let order = Order { delivery, recording, root: root.clone(), candidates: candidates.clone() };
                self.sessions.order(&agent, lane, order);
            }
            Action::Load { batch, after, limit } => {
                self.beside.spawn(load(self.ledger.clone(), self.health.clone(), batch, after, limit));
            }
            Action::Fail { recording, code, reason, attempts } => {
                tracing::info!(%recording, code, reason, "recording could not be placed");
                let failure = PlacementFailure { recording, code: code.to_owned(), reason, attempts };
                self.chore(Chore::Fail(failure));
            }
            Action::Note { agent, recording, code, reason } => {
                tracing::info!(%agent, %recording, code, reason, "delivery failed");
                let at = self.clock.now_micros();
                let code = code.to_owned();
                self.chore(Chore::Note(AttemptRecord { recording, agent, code, reason, at }));
            }
            Action::Forget(agent) => self.chore(Chore::Forget(agent)),
        }
    }
}

impl Dispatcher {
    fn chore(&mut self, chore: Chore) {
        let now = self.clock.now_micros();
        self.beside.spawn(insist(chore, self.ledger.clone(), self.health.clone(), now));
    }
}

/// What the scheduler needs of a heartbeat.
fn condition(heartbeat: &Heartbeat) -> Condition {
    let engine = match heartbeat.engine.state {
        EngineState::Ready => None,
        EngineState::Starting => Some(Unfit::EngineStarting),
        EngineState::Failed => Some(Unfit::EngineFailed(heartbeat.engine.reason.clone())),
    };
    let disk = match &heartbeat.storage {
        Storage::Ready => None,
        Storage::Full(_) => Some(Unfit::DiskFull),
        Storage::Failed(why) => Some(Unfit::DiskFailed(why.clone())),
    };
    Condition { free_disk: heartbeat.free_disk_bytes, lid_waiting: heartbeat.lid_waiting, engine, disk }
}

async fn load(
    ledger: Arc<dyn AgentLedger>,
    health: Health,
    batch: BatchId,
    after: i64,
    limit: i64,
) -> Beside {
    match LedgerError::or_silence(ledger.planned_recordings(batch, after, limit)).await {
        Ok(recordings) => Some(Then::Happened(Event::Loaded { batch, after, recordings })),
        Err(error) => {
            note(&health, &error);
            tokio::time::sleep(RETRY).await;
            Some(Then::Happened(Event::LoadFailed))
        }
    }
}

/// Something small to write, beside the dispatcher.
enum Chore {
    Fail(PlacementFailure),
    Note(AttemptRecord),
    Forget(AgentName),
}

/// Does a chore, for as long as it takes while the database is away.
async fn insist(chore: Chore, ledger: Arc<dyn AgentLedger>, health: Health, now: i64) -> Beside {
    loop {
        let work = async {
            match &chore {
                Chore::Fail(failure) => ledger.fail_placements(std::slice::from_ref(failure), now).await,
                Chore::Note(attempt) => ledger.note_refusal(attempt).await,
                Chore::Forget(agent) => ledger.agent_left(agent, now).await,
            }
        };
        let Err(error) = LedgerError::or_silence(work).await else { return None };
        note(&health, &error);
        if !error.is_transient() {
            return None;
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn note(health: &Health, error: &LedgerError) {
    if error.is_transient() {
        health.database_failed(error);
    } else {
        tracing::error!(error = error_chain(error), "the database refused a statement");
    }
}
