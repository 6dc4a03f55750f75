//! `CheckService`.

use cofi_proto::{Malformed, pb::v1 as pb};
use pb::check_service_client::CheckServiceClient;
use tonic::{Request, Streaming};

use super::{Client, ClientError, MAX_ANSWER_BYTES};
use crate::view::{AgentCheck, AgentCheckState, CheckSummary, Checked, Finding};

/// A check that is under way.
#[derive(Debug)]
pub(crate) struct Check {
    client: Client,
    stream: Streaming<pb::CheckEvent>,
}

impl Client {
    /// Begins a check of these batches, or all. Only the beginning of the answer
    /// is bounded: a check may take hours.
    pub(crate) async fn check(&self, batch_ids: Vec<i64>, digests: bool) -> Result<Check, ClientError> {
        let mut service = CheckServiceClient::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES);
        let request = service.check(Request::new(pb::CheckRequest { batch_ids, digests }));
        let timeout = self.timeout();
        let answer = tokio::time::timeout(timeout, request).await.map_err(|_| self.timed_out(timeout))?;
        let answer = answer.map_err(|status| self.failure(&status))?;
        Ok(Check { client: self.clone(), stream: answer.into_inner() })
    }
}

impl Check {
    /// What is found next; the summary is the last.
    pub(crate) async fn next(&mut self) -> Result<Checked, ClientError> {
        let message = self.stream.message().await;
        let message = message.map_err(|status| self.client.failure(&status))?;
        let event = message.ok_or_else(|| ClientError::CheckEnded { url: self.client.target.url() })?;
        Ok(match event.event.ok_or(Malformed::Missing("event"))? {
            pb::check_event::Event::Finding(finding) => Checked::Finding(finding.into()),
            pb::check_event::Event::Summary(summary) => Checked::Summary(summary.try_into()?),
        })
    }
}

impl From<pb::Finding> for Finding {
    fn from(finding: pb::Finding) -> Self {
        let filled = |text: String| (!text.is_empty()).then_some(text);
        Self {
            kind: finding.kind,
            batch_id: (finding.batch_id != 0).then_some(finding.batch_id),
            ordinal: finding.ordinal,
            audio_name: filled(finding.audio_name),
            agent: filled(finding.agent),
            words: finding.words,
        }
    }
}

impl TryFrom<pb::CheckSummary> for CheckSummary {
    type Error = Malformed;

    fn try_from(summary: pb::CheckSummary) -> Result<Self, Malformed> {
        Ok(Self {
            batches: summary.batches,
            recordings: summary.recordings,
            earlier_batches: summary.earlier_batches,
            batches_being_planned: summary.batches_being_planned,
            findings: summary.findings,
            counts: summary.counts.into_iter().map(|count| (count.kind, count.findings)).collect(),
            agents: summary.agents.into_iter().map(AgentCheck::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<pb::AgentCheck> for AgentCheck {
    type Error = Malformed;

    fn try_from(agent: pb::AgentCheck) -> Result<Self, Malformed> {
        let state = match agent.state() {
            pb::AgentCheckState::LookedAt => AgentCheckState::LookedAt,
            pb::AgentCheckState::Away => AgentCheckState::Away,
            pb::AgentCheckState::CannotBeAsked => AgentCheckState::CannotBeAsked,
            pb::AgentCheckState::Silent => AgentCheckState::Silent,
            pb::AgentCheckState::Unspecified => {
                return Err(Malformed::invalid("state", agent.state, "a state that this `cofi` knows"));
            }
        };
        Ok(Self {
            name: agent.name,
            state,
            recordings_looked_at: agent.recordings_looked_at,
            recordings_not_looked_at: agent.recordings_not_looked_at,
            recordings_not_its_own: agent.recordings_not_its_own,
            unknown_files: agent.unknown_files,
        })
    }
}
