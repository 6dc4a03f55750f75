//! Everything that is held, for who compares it with the controller's rows.

use cofi_proto::{BatchId, RecordingId};
use sqlx::query_as;

use super::{
    Journal, JournalError,
    reads::{after, id, limit},
};

impl Journal {
    /// Recordings after `cursor`, in order of their ids, also those that have
    /// not got their places yet.
    pub(crate) async fn everything(
        &self,
        cursor: Option<RecordingId>,
        most: usize,
    ) -> Result<Vec<RecordingId>, JournalError> {
        const SQL: &str = "-- everything
SELECT batch, ordinal FROM recording WHERE (batch, ordinal) > (?1, ?2) ORDER BY batch, ordinal LIMIT ?3";
        let (batch, ordinal) = after(cursor);
        let rows: Vec<(i64, i64)> = query_as(SQL)
            .bind(batch)
            .bind(ordinal)
            .bind(limit(most))
            .fetch_all(&self.readers)
            .await
            .map_err(JournalError::read)?;
        Ok(rows.into_iter().map(|(batch, ordinal)| id(batch, ordinal)).collect())
    }

    /// How many recordings of each batch are held.
    pub(crate) async fn count_by_batch(&self) -> Result<Vec<(BatchId, u64)>, JournalError> {
        const SQL: &str = "-- count_by_batch
SELECT batch, count(*) FROM recording GROUP BY batch ORDER BY batch";
        let rows: Vec<(i64, i64)> =
            query_as(SQL).fetch_all(&self.readers).await.map_err(JournalError::read)?;
        let count = |(batch, count): (i64, i64)| Ok((BatchId(batch), count_of(count)?));
        rows.into_iter().map(count).collect()
    }

    /// How many recordings the controller has said to have rows for, and of how
    /// many it has settled a result.
    pub(crate) async fn receipts(&self) -> Result<(u64, u64), JournalError> {
        const SQL: &str = "-- receipts
SELECT count(*), coalesce(sum(EXISTS (SELECT 1 FROM result f
    WHERE f.batch = r.batch AND f.ordinal = r.ordinal AND f.receipted_at IS NOT NULL)), 0)
FROM recording r WHERE recorded = 1 AND incoming IS NULL";
        let (recorded, receipted): (i64, i64) =
            query_as(SQL).fetch_one(&self.readers).await.map_err(JournalError::read)?;
        Ok((count_of(recorded)?, count_of(receipted)?))
    }
}

fn count_of(count: i64) -> Result<u64, JournalError> {
    u64::try_from(count).map_err(|_| JournalError::damaged("count", count))
}
