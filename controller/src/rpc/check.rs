//! `CheckService`.

use std::pin::Pin;

use cofi_proto::{BatchId, pb::v1 as pb};
use pb::{check_event::Event, check_service_server::CheckService};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status};

use super::status::RpcError;
use crate::{
    check::{AgentLook, AgentState, CheckError, Checker, Report},
    ledger::{CheckScope, Flaw},
};

/// Findings that may wait for whoever listens.
const FINDINGS: usize = 64;
/// Most batches that a request names: others are checked with all.
const MAX_BATCHES: usize = 1_000;

/// Answers operators who doubt the record.
#[derive(Debug, Clone)]
pub(super) struct Checks {
    pub(super) checker: Checker,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

type Events = Pin<Box<dyn Stream<Item = Result<pb::CheckEvent, Status>> + Send>>;

impl Checks {
    async fn check(&self, request: pb::CheckRequest) -> Result<Events, RpcError> {
        if request.batch_ids.len() > MAX_BATCHES {
            return Err(RpcError::field("batch_ids", "more than 1,000: leave them out to check all"));
        }
        let batches: Vec<BatchId> = request.batch_ids.into_iter().map(BatchId).collect();
        let scope = self.checker.scope(&batches).await?;
        let (sender, events) = mpsc::channel(FINDINGS);
        let (checker, stop) = (self.checker.clone(), self.stop.clone());
        let all = batches.is_empty();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => drop(sender.send(Err(RpcError::Stopping.into())).await),
                () = run(&checker, scope, all, request.digests, &sender) => {}
            }
        });
        Ok(Box::pin(ReceiverStream::new(events)))
    }
}

async fn run(
    checker: &Checker,
    scope: CheckScope,
    all: bool,
    digests: bool,
    events: &mpsc::Sender<Result<pb::CheckEvent, Status>>,
) {
    let (told, mut flaws) = mpsc::channel::<Flaw>(1);
    let passing_on = async {
        while let Some(flaw) = flaws.recv().await {
            if events.send(Ok(event(Event::Finding(flaw.into())))).await.is_err() {
                return;
            }
        }
    };
    let gone = async {
        tokio::select! {
            () = events.closed() => {}
            () = passing_on => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = gone => return,
        outcome = checker.run(scope, all, digests, told) => outcome,
    };
    let last = match outcome {
        Ok(report) => Ok(event(Event::Summary(report.into()))),
        Err(CheckError::Gone) => return,
        Err(CheckError::Ledger(error)) => Err(RpcError::from(error).into()),
    };
    // Whoever asked may be gone by now.
    drop(events.send(last).await);
}

fn event(event: Event) -> pb::CheckEvent {
    pb::CheckEvent { event: Some(event) }
}

#[tonic::async_trait]
impl CheckService for Checks {
    type CheckStream = Events;

    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<Events>, Status> {
        Ok(Response::new(self.check(request.into_inner()).await?))
    }
}

impl From<Flaw> for pb::Finding {
    fn from(flaw: Flaw) -> Self {
        Self {
            kind: flaw.kind.as_str().to_owned(),
            batch_id: flaw.batch.map_or(0, |batch| batch.0),
            ordinal: flaw.ordinal,
            audio_name: flaw.audio_name.unwrap_or_default(),
            agent: flaw.agent.map(|agent| agent.to_string()).unwrap_or_default(),
            words: flaw.words,
        }
    }
}

impl From<Report> for pb::CheckSummary {
    fn from(report: Report) -> Self {
        let count = |(kind, findings): (crate::ledger::FlawKind, u64)| pb::FindingCount {
            kind: kind.as_str().to_owned(),
            findings,
        };
        Self {
            batches: report.batches,
            recordings: report.recordings,
            earlier_batches: report.earlier,
            batches_being_planned: report.being_planned,
            findings: report.flaws.values().sum(),
            counts: report.flaws.into_iter().map(count).collect(),
            agents: report.agents.into_iter().map(|(name, look)| agent(name.to_string(), look)).collect(),
        }
    }
}

fn agent(name: String, look: AgentLook) -> pb::AgentCheck {
    let state = match look.state {
        AgentState::LookedAt => pb::AgentCheckState::LookedAt,
        AgentState::Away => pb::AgentCheckState::Away,
        AgentState::CannotBeAsked => pb::AgentCheckState::CannotBeAsked,
        AgentState::Silent => pb::AgentCheckState::Silent,
    };
    pb::AgentCheck {
        name,
        state: state.into(),
        recordings_looked_at: look.looked_at,
        recordings_not_looked_at: look.not_looked_at,
        recordings_not_its_own: look.not_its_own,
        unknown_files: look.unknown_files,
    }
}
