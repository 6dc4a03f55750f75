//! The rows, column by column. What Cofi must leave alone is folded into one
//! column `untouched`: whether all of it is as the schema made it.

use sqlx::FromRow;

pub(super) const BATCH: &str = "SELECT batchDate, currentBatch, batchStatus, dbInsertionStatus, lidStatus, remarks, \
    batchStartTime, dbInsertionStartTime, dbInsertionEndTime, lidStartTime, lidEndTime FROM batchStatus WHERE id = ?";

pub(super) const FILES: &str = "SELECT `file`, ip, lidDone, \
    denoiseDone = 0 AND ivrDone = 0 AND sttDone = 0 AND llm1Done = 0 AND llm2Done = 0 AS untouched \
    FROM fileDistribution WHERE batchId = ? ORDER BY `file`";

pub(super) const CALLS: &str = "SELECT id, audioName, audioUrl, ip, status, `type`, lang, languageId, audioDuration, \
    userId, processId, categoryMappingId, auditFormId, \
    COALESCE(callId, processingTime, summary, qaNotes, confidence, wordConfidence, emotion, enthusiasm, \
        rateOfSpeech, engagement, callOpening, holdManagement, tonalAnalysis, metaData, category, subCategory) IS NULL \
    AND translationStatus = 'Pending' AND transliterationStatus = 'Pending' AND createdAt IS NOT NULL AS untouched \
    FROM `call` WHERE batchId = ? ORDER BY id";

pub(super) const LIDS: &str = "SELECT audioName, `language`, lidProcessingTime, audioDuration, ip \
    FROM lidStatus WHERE batchId = ? ORDER BY id";

pub(super) const RECORDINGS: &str = "SELECT ordinal, audioName, sourcePath, size, digest, placement, lid, lidRound, \
    agent, callId, attempts, code, reason FROM cofiRecording WHERE batchId = ? ORDER BY ordinal";

pub(super) const LANGUAGES: &str = "SELECT id, languageCode FROM `language`";

/// A row of `batchStatus`.
#[allow(missing_docs, reason = "the names are the columns'")]
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[sqlx(rename_all = "camelCase")]
pub struct BatchRow {
    pub batch_date: String,
    pub current_batch: i64,
    pub batch_status: String,
    pub db_insertion_status: String,
    pub lid_status: String,
    pub remarks: Option<String>,
    pub batch_start_time: Option<String>,
    pub db_insertion_start_time: Option<String>,
    pub db_insertion_end_time: Option<String>,
    pub lid_start_time: Option<String>,
    pub lid_end_time: Option<String>,
}

/// A row of `fileDistribution`.
#[allow(missing_docs, reason = "the names are the columns'")]
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[sqlx(rename_all = "camelCase")]
pub struct FileRow {
    pub file: String,
    pub ip: String,
    pub lid_done: i64,
    pub untouched: bool,
}

/// A row of `call`.
#[allow(missing_docs, reason = "the names are the columns'")]
#[derive(Debug, Clone, PartialEq, FromRow)]
#[sqlx(rename_all = "camelCase")]
pub struct CallRow {
    pub id: i64,
    pub audio_name: String,
    pub audio_url: String,
    pub ip: String,
    pub status: String,
    #[sqlx(rename = "type")]
    pub kind: String,
    pub lang: String,
    pub language_id: Option<i64>,
    pub audio_duration: f64,
    pub user_id: i64,
    pub process_id: i64,
    pub category_mapping_id: i64,
    pub audit_form_id: Option<i64>,
    pub untouched: bool,
}

/// A row of `lidStatus`.
#[allow(missing_docs, reason = "the names are the columns'")]
#[derive(Debug, Clone, PartialEq, FromRow)]
#[sqlx(rename_all = "camelCase")]
pub struct LidRow {
    pub audio_name: String,
    pub language: String,
    pub lid_processing_time: String,
    pub audio_duration: f64,
    pub ip: String,
}

/// A row of `cofiRecording`.
#[allow(missing_docs, reason = "the names are the columns'")]
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[sqlx(rename_all = "camelCase")]
pub struct RecordingRow {
    pub ordinal: i64,
    pub audio_name: String,
    pub source_path: String,
    pub size: i64,
    pub digest: Option<Vec<u8>>,
    pub placement: String,
    pub lid: String,
    pub lid_round: i64,
    pub agent: Option<String>,
    pub call_id: Option<i64>,
    pub attempts: i64,
    pub code: Option<String>,
    pub reason: Option<String>,
}
