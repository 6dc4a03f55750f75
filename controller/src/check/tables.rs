//! Walking through the tables.

use std::time::{Duration, Instant};

use cofi_language::LanguageTable;
use cofi_proto::BatchId;

use super::{
    CheckError, PAGE,
    looks::{BATCH, ROWS, both, patiently, that_stay},
    report::Telling,
};
use crate::ledger::{CheckedPage, Flaw, Ledger, LedgerError, SharedTable};

/// Longest rest after a page.
const LONGEST_REST: Duration = Duration::from_secs(1);

pub(super) struct Tables<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) languages: &'a LanguageTable,
}

impl Tables<'_> {
    /// What belongs to no single batch.
    pub(super) async fn database(&self) -> Result<Vec<Flaw>, LedgerError> {
        let look = || patiently(|| self.ledger.check_database());
        that_stay(look().await?, ROWS, look).await
    }

    /// A batch as a whole.
    pub(super) async fn batch(&self, batch: BatchId) -> Result<Vec<Flaw>, LedgerError> {
        let look = || patiently(|| self.ledger.check_batch(batch));
        that_stay(look().await?, BATCH, look).await
    }

    /// The recordings after ordinal `after`; without patience there is no pause
    /// before the second look.
    pub(super) async fn recordings(
        &self,
        batch: BatchId,
        after: i64,
        patient: bool,
    ) -> Result<CheckedPage, LedgerError> {
        let look = || patiently(|| self.ledger.check_recordings(batch, self.languages, after, PAGE));
        let page = rested(look()).await?;
        if page.flaws.is_empty() {
            return Ok(page);
        }
        if patient {
            tokio::time::sleep(ROWS[0]).await;
        }
        let again = look().await?;
        Ok(CheckedPage { flaws: both(&page.flaws, again.flaws), ..again })
    }

    /// Rows of a batch that no recording has.
    pub(super) async fn strangers(&self, batch: BatchId, telling: &mut Telling) -> Result<(), CheckError> {
        for table in SharedTable::ALL {
            let mut after: Option<String> = None;
            loop {
                let look = || patiently(|| self.ledger.check_strangers(batch, table, after.as_deref(), PAGE));
                let (last, found) = rested(look()).await?;
                let pauses = if telling.is_patient() { ROWS } else { &[Duration::ZERO] };
                let again = || async { look().await.map(|(_, found)| found) };
                let found = that_stay(found, pauses, again).await?;
                telling.tell(found).await?;
                if last.is_none() {
                    break;
                }
                after = last;
            }
        }
        Ok(())
    }
}

/// Does a piece of work and rests as long as it took: whoever works for
/// recordings comes first.
async fn rested<T>(work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
    let begun = Instant::now();
    let done = work.await;
    tokio::time::sleep(begun.elapsed().min(LONGEST_REST)).await;
    done
}
