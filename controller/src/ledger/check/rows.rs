//! A page of recordings and all of their rows, as one state of the database
//! has them.

use std::collections::{HashMap, HashSet};

use cofi_language::{Canonical, LanguageTable};
use cofi_proto::{AgentName, BatchId, Digest, RecordingId};

use super::{
    CheckedPage, Flaw, FlawKind, HeldRecording,
    judge::{Context, Own, Shared, judge},
    shared::read_shared,
};
use crate::{
    ledger::{
        LedgerError,
        call_languages::LanguageIds,
        database::Transaction,
        sql::{Row, Statement, chunks},
    },
    name::name_key,
};

const OWN: &str = "SELECT r.ordinal, r.nameKey, r.audioName, r.size, r.digest, r.placement, r.lid, r.lidRound, \
    r.agent, r.callId, r.code, COALESCE(r.reason, '') <> '', r.storedAt, r.settledAt, l.agent \
    FROM cofiRecording r LEFT JOIN cofiRelease l ON l.batchId = r.batchId AND l.ordinal = r.ordinal \
    WHERE r.batchId = ? AND r.ordinal > ? ORDER BY r.ordinal LIMIT ?";

pub(super) async fn check(
    tx: &mut Transaction,
    batch: BatchId,
    languages: &LanguageTable,
    after: i64,
    limit: i64,
) -> Result<CheckedPage, LedgerError> {
    let select = Statement::named("recordings_to_check", OWN).bind(batch.0).bind(after).bind(limit);
    let rows = tx.rows(select).await?;
    let mut page = CheckedPage::default();
    let mut recordings = Vec::with_capacity(rows.len());
    let mut before = after;
    for row in &rows {
        let ordinal = row.int(0)?;
        if ordinal != before + 1 {
            let words = format!("the manifest of batch {batch} goes from {before} to {ordinal}");
            let flaw = Flaw::of_batch(FlawKind::OrdinalMissing, batch, words);
            page.flaws.push(Flaw { ordinal: Some(before + 1), ..flaw });
        }
        before = ordinal;
        match own(row) {
            Ok(own) => recordings.push(own),
            Err(error) => page.flaws.push(unreadable(batch, Some(ordinal), "cofiRecording", error)?),
        }
    }
    page.recordings = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    page.last = (!rows.is_empty()).then_some(before);
    let mut shared = read_shared(tx, batch, &recordings, &mut page.flaws).await?;
    let context = read_context(tx, batch, languages, &recordings, &shared).await?;
    for own in &recordings {
        judge(own, &shared.remove(&own.key).unwrap_or_default(), &context, &mut page.flaws);
        page.held.extend(held(batch, own));
    }
    Ok(page)
}

/// A flaw, if a column holds what it may not hold; what else went wrong is an
/// error still.
pub(super) fn unreadable(
    batch: BatchId,
    ordinal: Option<i64>,
    table: &str,
    error: LedgerError,
) -> Result<Flaw, LedgerError> {
    let LedgerError::Corrupt { column, value } = error else { return Err(error) };
    let words = format!("column {column} of what was read from {table} of batch {batch} holds {value}");
    Ok(Flaw { ordinal, ..Flaw::of_batch(FlawKind::Unreadable, batch, words) })
}

fn own(row: &Row) -> Result<Own, LedgerError> {
    let audio_name = row.text(2)?;
    Ok(Own {
        ordinal: row.int(0)?,
        name_key: row.text(1)?,
        key: name_key(&audio_name),
        audio_name,
        size: row.count(3)?,
        digest: row.opt_blob(4)?.map(<[u8]>::to_vec),
        placement: row.text(5)?,
        lid: row.text(6)?,
        round: row.int(7)?,
        agent: row.opt_text(8)?,
        call: row.opt_int(9)?,
        code: row.opt_text(10)?,
        has_reason: row.flag(11)?,
        was_stored: row.opt_int(12)?.is_some(),
        was_settled: row.opt_int(13)?.is_some(),
        released_by: row.opt_text(14)?,
    })
}

