//! What agents say, and what they are told, as it comes over the wire.

use std::sync::Arc;

use cofi_proto::{
    limits::{MAX_GROUP, MAX_REPORT_GROUP},
    pb::agent as pb,
    receive::DeliveryReport,
    session::{Group, Identify, group},
    verify::HeldList,
};
use pb::{
    from_agent::Message as Up, from_controller::Message as DownMessage, from_receiver::Message as ReceiverUp,
};
use tokio::sync::{Notify, mpsc};
use tonic::Streaming;

use super::{agent::Agents, status::RpcError};
use crate::{
    check::Answer, commit::ToApply, delivery::Host, dispatch::Down, lane::Reports, scheduler::Event,
    verify::verify_held,
};

/// What a session's task needs to hear an agent.
pub(super) struct Hearing<'a> {
    pub(super) agents: &'a Agents,
    pub(super) id: u64,
    pub(super) host: Host,
    pub(super) paced: mpsc::Sender<Down>,
    /// Rung when the agent has removed what it was told to.
    pub(super) removed: Arc<Notify>,
}

impl Hearing<'_> {
    pub(super) async fn run(self, mut up: Streaming<pb::FromAgent>) -> Result<(), RpcError> {
        loop {
            let message = match up.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(status) => {
                    tracing::debug!(agent = %self.host.agent, %status, "session broken off");
                    return Ok(());
                }
            };
            let message = message.message.ok_or(cofi_proto::Malformed::Missing("message"))?;
            self.take(message).await?;
        }
    }

    async fn take(&self, message: Up) -> Result<(), RpcError> {
        let Agents { ledger, dispatch, recorder, applier, readers, .. } = self.agents;
        match message {
            Up::Hello(_) => {
                Err(cofi_proto::Malformed::invalid("message", "a second hello", "one hello").into())
            }
            Up::Held(page) => {
                let last = page.last;
                let held = group(page.recordings, Group::Other)?;
                verify_held(held, &self.host, &**ledger, &**readers, dispatch, recorder).await?;
                if last {
                    dispatch.event(Event::Reconciled(self.host.agent.clone())).await;
                    self.say_what_is_pending().await?;
                }
                Ok(())
            }
            Up::Heartbeat(heartbeat) => {
                let heartbeat = heartbeat.try_into()?;
                dispatch.heartbeat(self.host.agent.clone(), self.id, heartbeat).await;
                Ok(())
            }
            Up::Verified(verified) => {
                let seen = group(verified.recordings, Group::Other)?;
                self.agents.answers.heard(&self.host.agent, verified.request, Answer::Verified(seen));
                Ok(())
            }
            Up::Removed(removed) => {
                let removed = group(removed.recordings, Group::Other)?;
                let now = self.agents.clock.now_micros();
                ledger.confirm_releases(&self.host.agent, &removed, now).await?;
                self.removed.notify_one();
                Ok(())
            }
            Up::HeldList(list) => {
                let list = HeldList::try_from(list)?;
                self.agents.answers.heard(&self.host.agent, list.request, Answer::Held(list));
                Ok(())
            }
            Up::Results(results) => {
                failpoint!(async RESULTS_HEARD => return Err(RpcError::Stopping));
                for result in group(results.results, Group::Results)? {
                    let result = ToApply { host: self.host.clone(), result };
                    applier.send(result).await.map_err(|_| RpcError::Stopping)?;
                }
                Ok(())
            }
        }
    }

    /// Tells the agent which of its recordings have no language yet: it knows
    /// most of them, but not those that were retried while it was away.
    async fn say_what_is_pending(&self) -> Result<(), RpcError> {
        let limit = i64::try_from(MAX_GROUP).unwrap_or(i64::MAX);
        let mut after = None;
        loop {
            let pending = self.agents.ledger.pending_lids(&self.host.agent, after, limit).await?;
            let Some(last) = pending.last() else { return Ok(()) };
            after = Some(last.recording);
            let identify = pending.into_iter().map(|pending| Identify {
                recording: pending.recording,
                round: pending.round,
                candidates: pending.candidates,
            });
            self.paced.send(Down::Identify(identify.collect())).await.map_err(|_| RpcError::Stopping)?;
        }
    }
}

/// Reports as they come over the wire.
pub(super) struct WireReports(pub(super) Streaming<pb::FromReceiver>);

impl Reports for WireReports {
    async fn next(&mut self) -> Option<Vec<DeliveryReport>> {
        match self.0.message().await.ok()??.message? {
            ReceiverUp::Reports(group) if group.reports.len() <= MAX_REPORT_GROUP => {
                let reports = group.reports.into_iter().map(DeliveryReport::try_from);
                reports
                    .collect::<Result<_, _>>()
                    .inspect_err(|error| tracing::warn!(%error, "malformed report"))
                    .ok()
            }
            ReceiverUp::Open(_) | ReceiverUp::Reports(_) => None,
        }
    }
}

impl From<Down> for DownMessage {
    fn from(down: Down) -> Self {
        fn all<T: Into<M>, M>(entries: Vec<T>) -> Vec<M> {
            entries.into_iter().map(Into::into).collect()
        }
        match down {
            Down::Recorded(entries) => Self::Recorded(pb::RecordedGroup { recordings: all(entries) }),
            Down::Receipts(entries) => Self::ResultReceipts(pb::ResultReceipts { receipts: all(entries) }),
            Down::Identify(entries) => Self::Identify(pb::IdentifyGroup { recordings: all(entries) }),
            Down::Release(entries) => Self::Release(pb::ReleaseGroup { recordings: all(entries) }),
            Down::Verify(verify) => Self::Verify(verify.into()),
            Down::ListHeld(list) => Self::ListHeld(list.into()),
        }
    }
}
