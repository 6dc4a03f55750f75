//! The generated types, checked, as the types that are shown.

use std::fmt::Write;

use cofi_proto::{Malformed, pb::v1 as pb};
use jiff::Timestamp;

use crate::view::{
    Agent, AgentLoad, AgentState, AnyBatch, Batch, BatchState, Call, Counts, Earlier, EarlierBatch, Failure,
    LanguageCount, Lid, LidApplied, NothingNew, Offender, Placement, Planned, Rates, Recording, Rejection,
    Release, ReleaseCause, SharedTables, StageStatus, UnmappedLanguage,
};

pub(super) const KNOWN_STATE: &str =
    "a state that this `cofi` knows (a newer controller needs a newer `cofi`)";

impl TryFrom<pb::CreateBatchResponse> for Planned {
    type Error = Malformed;

    fn try_from(answer: pb::CreateBatchResponse) -> Result<Self, Malformed> {
        use pb::create_batch_response::Outcome;
        Ok(match answer.outcome.ok_or(Malformed::Missing("outcome"))? {
            Outcome::Batch(batch) => Self::Batch(Box::new(batch.try_into()?)),
            Outcome::Rejection(rejection) => Self::Rejection(rejection.into()),
            Outcome::NothingNew(pb::NothingNew { known }) => Self::NothingNew(NothingNew { known }),
        })
    }
}

impl From<pb::Rejection> for Rejection {
    fn from(rejection: pb::Rejection) -> Self {
        let offender = |pb::Offender { path, reason }| Offender { path, reason };
        Self {
            offenders: rejection.offenders.into_iter().map(offender).collect(),
            total_offenders: rejection.total_offenders,
        }
    }
}

impl TryFrom<pb::Batch> for AnyBatch {
    type Error = Malformed;

    fn try_from(mut batch: pb::Batch) -> Result<Self, Malformed> {
        Ok(match batch.earlier.take() {
            Some(earlier) => Self::Earlier(Box::new(EarlierBatch {
                batch_id: batch.batch_id,
                batch_date: filled(batch.batch_date),
                state: Earlier::Earlier,
                languages: batch.languages.into_iter().map(LanguageCount::from).collect(),
                tables: earlier.into(),
            })),
            None => Self::Own(Box::new(batch.try_into()?)),
        })
    }
}

impl From<pb::EarlierBatch> for SharedTables {
    fn from(earlier: pb::EarlierBatch) -> Self {
        let stage = |pb::StageStatus { stage, status }| StageStatus { stage, status };
        Self {
            current: earlier.current,
            start_time: earlier.start_time,
            stages: earlier.stages.into_iter().map(stage).collect(),
            calls: earlier.calls,
            identified: earlier.identified,
            lid_pending: earlier.lid_pending,
            distributed: earlier.distributed,
            remarks: earlier.remarks,
        }
    }
}

impl From<pb::LanguageCount> for LanguageCount {
    fn from(pb::LanguageCount { language, recordings }: pb::LanguageCount) -> Self {
        Self { language, recordings }
    }
}

impl From<pb::ApplyLidResultsResponse> for LidApplied {
    fn from(answer: pb::ApplyLidResultsResponse) -> Self {
        let unmapped = |pb::UnmappedLanguage { language, names }| UnmappedLanguage { language, names };
        Self {
            changed: answer.changed,
            in_line: answer.in_line,
            settled: answer.settled,
            without_call: answer.without_call,
            without_language: answer.without_language,
            unmapped: answer.unmapped,
            unmapped_languages: answer.unmapped_languages.into_iter().map(unmapped).collect(),
        }
    }
}

impl TryFrom<pb::Batch> for Batch {
    type Error = Malformed;

    fn try_from(batch: pb::Batch) -> Result<Self, Malformed> {
        Ok(Self {
            batch_id: batch.batch_id,
            state: batch_state(batch.state)?,
            batch_date: batch.batch_date,
            source: batch.source,
            process_id: batch.process_id,
            category_mapping_id: batch.category_mapping_id,
            audio_endpoint: batch.audio_endpoint,
            candidate_languages: batch.candidate_languages,
            create_time: time("create_time_micros", batch.create_time_micros)?,
            counts: batch.counts.ok_or(Malformed::Missing("counts"))?.into(),
            languages: batch.languages.into_iter().map(LanguageCount::from).collect(),
            newest_failures: batch.newest_failures.into_iter().map(Failure::from).collect(),
            rates: batch.rates.map(Rates::try_from).transpose()?,
            waiting_for: filled(batch.waiting_for),
            released: batch.released,
            releases_unconfirmed: batch.releases_unconfirmed,
        })
    }
}

