//! Calls that another service has deleted although their recordings need them.
//!
//! Every stored recording has one row in `call`. A group that finds fewer rows
//! than it has recordings comes here, looks for another row of the same name,
//! and writes the missing ones as they were when the recording was stored.

use std::collections::{HashMap, HashSet};

use cofi_proto::{BatchId, RecordingId};

use super::{
    LedgerError, Lid,
    call_languages::{CallLanguage, LanguageIds, write_languages},
    database::Transaction,
    history::{self, Event},
    lid_status,
    placed::{Common, SharedRow, distribute, write_calls},
    sql::{Statement, case_chunks, chunks},
};
use crate::name::name_key;

/// A recording whose row in `call` is about to be written to.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeededCall<'a> {
    pub(super) ordinal: i64,
    /// What Cofi takes for its `call.id`.
    pub(super) call: i64,
    pub(super) audio_name: &'a str,
}

/// What is known of a recording whose call is gone.
struct Bereft<'a> {
    needed: NeededCall<'a>,
    key: String,
    address: String,
    lid: Lid,
}

/// Sees to it that all of these recordings have their call: the new ids of
/// those that had none, by ordinal. Their rows in `cofiRecording` are locked.
pub(super) async fn restore_calls(
    tx: &mut Transaction,
    batch: BatchId,
    needed: &[NeededCall<'_>],
    now: i64,
) -> Result<HashMap<i64, i64>, LedgerError> {
    let present = present_calls(tx, batch, needed).await?;
    let gone: Vec<NeededCall<'_>> =
        needed.iter().filter(|needed| !present.contains(&needed.call)).copied().collect();
    let common = Common::read(tx, batch).await?;
    let mut restored = HashMap::with_capacity(gone.len());
    for chunk in case_chunks(&gone) {
        let bereft = look_up(tx, batch, chunk).await?;
        let rows: Vec<SharedRow<'_>> = bereft.iter().map(Bereft::row).collect();
        let calls = write_calls(tx, batch, &common, &rows).await?;
        distribute(tx, batch, &rows).await?;
        point_to(tx, batch, &bereft, &calls).await?;
        let restored_as = |(it, call): (&Bereft<'_>, &i64)| {
            let recording = RecordingId { batch, ordinal: it.needed.ordinal };
            let words = format!("call {} was deleted, call {call} stands for it", it.needed.call);
            Event::of_recording(now, "call_restored", recording, words)
        };
        let events: Vec<Event<'_>> = bereft.iter().zip(&calls).map(restored_as).collect();
        history::note(tx, &events).await?;
        bring_languages_back(tx, batch, &bereft, &calls).await?;
        restored.extend(bereft.iter().map(|it| it.needed.ordinal).zip(calls));
    }
    Ok(restored)
}

impl Bereft<'_> {
    fn row(&self) -> SharedRow<'_> {
        SharedRow { audio_name: self.needed.audio_name, key: &self.key, address: &self.address }
    }
}

async fn present_calls(
    tx: &mut Transaction,
    batch: BatchId,
    needed: &[NeededCall<'_>],
) -> Result<HashSet<i64>, LedgerError> {
    let mut present = HashSet::with_capacity(needed.len());
    for chunk in chunks(needed) {
        let select = "SELECT id FROM `call` WHERE batchId = ? AND id IN ";
        let select = Statement::named("calls_left", select).bind(batch.0);
        for row in tx.rows(select.list(chunk.iter().map(|needed| needed.call)).push(tx.for_update())).await? {
            present.insert(row.int(0)?);
        }
    }
    Ok(present)
}

/// Reads which hosts hold the files: as the shared table says, or the agent's
/// own row where that is gone as well.
async fn look_up<'a>(
    tx: &mut Transaction,
    batch: BatchId,
    gone: &[NeededCall<'a>],
) -> Result<Vec<Bereft<'a>>, LedgerError> {
    let select = "SELECT `file`, ip FROM fileDistribution WHERE batchId = ? AND `file` IN ";
    let select = Statement::named("hosts_of_files", select).bind(batch.0);
    let mut hosts = HashMap::with_capacity(gone.len());
    for row in tx.rows(select.list(gone.iter().map(|it| it.audio_name))).await? {
        if let Some(ip) = row.opt_text(1)? {
            hosts.insert(name_key(&row.text(0)?), ip);
        }
    }
    let select = "SELECT r.ordinal, r.lid, a.advertiseAddress FROM cofiRecording r \
                  LEFT JOIN cofiAgent a ON a.name = r.agent WHERE r.batchId = ? AND r.ordinal IN ";
    let select = Statement::named("holders_of_recordings", select).bind(batch.0);
    let mut own = HashMap::with_capacity(gone.len());
    for row in tx.rows(select.list(gone.iter().map(|it| it.ordinal))).await? {
        own.insert(row.int(0)?, (row.word::<Lid>(1)?, row.opt_text(2)?));
    }
    let bereft = |needed: &NeededCall<'a>| {
        let key = name_key(needed.audio_name);
        let (lid, agent) = own.remove(&needed.ordinal).unwrap_or((Lid::None, None));
        let address = hosts.remove(&key).or(agent).unwrap_or_default();
        Bereft { needed: *needed, key, address, lid }
    };
    Ok(gone.iter().map(bereft).collect())
}

async fn point_to(
    tx: &mut Transaction,
    batch: BatchId,
    bereft: &[Bereft<'_>],
    calls: &[i64],
) -> Result<(), LedgerError> {
    let arms = bereft.iter().map(|it| it.needed.ordinal).zip(calls.iter().copied());
    let update = Statement::named("point_to_call", "UPDATE cofiRecording SET callId = ")
        .case("ordinal", arms)
        .push(" WHERE batchId = ? AND ordinal IN ")
        .bind(batch.0)
        .list(bereft.iter().map(|it| it.needed.ordinal));
    tx.guarded("point_to_call", update, bereft.len()).await
}

/// A recording that was identified before has its language in `lidStatus`.
async fn bring_languages_back(
    tx: &mut Transaction,
    batch: BatchId,
    bereft: &[Bereft<'_>],
    calls: &[i64],
) -> Result<(), LedgerError> {
    let names: Vec<String> =
        bereft.iter().filter(|it| it.lid == Lid::Done).map(|it| it.needed.audio_name.to_owned()).collect();
    let said = lid_status::newest(tx, batch, &names).await?;
    let mut languages = Vec::with_capacity(said.len());
    for (it, call) in bereft.iter().zip(calls) {
        let Some(said) = said.get(it.needed.audio_name) else { continue };
        let Some(language) = said.language.as_deref() else { continue };
        languages.push(CallLanguage {
            call: *call,
            language,
            duration_seconds: Some(said.duration_seconds.unwrap_or_default()),
        });
    }
    let ids = LanguageIds::read(tx, languages.iter().map(|it| it.language)).await?;
    for chunk in case_chunks(&languages) {
        tx.guarded("identify_calls", write_languages(batch, chunk, &ids), chunk.len()).await?;
    }
    Ok(())
}
