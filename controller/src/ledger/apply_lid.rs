//! Bringing the calls of a batch in line with `lidStatus`, whoever wrote the
//! batch: page by page of audio names, each page a transaction of its own.

mod changes;
mod page;
mod rows;

use cofi_language::LanguageTable;
use cofi_proto::BatchId;

use self::page::{Page, Scope};
pub(super) use self::rows::is_same_duration;
use super::{
    Ledger, LedgerError, LidReport,
    audit::Target,
    batches,
    database::Transaction,
    history::{self, Event},
    lid_status, write_transaction,
};

impl Ledger {
    /// Brings the calls of a batch in line with the newest row of `lidStatus`
    /// for each audio name. What is in line already is not touched: doing it
    /// again changes nothing, also after it was interrupted. Two calls have two
    /// times. Where a COMMIT was not answered, what it had changed may be
    /// counted as in line.
    pub async fn apply_lid_results(
        &self,
        batch: BatchId,
        languages: &LanguageTable,
        now: i64,
    ) -> Result<LidReport, LedgerError> {
        let (own, without_call) = self.begin_applying_lid(batch, now).await?;
        let scope = Scope { batch, own, languages, now };
        let mut report = LidReport { without_call, ..LidReport::default() };
        let mut after = None;
        loop {
            let page = self.apply_lid_page(&scope, after.as_deref()).await?;
            failpoint!(async LID_PAGE_COMMITTED => return Err(LedgerError::failpoint()));
            report.add(&page.report);
            let Some(last) = page.last else { break };
            after = Some(last);
        }
        self.end_applying_lid(batch, &report, now).await?;
        if own {
            self.settle_batch(batch).await?;
        }
        Ok(report)
    }

    /// Whether the batch is Cofi's own, and how many rows have no name.
    async fn begin_applying_lid(&self, batch: BatchId, now: i64) -> Result<(bool, u64), LedgerError> {
        write_transaction!(self, |tx| {
            let own = batches::is_own_batch(tx, batch).await?;
            let nameless = lid_status::nameless(tx, batch).await?;
            note_once(tx, batch, "lid_apply_begun", now, "").await?;
            self.note_deed(tx, Target::Batch(batch), "calls brought in line with lidStatus").await?;
            Ok((own, nameless))
        })
    }

    async fn apply_lid_page(&self, scope: &Scope<'_>, after: Option<&str>) -> Result<Page, LedgerError> {
        write_transaction!(self, |tx| {
            let page = page::apply(tx, scope, after).await?;
            failpoint!(async LID_PAGE_WRITTEN => return Err(LedgerError::failpoint()));
            Ok(page)
        })
    }

    async fn end_applying_lid(
        &self,
        batch: BatchId,
        report: &LidReport,
        now: i64,
    ) -> Result<(), LedgerError> {
        let words = format!(
            "{} calls changed, {} in line, {} recordings settled; names: {} without call, {} without language, \
             {} not mapped",
            report.changed,
            report.in_line,
            report.settled,
            report.without_call,
            report.without_language,
            report.unmapped
        );
        write_transaction!(self, |tx| { note_once(tx, batch, "lid_applied", now, &words).await })
    }
}

/// Leaves word of it in the history, unless the same call has done so.
async fn note_once(
    tx: &mut Transaction,
    batch: BatchId,
    kind: &'static str,
    now: i64,
    words: &str,
) -> Result<(), LedgerError> {
    if history::was_done(tx, kind, batch, now).await? {
        return Ok(());
    }
    history::note(tx, &[Event::of_batch(now, kind, batch, words)]).await
}
