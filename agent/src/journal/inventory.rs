//! Everything that is held, for who compares it with the controller's rows.

use cofi_proto::{BatchId, RecordingId};
use sqlx::query_as;

use super::{Journal, JournalError};

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
        let (batch, ordinal) = cursor.map_or((i64::MIN, i64::MIN), |id| (id.batch.0, id.ordinal));
        let rows: Vec<(i64, i64)> = query_as(SQL)
            .bind(batch)
            .bind(ordinal)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(JournalError::read)?;
        Ok(rows.into_iter().map(|(batch, ordinal)| RecordingId { batch: BatchId(batch), ordinal }).collect())
    }

    /// How many recordings of each batch are held.
    pub(crate) async fn count_by_batch(&self) -> Result<Vec<(BatchId, u64)>, JournalError> {
        const SQL: &str = "-- count_by_batch
SELECT batch, count(*) FROM recording GROUP BY batch ORDER BY batch";
        let rows: Vec<(i64, i64)> =
            query_as(SQL).fetch_all(&self.readers).await.map_err(JournalError::read)?;
        let count = |(batch, count): (i64, i64)| {
            let count = u64::try_from(count).map_err(|_| JournalError::damaged("count", count))?;
            Ok((BatchId(batch), count))
        };
        rows.into_iter().map(count).collect()
    }
}
