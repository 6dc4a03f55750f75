//! One page of audio names: what `lidStatus` says of them, and the calls that
//! say something else.
//!
//! Rows are locked in the order of all the ledger's transactions (Cofi's own,
//! then `call`) before `lidStatus` is read, so that a result that is applied
//! at the same time is seen whole or comes after.

use std::collections::{HashMap, HashSet};

use cofi_language::{Canonical, LanguageTable};
use cofi_proto::BatchId;

use super::{changes::Changes, rows};
use crate::ledger::{
    LedgerError, LidReport,
    call_languages::LanguageIds,
    database::{TextColumn, Transaction},
    lid_status::{Names, Said},
};

/// Names of a page.
const NAMES: i64 = 1_000;

/// What all pages have in common.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) batch: BatchId,
    /// Whether Cofi has a manifest of the batch.
    pub(super) own: bool,
    pub(super) languages: &'a LanguageTable,
    pub(super) now: i64,
}

/// What came of a page, and the name that the next one begins after.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) report: LidReport,
    pub(super) last: Option<String>,
}

pub(super) async fn apply(
    tx: &mut Transaction,
    scope: &Scope<'_>,
    after: Option<&str>,
) -> Result<Page, LedgerError> {
    let names = Names::read(tx, scope.batch, after, NAMES).await?;
    let recordings =
        if scope.own { rows::lock_recordings(tx, scope.batch, &names.all).await? } else { HashMap::new() };
    let calls = rows::lock_calls(tx, scope.batch, &names.all).await?;
    let said = names.said(tx, scope.batch).await?;
    let answers = Answers::read(tx, scope.languages, &said).await?;

    let mut report = LidReport::default();
    let mut changes = Changes::default();
    for name in names.all {
        let Some(said) = said.get(&name) else { continue };
        let Some(calls) = calls.get(&name) else {
            report.without_call += 1;
            continue;
        };
        let Some(language) = answers.language(said, &mut report) else {
            report.without_language += 1;
            continue;
        };
        for call in calls {
            if call.says(language, answers.ids.of(language), said.duration_seconds) {
                report.in_line += 1;
            } else {
                report.changed += 1;
                let duration = said.duration_seconds.or(call.duration_seconds);
                changes.calls.push((call.id, language.to_owned(), duration));
            }
        }
        if let Some(recording) = recordings.get(&name).filter(|recording| recording.waits()) {
            report.settled += 1;
            changes.settled.push((recording.ordinal, language.to_owned()));
        }
        changes.done.push(name);
    }
    changes.write(tx, scope, &answers.ids).await?;
    Ok(Page { report, last: names.last })
}

/// What the words in `lidStatus` mean.
struct Answers {
    by_word: HashMap<String, Canonical>,
    ids: LanguageIds,
    /// What `call.lang` holds.
    room: Option<TextColumn>,
}

impl Answers {
    async fn read(
        tx: &mut Transaction,
        languages: &LanguageTable,
        said: &HashMap<String, Said>,
    ) -> Result<Self, LedgerError> {
        let words: HashSet<&str> = said.values().filter_map(|said| said.language.as_deref()).collect();
        let by_word: HashMap<String, Canonical> =
            words.into_iter().map(|word| (word.to_owned(), languages.canonical(word))).collect();
        let ids = LanguageIds::read(tx, by_word.values().map(Canonical::as_str)).await?;
        let room = tx.text_column("call", "lang").await?;
        Ok(Self { by_word, ids, room })
    }

    /// What `call.lang` is to hold; none if nothing was said, or nothing that
    /// it can hold.
    fn language(&self, said: &Said, report: &mut LidReport) -> Option<&str> {
        let canonical = self.by_word.get(said.language.as_deref()?)?;
        match canonical {
            Canonical::Known(code) => Some(code.as_str()),
            Canonical::Unmapped(word) => {
                report.count_unmapped(word);
                self.room.is_none_or(|room| room.holds(word)).then_some(word)
            }
        }
    }
}
