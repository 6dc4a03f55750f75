//! Applying results of identification: `lidStatus`, `call`, `lidDone` and
//! Cofi's own row in one transaction for a group.
//!
//! A result belongs to a recording and a round, and counts if it comes from the
//! agent that holds the recording: of those the first one committed for the open
//! round wins. Of a result that does not count, its agent gets no receipt: it may
//! hold the recording again one day.

use std::collections::{BTreeMap, HashMap, HashSet};

use cofi_proto::{
    AgentName, BatchId, Digest, RecordingId,
    session::{FailureClass, Identified, LidFailure, LidOutcome},
};

use super::{
    Applied, Ledger, LedgerError, Lid, Placement, ReportedResult,
    call_languages::{CallLanguage, LanguageIds, write_languages},
    database::Transaction,
    history::{self, Event},
    quarantine,
    repertoire::with_languages_that_fit,
    restored::{NeededCall, restore_calls},
    sql::{Statement, case_chunks, chunks, state_is},
    write_transaction,
};
use crate::name::name_key;

/// What is read of a recording's row before it is changed.
struct Current {
    placement: Placement,
    agent: Option<String>,
    attempts: i64,
    lid: Lid,
    round: i64,
    call: Option<i64>,
    audio_name: String,
    digest: Option<Digest>,
}

/// A language that gets its rows now.
struct Fresh<'a> {
    ordinal: i64,
    round: i32,
    call: i64,
    audio_name: String,
    address: &'a str,
    identified: &'a Identified,
}

impl Fresh<'_> {
    fn call_language(&self) -> CallLanguage<'_> {
        CallLanguage {
            call: self.call,
            language: &self.identified.language,
            duration_seconds: Some(self.identified.duration_seconds),
        }
    }

    fn needed_call(&self) -> NeededCall<'_> {
        NeededCall { ordinal: self.ordinal, call: self.call, audio_name: &self.audio_name }
    }
}

/// What is said of each result: of the same round of a recording, more than one
/// agent may say something.
type Answers = HashMap<(RecordingId, i32, AgentName), Applied>;

impl Ledger {
    /// Applies results; the answers are in the order of the group. The same
    /// result again is answered like the first.
    pub async fn apply_results(
        &self,
        group: &[ReportedResult],
        now: i64,
    ) -> Result<Vec<Applied>, LedgerError> {
        write_transaction!(self, |tx| {
            let fitted = with_languages_that_fit(tx, group).await?;
            let group = fitted.as_deref().unwrap_or(group);
            let mut by_batch: BTreeMap<BatchId, Vec<&ReportedResult>> = BTreeMap::new();
            for result in group {
                by_batch.entry(result.recording.batch).or_default().push(result);
            }
            let mut answers = Answers::new();
            // Who is in quarantine matters where an engine failed.
            let quarantined = if group.iter().any(is_engines) {
                quarantine::quarantined(tx).await?
            } else {
                HashSet::new()
            };
            for (batch, results) in by_batch {
                apply_batch(tx, batch, &results, &quarantined, now, &mut answers).await?;
            }
            failpoint!(async RESULTS_WRITTEN => return Err(LedgerError::failpoint()));
            let answer = |result: &ReportedResult| {
                let key = (result.recording, result.round, result.agent.clone());
                answers.get(&key).cloned().unwrap_or(Applied::Settled)
            };
            Ok(group.iter().map(answer).collect())
        })
    }
}

/// Whether an engine failed on a recording that may be none the worse for it.
fn is_engines(result: &ReportedResult) -> bool {
    match &result.outcome {
        LidOutcome::Identified(_) => false,
        LidOutcome::Failed(failure) => failure.class == FailureClass::Agent,
    }
}