/// What its agent must have, if one must.
fn held(batch: BatchId, own: &Own) -> Option<HeldRecording> {
    if own.placement != "stored" {
        return None;
    }
    Some(HeldRecording {
        recording: RecordingId { batch, ordinal: own.ordinal },
        audio_name: own.audio_name.clone(),
        agent: own.agent.as_deref()?.parse().ok()?,
        size: own.size,
        digest: Digest::try_from(own.digest.as_deref()?).ok()?,
    })
}

async fn read_context(
    tx: &mut Transaction,
    batch: BatchId,
    languages: &LanguageTable,
    recordings: &[Own],
    shared: &HashMap<String, Shared>,
) -> Result<Context, LedgerError> {
    let select = "SELECT audioEndpoint FROM cofiBatch WHERE batchId = ?";
    let endpoint = tx.row(Statement::named("endpoint_of_batch", select).bind(batch.0)).await?;
    let endpoint = endpoint.ok_or(LedgerError::NoSuchBatch(batch))?.text(0)?;
    let calls = || shared.values().flat_map(|shared| shared.calls.iter().chain(&shared.pointed_to));
    let said: HashSet<&str> =
        shared.values().flat_map(|shared| &shared.lids).filter_map(|said| said.language.as_deref()).collect();
    let canonical = said.into_iter().map(|word| {
        let code = match languages.canonical(word) {
            Canonical::Known(code) => code.as_str().to_owned(),
            Canonical::Unmapped(word) => word,
        };
        (word.to_owned(), code)
    });
    let langs: HashSet<&str> = calls().filter_map(|call| call.lang.as_deref()).collect();
    let ids: HashSet<i64> = calls().filter_map(|call| call.language).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    Ok(Context {
        batch,
        endpoint,
        agents: read_agents(tx, recordings).await?,
        events: read_events(tx, batch, recordings).await?,
        canonical: canonical.collect(),
        languages: LanguageIds::read(tx, langs).await?,
        codes: read_codes(tx, &ids).await?,
    })
}

async fn read_agents(
    tx: &mut Transaction,
    recordings: &[Own],
) -> Result<HashMap<String, String>, LedgerError> {
    let names: HashSet<&str> = recordings.iter().filter_map(Own::host).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut agents = HashMap::with_capacity(names.len());
    for chunk in chunks(&names) {
        let select =
            Statement::named("holders", "SELECT name, advertiseAddress FROM cofiAgent WHERE name IN ");
        for row in tx.rows(select.list(chunk.iter().copied())).await? {
            agents.insert(row.text(0)?, row.text(1)?);
        }
    }
    Ok(agents)
}

/// Which of the recordings that must have a history have one.
async fn read_events(
    tx: &mut Transaction,
    batch: BatchId,
    recordings: &[Own],
) -> Result<HashSet<i64>, LedgerError> {
    let wanted: Vec<i64> =
        recordings.iter().filter(|own| own.needs_history()).map(|own| own.ordinal).collect();
    let mut events = HashSet::with_capacity(wanted.len());
    for chunk in chunks(&wanted) {
        let select = "SELECT DISTINCT ordinal FROM cofiEvent WHERE batchId = ? AND ordinal IN ";
        let select = Statement::named("histories", select).bind(batch.0);
        for row in tx.rows(select.list(chunk.iter().copied())).await? {
            events.insert(row.int(0)?);
        }
    }
    Ok(events)
}

/// `language.languageCode` by id, in the form in which codes are compared.
async fn read_codes(tx: &mut Transaction, ids: &[i64]) -> Result<HashMap<i64, String>, LedgerError> {
    let mut codes = HashMap::with_capacity(ids.len());
    for chunk in chunks(ids) {
        let select =
            Statement::named("language_codes", "SELECT id, languageCode FROM `language` WHERE id IN ");
        for row in tx.rows(select.list(chunk.iter().copied())).await? {
            codes.insert(row.int(0)?, row.opt_text(1)?.unwrap_or_default().trim_end().to_lowercase());
        }
    }
    Ok(codes)
}

/// Only for agents' names that are well formed: others are told by the judge.
pub(super) fn agent_name(name: Option<&str>) -> Option<AgentName> {
    name?.parse().ok()
}
