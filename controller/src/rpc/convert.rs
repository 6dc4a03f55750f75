//! Between the ledger's records and the operators' messages.

use cofi_proto::pb::v1 as pb;

use crate::{
    ledger::{
        BatchState, CallRecord, Counts, EarlierBatch, Lid, LidReport, Placement, RecordingFilter,
        RecordingRecord, ReleaseCause, ReleaseCounts, ReleaseRecord,
    },
    plan::PlanRequest,
    progress::View,
};

impl From<pb::CreateBatchRequest> for PlanRequest {
    fn from(request: pb::CreateBatchRequest) -> Self {
        Self {
            source: request.source,
            batch_date: request.batch_date,
            process: request.process_id,
            category_mapping: request.category_mapping_id,
            audio_endpoint: request.audio_endpoint,
            candidates: request.candidate_languages,
            idempotency_key: request.idempotency_key,
            skip_known: request.skip_known,
        }
    }
}

pub(super) fn batch_counts(counts: &Counts) -> pb::BatchCounts {
    pb::BatchCounts {
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

impl From<&View> for pb::Batch {
    fn from(view: &View) -> Self {
        let record = &view.record;
        let counts = &record.counts;
        Self {
            batch_id: record.batch.0,
            batch_date: record.batch_date.clone(),
            source: record.source.clone(),
            state: pb::BatchState::from(record.state()).into(),
            process_id: record.process,
            category_mapping_id: record.category_mapping,
            audio_endpoint: record.audio_endpoint.clone(),
            candidate_languages: record.candidates.clone(),
            create_time_micros: record.created,
            counts: Some(batch_counts(counts)),
            languages: languages(view.highlights.languages.clone()),
            newest_failures: view
                .highlights
                .failures
                .iter()
                .map(|failure| pb::Failure {
                    ordinal: failure.ordinal,
                    audio_name: failure.audio_name.clone(),
                    code: failure.code.clone(),
                    reason: failure.reason.clone(),
                })
                .collect(),
            rates: Some(pb::Rates {
                stored_per_second: view.rates.stored_per_second,
                stored_bytes_per_second: view.rates.stored_bytes_per_second,
                identified_per_second: view.rates.identified_per_second,
            }),
            waiting_for: view.waiting_for.clone().unwrap_or_default(),
            released: view.highlights.released.recordings,
            releases_unconfirmed: view.highlights.released.unconfirmed,
            earlier: None,
        }
    }
}

impl From<EarlierBatch> for pb::Batch {
    fn from(batch: EarlierBatch) -> Self {
        let details = batch.details.as_ref();
        let earlier = pb::EarlierBatch {
            current: batch.current,
            start_time: batch.start_time,
            calls: Some(batch.calls),
            identified: details.map(|details| details.identified),
            lid_pending: details.map(|details| details.lid_pending),
            distributed: details.map(|details| details.distributed),
            remarks: details.and_then(|details| details.remarks.clone()),
            stages: batch
                .stages
                .into_iter()
                .map(|stage| pb::StageStatus { stage: stage.stage.to_owned(), status: stage.status })
                .collect(),
        };
        Self {
            batch_id: batch.batch.0,
            batch_date: batch.batch_date.unwrap_or_default(),
            state: pb::BatchState::Earlier.into(),
            languages: languages(batch.details.map(|details| details.languages).unwrap_or_default()),
            earlier: Some(earlier),
            ..Self::default()
        }
    }
}

impl From<LidReport> for pb::ApplyLidResultsResponse {
    fn from(report: LidReport) -> Self {
        let unmapped = |(language, names)| pb::UnmappedLanguage { language, names };
        Self {
            changed: report.changed,
            in_line: report.in_line,
            settled: report.settled,
            without_call: report.without_call,
            without_language: report.without_language,
            unmapped: report.unmapped,
            unmapped_languages: report.unmapped_words.into_iter().map(unmapped).collect(),
        }
    }
}

fn languages(counts: Vec<(String, u64)>) -> Vec<pb::LanguageCount> {
    counts.into_iter().map(|(language, recordings)| pb::LanguageCount { language, recordings }).collect()
}

impl From<BatchState> for pb::BatchState {
    fn from(state: BatchState) -> Self {
        match state {
            BatchState::Distributing => Self::Distributing,
            BatchState::Identifying => Self::Identifying,
            BatchState::Complete => Self::Complete,
            BatchState::CompleteWithFailures => Self::CompleteWithFailures,
            BatchState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<pb::RecordingFilter> for RecordingFilter {
    fn from(filter: pb::RecordingFilter) -> Self {
        match filter {
            pb::RecordingFilter::Unspecified => Self::All,
            pb::RecordingFilter::Planned => Self::Planned,
            pb::RecordingFilter::Stored => Self::Stored,
            pb::RecordingFilter::LidPending => Self::LidPending,
            pb::RecordingFilter::Identified => Self::Identified,
            pb::RecordingFilter::Failed => Self::Failed,
            pb::RecordingFilter::Cancelled => Self::Cancelled,
        }
    }
}

impl From<RecordingRecord> for pb::Recording {
    fn from(record: RecordingRecord) -> Self {
        Self {
            ordinal: record.ordinal,
            audio_name: record.audio_name,
            source_path: record.source_path,
            size_bytes: record.size,
            placement: match record.placement {
                Placement::Planned => pb::Placement::Planned,
                Placement::Stored => pb::Placement::Stored,
                Placement::Failed => pb::Placement::Failed,
                Placement::Cancelled => pb::Placement::Cancelled,
            }
            .into(),
            lid: match record.lid {
                Lid::None => pb::Lid::None,
                Lid::Done => pb::Lid::Done,
                Lid::Failed => pb::Lid::Failed,
            }
            .into(),
            agent: record.agent.unwrap_or_default(),
            call_id: record.call.unwrap_or_default(),
            digest: record.digest.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
            attempts: i32::try_from(record.attempts).unwrap_or(i32::MAX),
            code: record.code.unwrap_or_default(),
            reason: record.reason.unwrap_or_default(),
            language: record.language.unwrap_or_default(),
            duration_seconds: record.duration_seconds.unwrap_or_default(),
            release: record.release.map(Into::into),
        }
    }
}

impl From<ReleaseRecord> for pb::Release {
    fn from(release: ReleaseRecord) -> Self {
        let cause = match release.cause {
            ReleaseCause::Operator => pb::ReleaseCause::Operator,
            ReleaseCause::Retention => pb::ReleaseCause::Retention,
        };
        Self {
            agent: release.agent,
            cause: cause.into(),
            reason: release.reason,
            release_time_micros: release.at,
            removal_time_micros: release.done.unwrap_or_default(),
        }
    }
}

impl From<ReleaseCounts> for pb::ReleaseRecordingsResponse {
    fn from(counts: ReleaseCounts) -> Self {
        Self {
            released: counts.released,
            released_bytes: counts.released_bytes,
            released_before: counts.released_before,
            needed: counts.needed,
            unidentified: counts.unidentified,
            too_young: counts.too_young,
        }
    }
}

/// A row of `call` as a message.
pub(super) fn call(batch: i64, record: CallRecord) -> pb::Call {
    pb::Call {
        call_id: record.call,
        batch_id: batch,
        audio_name: record.audio_name,
        audio_url: record.audio_url,
        ip: record.ip,
        status: record.status,
        lang: record.lang,
        language_id: record.language.unwrap_or_default(),
        audio_duration_seconds: record.duration_seconds,
    }
}