pub(super) fn batch_state(state: i32) -> Result<BatchState, Malformed> {
    match pb::BatchState::try_from(state) {
        Ok(pb::BatchState::Distributing) => Ok(BatchState::Distributing),
        Ok(pb::BatchState::Identifying) => Ok(BatchState::Identifying),
        Ok(pb::BatchState::Complete) => Ok(BatchState::Complete),
        Ok(pb::BatchState::CompleteWithFailures) => Ok(BatchState::CompleteWithFailures),
        Ok(pb::BatchState::Cancelled) => Ok(BatchState::Cancelled),
        Ok(pb::BatchState::Earlier | pb::BatchState::Unspecified) | Err(_) => {
            Err(Malformed::invalid("state", state, KNOWN_STATE))
        }
    }
}

impl From<pb::BatchCounts> for Counts {
    fn from(counts: pb::BatchCounts) -> Self {
        Self {
            recordings: counts.recordings,
            bytes: counts.bytes,
            planned: counts.planned,
            placement_failed: counts.placement_failed,
            cancelled: counts.cancelled,
            stored: counts.stored,
            stored_bytes: counts.stored_bytes,
            lid_pending: counts.lid_pending,
            identified: counts.identified,
            lid_failed: counts.lid_failed,
        }
    }
}

impl From<pb::Failure> for Failure {
    fn from(failure: pb::Failure) -> Self {
        Self {
            ordinal: failure.ordinal,
            audio_name: failure.audio_name,
            code: failure.code,
            reason: failure.reason,
        }
    }
}

impl TryFrom<pb::Rates> for Rates {
    type Error = Malformed;

    fn try_from(rates: pb::Rates) -> Result<Self, Malformed> {
        Ok(Self {
            stored_per_second: amount("stored_per_second", rates.stored_per_second)?,
            stored_bytes_per_second: amount("stored_bytes_per_second", rates.stored_bytes_per_second)?,
            identified_per_second: amount("identified_per_second", rates.identified_per_second)?,
        })
    }
}

impl TryFrom<pb::Recording> for Recording {
    type Error = Malformed;

    fn try_from(recording: pb::Recording) -> Result<Self, Malformed> {
        let lid = lid(recording.lid)?;
        let duration = amount("duration_seconds", recording.duration_seconds)?;
        Ok(Self {
            ordinal: recording.ordinal,
            audio_name: recording.audio_name,
            source_path: recording.source_path,
            size_bytes: recording.size_bytes,
            placement: placement(recording.placement)?,
            lid,
            agent: filled(recording.agent),
            call_id: given(recording.call_id),
            digest: hexadecimal(&recording.digest),
            attempts: recording.attempts,
            code: filled(recording.code),
            reason: filled(recording.reason),
            language: filled(recording.language),
            duration_seconds: (lid == Lid::Done).then_some(duration),
            release: recording.release.map(Release::try_from).transpose()?,
        })
    }
}

impl TryFrom<pb::Release> for Release {
    type Error = Malformed;

    fn try_from(release: pb::Release) -> Result<Self, Malformed> {
        let removed = given(release.removal_time_micros);
        Ok(Self {
            agent: release.agent,
            cause: match pb::ReleaseCause::try_from(release.cause) {
                Ok(pb::ReleaseCause::Operator) => ReleaseCause::Operator,
                Ok(pb::ReleaseCause::Retention) => ReleaseCause::Retention,
                Ok(pb::ReleaseCause::Unspecified) | Err(_) => {
                    return Err(Malformed::invalid("cause", release.cause, KNOWN_STATE));
                }
            },
            reason: release.reason,
            release_time: time("release_time_micros", release.release_time_micros)?,
            removal_time: removed.map(|micros| time("removal_time_micros", micros)).transpose()?,
        })
    }
}