async fn apply_batch(
    tx: &mut Transaction,
    batch: BatchId,
    results: &[&ReportedResult],
    quarantined: &HashSet<String>,
    now: i64,
    answers: &mut Answers,
) -> Result<(), LedgerError> {
    let mut rows = current_rows(tx, batch, results).await?;
    let mut fresh = Vec::new();
    for result in results {
        let key = (result.recording, result.round, result.agent.clone());
        let Some(row) = rows.get_mut(&result.recording.ordinal) else {
            answers.insert(key, Applied::Settled);
            continue;
        };
        let Some(call) = row.call.filter(|_| row.placement == Placement::Stored) else {
            // The acknowledgement may still be on its way through the recorder.
            // That an engine failed on what it need not hold any more is of no
            // use to anybody.
            let is_useless = row.call.is_some() && is_engines(result);
            let may_come = matches!(row.placement, Placement::Planned | Placement::Failed) && !is_useless;
            answers.insert(key, if may_come { Applied::NotRecorded } else { Applied::Settled });
            continue;
        };
        answers.insert(key.clone(), Applied::Settled);
        let elsewhere = row.agent.as_deref() != Some(result.agent.as_str());
        if result.digest.is_some_and(|digest| row.digest.is_some_and(|stored| stored != digest)) {
            if !elsewhere {
                ignore(tx, result, now).await?;
            }
            continue;
        }
        let superseded = i64::from(result.round) < row.round;
        let settled = row.lid != Lid::None && i64::from(result.round) == row.round;
        // A failure does not take away a language that is known.
        let needless = row.lid == Lid::Done && matches!(result.outcome, LidOutcome::Failed(_));
        if superseded || settled || needless {
            continue;
        }
        // Whoever holds it identifies it: nobody else's word counts.
        if elsewhere {
            if !is_engines(result) {
                answers.insert(key, Applied::Elsewhere);
            }
            continue;
        }
        row.round = i64::from(result.round);
        match &result.outcome {
            LidOutcome::Identified(identified) => {
                if row.lid == Lid::Done {
                    // Of two rounds in one group only the newer one is written.
                    fresh.retain(|fresh: &Fresh<'_>| fresh.ordinal != result.recording.ordinal);
                }
                row.lid = Lid::Done;
                fresh.push(Fresh {
                    ordinal: result.recording.ordinal,
                    round: result.round,
                    call,
                    audio_name: row.audio_name.clone(),
                    address: &result.address,
                    identified,
                });
            }
            LidOutcome::Failed(failure) => {
                let blamed = quarantine::is_blamed(row.attempts, quarantined.contains(result.agent.as_str()));
                match failure.class {
                    FailureClass::Agent if !blamed && row.lid == Lid::None => {
                        let again = quarantine::set_back(tx, result, failure, now).await?;
                        row.round = i64::from(again.round);
                        row.attempts += 1;
                        answers.insert(key, Applied::SetBack(again));
                    }
                    FailureClass::Agent => {
                        row.lid = Lid::Failed;
                        let rounds = i32::try_from(row.attempts).unwrap_or(i32::MAX).saturating_add(1);
                        fail(tx, result, &LidFailure { attempts: rounds, ..failure.clone() }, now).await?;
                        answers.insert(key, Applied::Blamed);
                    }
                    FailureClass::Recording => {
                        row.lid = Lid::Failed;
                        fail(tx, result, failure, now).await?;
                    }
                }
            }
        }
    }
    fresh.sort_by_key(|fresh| fresh.ordinal);
    let codes = fresh.iter().map(|fresh| fresh.identified.language.as_str());
    let languages = LanguageIds::read(tx, codes).await?;
    for chunk in case_chunks(&fresh) {
        mark_identified(tx, batch, chunk, now).await?;
        identify_calls(tx, batch, chunk, &languages, now).await?;
    }
    for chunk in chunks(&fresh) {
        let update = "UPDATE fileDistribution SET lidDone = 1 WHERE batchId = ? AND `file` IN ";
        let update = Statement::named("lid_done", update).bind(batch.0);
        tx.execute(update.list(chunk.iter().map(|fresh| fresh.audio_name.as_str()))).await?;
        write_lid_status(tx, batch, chunk).await?;
    }
    Ok(())
}

async fn current_rows(
    tx: &mut Transaction,
    batch: BatchId,
    results: &[&ReportedResult],
) -> Result<HashMap<i64, Current>, LedgerError> {
    let mut current = HashMap::with_capacity(results.len());
    for chunk in chunks(results) {
        let select = "SELECT ordinal, placement, lid, lidRound, callId, audioName, digest, agent, attempts FROM cofiRecording \
                      WHERE batchId = ? AND ordinal IN ";
        let select = Statement::named("recordings_to_identify", select).bind(batch.0);
        let select = select.list(chunk.iter().map(|result| result.recording.ordinal)).push(tx.for_update());
        for row in tx.rows(select).await? {
            let state = Current {
                placement: row.word(1)?,
                lid: row.word(2)?,
                round: row.int(3)?,
                call: row.opt_int(4)?,
                audio_name: row.text(5)?,
                digest: row.opt_digest(6)?,
                agent: row.opt_text(7)?,
                attempts: row.int(8)?,
            };
            current.insert(row.int(0)?, state);
        }
    }
    Ok(current)
}

/// A result of a file that once had this recording's number: the database was
/// restored from a backup since.
async fn ignore(tx: &mut Transaction, result: &ReportedResult, now: i64) -> Result<(), LedgerError> {
    let words = "the result is of other content than the rows are about";
    let ignored = Event::of_recording(now, "lid_ignored", result.recording, words);
    history::note(tx, &[ignored.on(&result.agent).coded("other_content")]).await
}

async fn fail(
    tx: &mut Transaction,
    result: &ReportedResult,
    failure: &LidFailure,
    now: i64,
) -> Result<(), LedgerError> {
    let update = "UPDATE cofiRecording SET lid = 'failed', lidRound = ?, attempts = ?, code = ?, reason = ?, \
                  settledAt = ? WHERE batchId = ? AND ordinal = ? AND placement = 'stored' AND lidRound <= ?";
    let update = Statement::named("fail_lid", update)
        .bind(i64::from(result.round))
        .bind(i64::from(failure.attempts))
        .bind(failure.code.as_str())
        .bind(failure.reason.as_str())
        .bind(now)
        .bind(result.recording.batch.0)
        .bind(result.recording.ordinal)
        .bind(i64::from(result.round));
    tx.guarded("fail_lid", update, 1).await?;
    let failed = Event::of_recording(now, "lid_failed", result.recording, failure.reason.as_str());
    history::note(tx, &[failed.on(&result.agent).coded(&failure.code)]).await
}

async fn mark_identified(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[Fresh<'_>],
    now: i64,
) -> Result<(), LedgerError> {
    let update = Statement::named("record_identified", "UPDATE cofiRecording SET lid = 'done', lidRound = ")
        .case("ordinal", chunk.iter().map(|fresh| (fresh.ordinal, i64::from(fresh.round))))
        .push(", attempts = 0, code = NULL, reason = NULL, settledAt = ?")
        .bind(now)
        .push(" WHERE batchId = ? AND ")
        .push(&state_is("placement", &["stored"]))
        .push(" AND ordinal IN ")
        .bind(batch.0)
        .list(chunk.iter().map(|fresh| fresh.ordinal));
    tx.guarded("record_identified", update, chunk.len()).await
}

async fn identify_calls(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[Fresh<'_>],
    languages: &LanguageIds,
    now: i64,
) -> Result<(), LedgerError> {
    let mut calls: Vec<CallLanguage<'_>> = chunk.iter().map(Fresh::call_language).collect();
    let found = tx.execute(write_languages(batch, &calls, languages)).await?;
    if u64::try_from(calls.len()).is_ok_and(|wanted| wanted == found) {
        return Ok(());
    }
    // Another service has deleted some.
    let wanted: Vec<NeededCall<'_>> = chunk.iter().map(Fresh::needed_call).collect();
    let restored = restore_calls(tx, batch, &wanted, now).await?;
    for (fresh, call) in chunk.iter().zip(&mut calls) {
        call.call = restored.get(&fresh.ordinal).copied().unwrap_or(call.call);
    }
    tx.guarded("identify_calls", write_languages(batch, &calls, languages), calls.len()).await
}

/// One `lidStatus` row a recording: identifying again updates it.
async fn write_lid_status(
    tx: &mut Transaction,
    batch: BatchId,
    chunk: &[Fresh<'_>],
) -> Result<(), LedgerError> {
    let select = "SELECT audioName, MAX(id) FROM lidStatus WHERE batchId = ? AND audioName IN ";
    let select = Statement::named("lid_status_rows", select).bind(batch.0);
    let select = select.list(chunk.iter().map(|fresh| fresh.audio_name.as_str())).push(" GROUP BY audioName");
    let rows = tx.rows(select).await?;
    let existing: HashMap<String, i64> = rows
        .iter()
        .map(|row| Ok((name_key(&row.text(0)?), row.int(1)?)))
        .collect::<Result<_, LedgerError>>()?;

    let missing: Vec<&Fresh<'_>> =
        chunk.iter().filter(|fresh| !existing.contains_key(&name_key(&fresh.audio_name))).collect();
    for missing in chunks(&missing) {
        tx.execute(insert_lid_status(batch, missing)).await?;
    }
    for fresh in chunk {
        let Some(id) = existing.get(&name_key(&fresh.audio_name)) else { continue };
        let update = "UPDATE lidStatus SET `language` = ?, audioDuration = ?, lidProcessingTime = ?, ip = ?, \
                      updatedAt = CURRENT_TIMESTAMP WHERE id = ?";
        let update = Statement::named("update_lid_status", update)
            .bind(fresh.identified.language.as_str())
            .bind(fresh.identified.duration_seconds)
            .bind(processing_time(fresh.identified))
            .bind(fresh.address)
            .bind(*id);
        tx.guarded("update_lid_status", update, 1).await?;
    }
    Ok(())
}

fn insert_lid_status(batch: BatchId, missing: &[&Fresh<'_>]) -> Statement {
    let columns = "INSERT INTO lidStatus (audioName, `language`, audioDuration, lidProcessingTime, batchId, ip) VALUES ";
    Statement::named("insert_lid_status", columns).tuples("(?, ?, ?, ?, ?, ?)", missing, |insert, fresh| {
        insert
            .bind(fresh.audio_name.as_str())
            .bind(fresh.identified.language.as_str())
            .bind(fresh.identified.duration_seconds)
            .bind(processing_time(fresh.identified))
            .bind(batch.0)
            .bind(fresh.address)
    })
}

/// Seconds with milliseconds: the column is text.
fn processing_time(identified: &Identified) -> String {
    format!("{:.3}", identified.processing_seconds)
}
