//! `ExplainService`.

use cofi_proto::{Malformed, pb::v1 as pb};
use pb::{explain_recording_request::Recording as Which, explain_service_client::ExplainServiceClient};

use super::{
    Channelled, Client, ClientError, MAX_ANSWER_BYTES,
    convert::{KNOWN_STATE, batch_state, filled, time},
};
use crate::view::{AgentExplained, BatchExplained, HistoryEntry, Reason, ReasonKind, RecordingExplained};

impl Client {
    pub(crate) async fn explain_batch(&self, batch_id: i64) -> Result<BatchExplained, ClientError> {
        let request = pb::ExplainBatchRequest { batch_id };
        let answer = self.call(request, async |request| self.explanations().explain_batch(request).await);
        let answer = answer.await?;
        let known = answer.counts.is_some();
        Ok(BatchExplained {
            batch_id,
            state: known.then(|| batch_state(answer.state)).transpose()?,
            counts: answer.counts.map(Into::into),
            reasons: all(answer.reasons)?,
        })
    }

    /// Of a recording by its place in the manifest, or by its name.
    pub(crate) async fn explain_recording(
        &self,
        batch_id: i64,
        ordinal: Option<i64>,
        audio_name: Option<String>,
    ) -> Result<RecordingExplained, ClientError> {
        let recording = ordinal.map(Which::Ordinal).or(audio_name.map(Which::AudioName));
        let request = pb::ExplainRecordingRequest { batch_id, recording };
        let answer = self.call(request, async |request| self.explanations().explain_recording(request).await);
        let answer = answer.await?;
        Ok(RecordingExplained {
            batch_id,
            recording: answer.recording.map(TryInto::try_into).transpose()?,
            reasons: all(answer.reasons)?,
            history: all(answer.history)?,
        })
    }

    pub(crate) async fn explain_agent(&self, name: String) -> Result<AgentExplained, ClientError> {
        let request = pb::ExplainAgentRequest { name: name.clone() };
        let answer = self.call(request, async |request| self.explanations().explain_agent(request).await);
        let answer = answer.await?;
        Ok(AgentExplained {
            name,
            agent: answer.agent.map(TryInto::try_into).transpose()?,
            reasons: all(answer.reasons)?,
            history: all(answer.history)?,
        })
    }

    fn explanations(&self) -> ExplainServiceClient<Channelled> {
        ExplainServiceClient::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}

fn all<M, T: TryFrom<M, Error = Malformed>>(messages: Vec<M>) -> Result<Vec<T>, Malformed> {
    messages.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<pb::HistoryEntry> for HistoryEntry {
    type Error = Malformed;

    fn try_from(entry: pb::HistoryEntry) -> Result<Self, Malformed> {
        Ok(Self {
            time: time("time_micros", entry.time_micros)?,
            kind: entry.kind,
            agent: filled(entry.agent),
            code: filled(entry.code),
            reason: filled(entry.reason),
        })
    }
}

impl TryFrom<pb::Reason> for Reason {
    type Error = Malformed;

    fn try_from(reason: pb::Reason) -> Result<Self, Malformed> {
        let known = |field, micros: i64| (micros != 0).then(|| time(field, micros)).transpose();
        Ok(Self {
            kind: kind(reason.kind)?,
            agent: filled(reason.agent),
            recordings: reason.recordings,
            code: filled(reason.code),
            detail: filled(reason.detail),
            since_time: known("since_micros", reason.since_micros)?,
            until_time: known("until_micros", reason.until_micros)?,
            attempts: reason.attempts,
        })
    }
}

fn kind(kind: i32) -> Result<ReasonKind, Malformed> {
    use pb::ReasonKind as Kind;
    Ok(match Kind::try_from(kind) {
        Ok(Kind::Complete) => ReasonKind::Complete,
        Ok(Kind::Failed) => ReasonKind::Failed,
        Ok(Kind::Cancelled) => ReasonKind::Cancelled,
        Ok(Kind::DatabaseAway) => ReasonKind::DatabaseAway,
        Ok(Kind::Released) => ReasonKind::Released,
        Ok(Kind::UnderWay) => ReasonKind::UnderWay,
        Ok(Kind::UnderWayTo) => ReasonKind::UnderWayTo,
        Ok(Kind::BeingVerified) => ReasonKind::BeingVerified,
        Ok(Kind::Queued) => ReasonKind::Queued,
        Ok(Kind::Backoff) => ReasonKind::Backoff,
        Ok(Kind::NoAgentSeen) => ReasonKind::NoAgentSeen,
        Ok(Kind::NoAgentConnected) => ReasonKind::NoAgentConnected,
        Ok(Kind::AgentExpected) => ReasonKind::AgentExpected,
        Ok(Kind::AgentWorks) => ReasonKind::AgentWorks,
        Ok(Kind::AgentIdle) => ReasonKind::AgentIdle,
        Ok(Kind::AgentFull) => ReasonKind::AgentFull,
        Ok(Kind::AgentAway) => ReasonKind::AgentAway,
        Ok(Kind::AgentLost) => ReasonKind::AgentLost,
        Ok(Kind::AgentRemoved) => ReasonKind::AgentRemoved,
        Ok(Kind::AgentDraining) => ReasonKind::AgentDraining,
        Ok(Kind::AgentQuarantined) => ReasonKind::AgentQuarantined,
        Ok(Kind::AgentReconciling) => ReasonKind::AgentReconciling,
        Ok(Kind::EngineStarting) => ReasonKind::EngineStarting,
        Ok(Kind::EngineFailed) => ReasonKind::EngineFailed,
        Ok(Kind::AgentWithoutStream) => ReasonKind::AgentWithoutStream,
        Ok(Kind::AgentPaused) => ReasonKind::AgentPaused,
        Ok(Kind::DiskFull) => ReasonKind::DiskFull,
        Ok(Kind::DiskFailed) => ReasonKind::DiskFailed,
        Ok(Kind::AgentRefused) => ReasonKind::AgentRefused,
        Ok(Kind::Unspecified) | Err(_) => return Err(Malformed::invalid("kind", kind, KNOWN_STATE)),
    })
}
