//! What the tables show of each thing.

use serde::Serialize;

use super::{
    table::{Column, number, words},
    units::{bytes, playing_time},
};
use crate::view::{
    Agent, AgentLoad, AnyBatch, Batch, Call, EarlierBatch, Failure, LanguageCount, Lid, Offender, Placement,
    Recording, SharedTables, StageStatus, UnmappedLanguage,
};

/// Something that is listed: a row for people, an object for programs.
pub(crate) trait Row: Serialize {
    /// What the listing is called in JSON.
    const LISTING: &'static str;
    const COLUMNS: &'static [Column];

    /// As many as there are columns. Text from outside need not be escaped.
    fn cells(&self) -> Vec<String>;
}

/// What stands where nothing is known.
pub(crate) const NOTHING: &str = "-";

impl Row for AnyBatch {
    const LISTING: &'static str = "batches";
    const COLUMNS: &'static [Column] = &[
        number("BATCH"),
        words("DATE"),
        words("STATE"),
        number("RECORDINGS"),
        number("STORED"),
        number("IDENTIFIED"),
        number("FAILED"),
        number("BYTES"),
        words("SOURCE"),
    ];

    fn cells(&self) -> Vec<String> {
        match self {
            Self::Own(batch) => own_batch(batch),
            Self::Earlier(batch) => earlier_batch(batch),
        }
    }
}

fn own_batch(batch: &Batch) -> Vec<String> {
    let counts = &batch.counts;
    vec![
        batch.batch_id.to_string(),
        batch.batch_date.clone(),
        batch.state.words().to_owned(),
        counts.recordings.to_string(),
        counts.stored.to_string(),
        counts.identified.to_string(),
        counts.failed().to_string(),
        bytes(counts.bytes),
        batch.source.clone(),
    ]
}

/// Only what is known; a call stands for a recording on a host.
fn earlier_batch(batch: &EarlierBatch) -> Vec<String> {
    let count = |count: Option<u64>| count.map_or(NOTHING.to_owned(), |count| count.to_string());
    let nothing = || NOTHING.to_owned();
    vec![
        batch.batch_id.to_string(),
        or_nothing(batch.batch_date.as_ref()),
        earlier_state(&batch.tables),
        nothing(),
        count(batch.tables.calls),
        count(batch.tables.identified),
        nothing(),
        nothing(),
        nothing(),
    ]
}

/// `earlier service (Complete)`
pub(super) fn earlier_state(tables: &SharedTables) -> String {
    let whole = tables.whole();
    whole.map_or("earlier service".to_owned(), |whole| format!("earlier service ({whole})"))
}

impl Row for Recording {
    const LISTING: &'static str = "recordings";
    const COLUMNS: &'static [Column] = &[
        number("ORDINAL"),
        words("RECORDING"),
        number("SIZE"),
        words("STANDS"),
        words("LANG"),
        number("TIME"),
        words("AGENT"),
        words("REASON"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.ordinal.to_string(),
            self.source_path.clone(),
            bytes(self.size_bytes),
            stands(self).to_owned(),
            or_nothing(self.language.as_ref()),
            self.duration_seconds.map_or(NOTHING.to_owned(), playing_time),
            or_nothing(self.agent.as_ref()),
            self.release.as_ref().map_or_else(
                || reason(self.code.as_deref(), self.reason.as_deref()),
                |release| format!("{} ({}): {}", release.cause.words(), release.agent, release.reason),
            ),
        ]
    }
}

/// All dimensions of a recording's state in a word or two.
fn stands(recording: &Recording) -> &'static str {
    if recording.release.is_some() {
        return "released";
    }
    match (recording.placement, recording.lid) {
        (Placement::Planned, _) => "planned",
        (Placement::Failed, _) => "not placed",
        (Placement::Cancelled, _) => "cancelled",
        (Placement::Stored, Lid::None) => "stored",
        (Placement::Stored, Lid::Done) => "identified",
        (Placement::Stored, Lid::Failed) => "not identified",
    }
}

fn reason(code: Option<&str>, reason: Option<&str>) -> String {
    match (code, reason) {
        (Some(code), Some(reason)) => format!("{code}: {reason}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => NOTHING.to_owned(),
    }
}

impl Row for Call {
    const LISTING: &'static str = "calls";
    const COLUMNS: &'static [Column] = &[
        number("CALL"),
        words("AUDIO"),
        words("STATUS"),
        words("LANG"),
        number("TIME"),
        words("IP"),
        words("URL"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.call_id.to_string(),
            self.audio_name.clone(),
            self.status.clone(),
            self.lang.clone(),
            playing_time(self.audio_duration_seconds),
            self.ip.clone(),
            self.audio_url.clone(),
        ]
    }
}

impl Row for Agent {
    const LISTING: &'static str = "agents";
    const COLUMNS: &'static [Column] = &[
        words("AGENT"),
        words("STATE"),
        words("ADDRESS"),
        words("DEVICE"),
        number("SENDING"),
        number("WAITING"),
        number("FREE"),
        words("REASON"),
    ];

    fn cells(&self) -> Vec<String> {
        let load = |show: fn(&AgentLoad) -> String| self.load.as_ref().map_or(NOTHING.to_owned(), show);
        vec![
            self.name.clone(),
            self.state.words().to_owned(),
            self.advertise_address.clone(),
            load(|load| or_nothing(load.device.as_ref())),
            load(|load| load.deliveries.to_string()),
            load(|load| load.lid_waiting.to_string()),
            load(|load| bytes(load.free_disk_bytes)),
            or_nothing(self.reason.as_ref()),
        ]
    }
}

pub(super) const OFFENDERS: &[Column] = &[words("FILE"), words("REASON")];

pub(super) fn offender(offender: &Offender) -> Vec<String> {
    vec![offender.path.clone(), offender.reason.clone()]
}

pub(super) const FAILURES: &[Column] = &[number("ORDINAL"), words("RECORDING"), words("REASON")];

pub(super) fn failure(failure: &Failure) -> Vec<String> {
    let reason = reason(Some(&failure.code), Some(&failure.reason));
    vec![failure.ordinal.to_string(), failure.audio_name.clone(), reason]
}

pub(super) const LANGUAGES: &[Column] = &[words("LANGUAGE"), number("RECORDINGS"), number("SHARE")];

pub(super) fn language(count: &LanguageCount, identified: u64) -> Vec<String> {
    let name = match count.language.as_str() {
        "zxx" => "zxx (no speech)",
        "und" => "und (undetermined)",
        code => code,
    };
    vec![name.to_owned(), count.recordings.to_string(), super::units::share(count.recordings, identified)]
}

pub(super) const STAGES: &[Column] = &[words("STAGE"), words("STATUS")];

pub(super) fn stage(stage: &StageStatus) -> Vec<String> {
    vec![stage.stage.clone(), or_nothing(stage.status.as_ref())]
}

pub(super) const UNMAPPED: &[Column] = &[words("NOT A LANGUAGE"), number("NAMES")];

pub(super) fn unmapped(word: &UnmappedLanguage) -> Vec<String> {
    vec![word.language.clone(), word.names.to_string()]
}

pub(super) fn or_nothing(text: Option<&String>) -> String {
    text.map_or(NOTHING, String::as_str).to_owned()
}
