//! The rows that a page is about, locked: Cofi's recordings, then calls.

use std::collections::{HashMap, HashSet};

use cofi_proto::BatchId;

use crate::{
    ledger::{
        LedgerError, Lid, Placement,
        database::Transaction,
        repertoire::comparable,
        sql::{Statement, chunks},
    },
    name::name_key,
};

/// A column of numbers may be of single precision, some seven digits, or keep
/// two digits of a second: what differs by less is the same.
const PRECISION: f64 = 1e-6;
const SECONDS: f64 = 0.005;

/// A recording of Cofi's.
pub(super) struct Recording {
    pub(super) ordinal: i64,
    placement: Placement,
    lid: Lid,
}

/// A row of `call`.
pub(super) struct Call {
    pub(super) id: i64,
    lang: Option<String>,
    language: Option<i64>,
    pub(super) duration_seconds: Option<f64>,
}

impl Call {
    /// Whether it says so already; a duration only where there is one.
    pub(super) fn says(&self, language: &str, id: Option<i64>, duration_seconds: Option<f64>) -> bool {
        self.lang.as_deref() == Some(language)
            && self.language == id
            && duration_seconds.is_none_or(|duration| is_same_duration(self.duration_seconds, duration))
    }
}

/// Whether two columns hold the same duration, in seconds.
pub(in crate::ledger) fn is_same_duration(one: Option<f64>, other: f64) -> bool {
    one.is_some_and(|one| (one - other).abs() <= (one.abs().max(other.abs()) * PRECISION).max(SECONDS))
}

impl Recording {
    /// Whether it is on a host and has no language.
    pub(super) fn waits(&self) -> bool {
        let known = match self.lid {
            Lid::Done => true,
            Lid::None | Lid::Failed => false,
        };
        self.placement == Placement::Stored && !known
    }
}

pub(super) async fn lock_recordings(
    tx: &mut Transaction,
    batch: BatchId,
    names: &[String],
) -> Result<HashMap<String, Recording>, LedgerError> {
    let mut ordinals = Vec::with_capacity(names.len());
    for chunk in chunks(names) {
        let select = "SELECT ordinal FROM cofiRecording WHERE batchId = ? AND nameKey IN ";
        let select = Statement::named("recordings_by_name", select).bind(batch.0);
        for row in tx.rows(select.list(chunk.iter().map(|name| name_key(name)))).await? {
            ordinals.push(row.int(0)?);
        }
    }
    ordinals.sort_unstable();
    ordinals.dedup();
    let mut recordings = HashMap::with_capacity(ordinals.len());
    for chunk in chunks(&ordinals) {
        let select = "SELECT ordinal, audioName, placement, lid FROM cofiRecording \
                      WHERE batchId = ? AND ordinal IN ";
        let select = Statement::named("recordings_to_settle", select).bind(batch.0);
        for row in tx.rows(select.list(chunk.iter().copied()).push(tx.for_update())).await? {
            let recording = Recording { ordinal: row.int(0)?, placement: row.word(2)?, lid: row.word(3)? };
            recordings.insert(row.text(1)?, recording);
        }
    }
    Ok(recordings)
}

/// The calls of each name, of which an earlier service may have written
/// several.
pub(super) async fn lock_calls(
    tx: &mut Transaction,
    batch: BatchId,
    names: &[String],
) -> Result<HashMap<String, Vec<Call>>, LedgerError> {
    let exact: HashSet<&str> = names.iter().map(String::as_str).collect();
    let names = comparable(tx, ("call", "audioName"), names.iter().map(String::as_str)).await?;
    let mut ids = Vec::with_capacity(names.len());
    for chunk in chunks(&names) {
        let select = "SELECT audioName, id FROM `call` WHERE batchId = ? AND audioName IN ";
        let select = Statement::named("calls_by_name", select).bind(batch.0);
        for row in tx.rows(select.list(chunk.iter().copied())).await? {
            if exact.contains(row.text(0)?.as_str()) {
                ids.push(row.int(1)?);
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let mut calls: HashMap<String, Vec<Call>> = HashMap::with_capacity(ids.len());
    for chunk in chunks(&ids) {
        let select = "SELECT audioName, id, lang, languageId, audioDuration FROM `call` \
                      WHERE batchId = ? AND id IN ";
        let select = Statement::named("calls_to_align", select).bind(batch.0);
        for row in tx.rows(select.list(chunk.iter().copied()).push(tx.for_update())).await? {
            let Some(name) = row.opt_text(0)? else { continue };
            calls.entry(name).or_default().push(Call {
                id: row.int(1)?,
                lang: row.opt_text(2)?,
                language: row.opt_int(3)?,
                duration_seconds: row.opt_real(4)?,
            });
        }
    }
    Ok(calls)
}