fn placement(placement: i32) -> Result<Placement, Malformed> {
    match pb::Placement::try_from(placement) {
        Ok(pb::Placement::Planned) => Ok(Placement::Planned),
        Ok(pb::Placement::Stored) => Ok(Placement::Stored),
        Ok(pb::Placement::Failed) => Ok(Placement::Failed),
        Ok(pb::Placement::Cancelled) => Ok(Placement::Cancelled),
        Ok(pb::Placement::Unspecified) | Err(_) => {
            Err(Malformed::invalid("placement", placement, KNOWN_STATE))
        }
    }
}

fn lid(lid: i32) -> Result<Lid, Malformed> {
    match pb::Lid::try_from(lid) {
        Ok(pb::Lid::None) => Ok(Lid::None),
        Ok(pb::Lid::Done) => Ok(Lid::Done),
        Ok(pb::Lid::Failed) => Ok(Lid::Failed),
        Ok(pb::Lid::Unspecified) | Err(_) => Err(Malformed::invalid("lid", lid, KNOWN_STATE)),
    }
}

impl TryFrom<pb::Call> for Call {
    type Error = Malformed;

    fn try_from(call: pb::Call) -> Result<Self, Malformed> {
        Ok(Self {
            call_id: call.call_id,
            batch_id: call.batch_id,
            audio_name: call.audio_name,
            audio_url: call.audio_url,
            ip: call.ip,
            status: call.status,
            lang: call.lang,
            language_id: given(call.language_id),
            audio_duration_seconds: amount("audio_duration_seconds", call.audio_duration_seconds)?,
        })
    }
}

impl TryFrom<pb::Agent> for Agent {
    type Error = Malformed;

    fn try_from(agent: pb::Agent) -> Result<Self, Malformed> {
        let state = agent_state(agent.state)?;
        let load = AgentLoad {
            weight: agent.weight,
            free_disk_bytes: agent.free_disk_bytes,
            deliveries: agent.deliveries,
            lid_waiting: agent.lid_waiting,
            device: filled(agent.device),
            engine: filled(agent.engine),
        };
        Ok(Self {
            name: agent.name,
            advertise_address: agent.advertise_address,
            state,
            reason: filled(agent.reason),
            version: agent.version,
            storage_id: agent.storage_id,
            last_seen_time: time("last_seen_micros", agent.last_seen_micros)?,
            since_time: given(agent.since_micros).map(|micros| time("since_micros", micros)).transpose()?,
            next_probe_time: given(agent.next_probe_micros)
                .map(|micros| time("next_probe_micros", micros))
                .transpose()?,
            // Only a connected agent has a weight.
            load: (load.weight > 0 && state != AgentState::Away).then_some(load),
        })
    }
}

fn agent_state(state: i32) -> Result<AgentState, Malformed> {
    match pb::AgentState::try_from(state) {
        Ok(pb::AgentState::Away) => Ok(AgentState::Away),
        Ok(pb::AgentState::Reconciling) => Ok(AgentState::Reconciling),
        Ok(pb::AgentState::Starting) => Ok(AgentState::Starting),
        Ok(pb::AgentState::Ready) => Ok(AgentState::Ready),
        Ok(pb::AgentState::Unfit) => Ok(AgentState::Unfit),
        Ok(pb::AgentState::Draining) => Ok(AgentState::Draining),
        Ok(pb::AgentState::Drained) => Ok(AgentState::Drained),
        Ok(pb::AgentState::Removed) => Ok(AgentState::Removed),
        Ok(pb::AgentState::Quarantined) => Ok(AgentState::Quarantined),
        Ok(pb::AgentState::Unspecified) | Err(_) => Err(Malformed::invalid("state", state, KNOWN_STATE)),
    }
}

pub(super) fn time(field: &'static str, micros: i64) -> Result<Timestamp, Malformed> {
    Timestamp::from_microsecond(micros)
        .map_err(|_| Malformed::invalid(field, micros, "a time before the year 10000"))
}

fn amount(field: &'static str, value: f64) -> Result<f64, Malformed> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(Malformed::invalid(field, value, "0 or more"))
    }
}

pub(super) fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn given(id: i64) -> Option<i64> {
    (id != 0).then_some(id)
}

fn hexadecimal(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").ok()?;
    }
    filled(text)
}
