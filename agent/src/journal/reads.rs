//! What is read from the journal.

use cofi_proto::{
    BatchId, Digest, RecordingId,
    session::{Held, LidResult},
};
use sqlx::{query_as, query_scalar};

use super::{Journal, JournalError, making::json, outcome};

/// A result to be sent, and its position in the outbox.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// Counts up; never used twice while the agent runs.
    pub position: i64,
    /// What came out.
    pub result: LidResult,
}

/// A recording that waits for the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) position: i64,
    pub(crate) recording: RecordingId,
    pub(crate) audio_name: String,
    pub(crate) digest: Digest,
    pub(crate) round: i32,
    pub(crate) candidates: Vec<String>,
    /// Attempts of this round that have failed.
    pub(crate) attempts: i32,
}

/// A recording that is durable in `incoming/` and may or may not have its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unplaced {
    pub(crate) recording: RecordingId,
    pub(crate) audio_name: String,
    pub(crate) size_bytes: u64,
    pub(crate) digest: Digest,
    pub(crate) incoming: String,
}

/// What is held under an id or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The recording.
    pub recording: RecordingId,
    /// Base name.
    pub audio_name: String,
    /// Of its content.
    pub digest: Digest,
}

/// Position, batch, ordinal, round, outcome, and the digest of what is held.
type ResultRow = (i64, i64, i64, i32, String, Option<Vec<u8>>);

impl Journal {
    /// Recordings after `cursor` that have their place and that the controller
    /// has not said to have rows for, in order of their ids.
    pub(crate) async fn held(
        &self,
        cursor: Option<RecordingId>,
        most: usize,
    ) -> Result<Vec<Held>, JournalError> {
        const SQL: &str = "-- held
SELECT batch, ordinal, audio_name, size_bytes, digest FROM recording
WHERE recorded = 0 AND incoming IS NULL AND (batch, ordinal) > (?1, ?2)
ORDER BY batch, ordinal LIMIT ?3";
        let (batch, ordinal) = after(cursor);
        let rows: Vec<(i64, i64, String, i64, Vec<u8>)> = query_as(SQL)
            .bind(batch)
            .bind(ordinal)
            .bind(limit(most))
            .fetch_all(&self.readers)
            .await
            .map_err(JournalError::read)?;
        rows.into_iter()
            .map(|(batch, ordinal, audio_name, size, digest)| {
                Ok(Held {
                    recording: id(batch, ordinal),
                    audio_name,
                    size_bytes: size_of(size)?,
                    digest: digest_of(&digest)?,
                })
            })
            .collect()
    }

    /// Results after position `cursor` that are not receipted, oldest first.
    pub(crate) async fn outbox(&self, cursor: i64, most: usize) -> Result<Vec<OutboxRow>, JournalError> {
        const SQL: &str = "-- outbox
SELECT f.position, f.batch, f.ordinal, f.round, f.outcome, r.digest FROM result f
LEFT JOIN recording r ON r.batch = f.batch AND r.ordinal = f.ordinal
WHERE f.receipted_at IS NULL AND f.position > ?1 ORDER BY f.position LIMIT ?2";
        let rows: Vec<ResultRow> = query_as(SQL)
            .bind(cursor)
            .bind(limit(most))
            .fetch_all(&self.readers)
            .await
            .map_err(JournalError::read)?;
        rows.into_iter()
            .map(|(position, batch, ordinal, round, outcome, digest)| {
                let outcome = outcome::from_text(&outcome)?;
                let digest = digest.as_deref().map(digest_of).transpose()?;
                Ok(OutboxRow {
                    position,
                    result: LidResult { recording: id(batch, ordinal), round, outcome, digest },
                })
            })
            .collect()
    }

    /// Position of the newest result that is not receipted, 0 if there is none.
    pub(crate) async fn outbox_end(&self) -> Result<i64, JournalError> {
        const SQL: &str = "-- outbox_end
SELECT coalesce(max(position), 0) FROM result WHERE receipted_at IS NULL";
        query_scalar(SQL).fetch_one(&self.readers).await.map_err(JournalError::read)
    }

    /// Recordings after position `cursor` that wait for the engine, in order
    /// of arrival.
    pub(crate) async fn jobs(&self, cursor: i64, most: usize) -> Result<Vec<Job>, JournalError> {
        const SQL: &str = "-- jobs
SELECT j.position, j.batch, j.ordinal, r.audio_name, r.digest, j.round, j.candidates,
    iif(j.attempted_round = j.round, j.attempts, 0) AS attempts
FROM job j JOIN recording r ON r.batch = j.batch AND r.ordinal = j.ordinal
WHERE j.position > ?1 AND r.incoming IS NULL ORDER BY j.position LIMIT ?2";
        let rows: Vec<JobRow> = query_as(SQL)
            .bind(cursor)
            .bind(limit(most))
            .fetch_all(&self.readers)
            .await
            .map_err(JournalError::read)?;
        rows.into_iter().map(JobRow::into_job).collect()
    }

    /// How many recordings wait for the engine or are in it.
    pub(crate) async fn waiting(&self) -> Result<u64, JournalError> {
        const SQL: &str = "-- waiting\nSELECT count(*) FROM job";
        let count: i64 = query_scalar(SQL).fetch_one(&self.readers).await.map_err(JournalError::read)?;
        size_of(count)
    }

    /// Recordings that are not in their places as far as the journal knows.
    pub(crate) async fn unplaced(&self) -> Result<Vec<Unplaced>, JournalError> {
        const SQL: &str = "-- unplaced
SELECT batch, ordinal, audio_name, size_bytes, digest, incoming FROM recording
WHERE incoming IS NOT NULL ORDER BY batch, ordinal";
        let rows: Vec<(i64, i64, String, i64, Vec<u8>, String)> =
            query_as(SQL).fetch_all(&self.readers).await.map_err(JournalError::read)?;
        rows.into_iter()
            .map(|(batch, ordinal, audio_name, size, digest, incoming)| {
                Ok(Unplaced {
                    recording: id(batch, ordinal),
                    audio_name,
                    size_bytes: size_of(size)?,
                    digest: digest_of(&digest)?,
                    incoming,
                })
            })
            .collect()
    }

    /// What is held under these ids, or under these names in their batches.
    pub(crate) async fn standing<'a>(
        &self,
        places: impl Iterator<Item = (RecordingId, &'a str)>,
    ) -> Result<Vec<Standing>, JournalError> {
        const SQL: &str = "-- standing
SELECT r.batch, r.ordinal, r.audio_name, r.digest FROM json_each(?1) j
JOIN recording r ON r.batch = j.value ->> 0 AND r.ordinal = j.value ->> 1
UNION
SELECT r.batch, r.ordinal, r.audio_name, r.digest FROM json_each(?1) j
JOIN recording r ON r.batch = j.value ->> 0 AND r.audio_name = j.value ->> 2";
        let places = json(places.map(|(id, name)| (id.batch.0, id.ordinal, name)))?;
        self.standing_rows(SQL, places).await
    }

    /// Those of these recordings that are held.
    pub(crate) async fn held_of(&self, recordings: &[RecordingId]) -> Result<Vec<Standing>, JournalError> {
        const SQL: &str = "-- held_of
SELECT r.batch, r.ordinal, r.audio_name, r.digest FROM json_each(?1) j
JOIN recording r ON r.batch = j.value ->> 0 AND r.ordinal = j.value ->> 1";
        self.standing_rows(SQL, json(recordings.iter().map(|id| (id.batch.0, id.ordinal)))?).await
    }

    /// Recordings of a batch after `cursor` that have their places, in order.
    pub(crate) async fn placed_of(
        &self,
        batch: BatchId,
        cursor: Option<RecordingId>,
        most: usize,
    ) -> Result<Vec<Standing>, JournalError> {
        const SQL: &str = "-- placed_of
SELECT batch, ordinal, audio_name, digest FROM recording
WHERE batch = ?1 ->> 0 AND ordinal > ?1 ->> 1 AND incoming IS NULL ORDER BY ordinal LIMIT ?1 ->> 2";
        let after = cursor.map_or(i64::MIN, |id| id.ordinal);
        self.standing_rows(SQL, json([batch.0, after, limit(most)])?).await
    }

    /// Batches of which something is held.
    pub(crate) async fn batches(&self) -> Result<Vec<BatchId>, JournalError> {
        const SQL: &str = "-- batches\nSELECT DISTINCT batch FROM recording ORDER BY batch";
        let batches: Vec<i64> =
            query_scalar(SQL).fetch_all(&self.readers).await.map_err(JournalError::read)?;
        Ok(batches.into_iter().map(BatchId).collect())
    }

    /// Another recording of that name that has its place, if there is one.
    pub(crate) async fn namesake(
        &self,
        recording: RecordingId,
        audio_name: &str,
    ) -> Result<Option<(RecordingId, Digest)>, JournalError> {
        const SQL: &str = "-- namesake
SELECT batch, ordinal, digest FROM recording
WHERE audio_name = ?1 AND incoming IS NULL AND NOT (batch = ?2 AND ordinal = ?3) LIMIT 1";
        let row: Option<(i64, i64, Vec<u8>)> = query_as(SQL)
            .bind(audio_name)
            .bind(recording.batch.0)
            .bind(recording.ordinal)
            .fetch_optional(&self.readers)
            .await
            .map_err(JournalError::read)?;
        row.map(|(batch, ordinal, digest)| Ok((id(batch, ordinal), digest_of(&digest)?))).transpose()
    }

    async fn standing_rows(
        &self,
        sql: &'static str,
        parameter: String,
    ) -> Result<Vec<Standing>, JournalError> {
        let rows: Vec<(i64, i64, String, Vec<u8>)> =
            query_as(sql).bind(parameter).fetch_all(&self.readers).await.map_err(JournalError::read)?;
        rows.into_iter()
            .map(|(batch, ordinal, audio_name, digest)| {
                Ok(Standing { recording: id(batch, ordinal), audio_name, digest: digest_of(&digest)? })
            })
            .collect()
    }
}

#[derive(sqlx::FromRow)]
struct JobRow {
    position: i64,
    batch: i64,
    ordinal: i64,
    audio_name: String,
    digest: Vec<u8>,
    round: i32,
    candidates: String,
    attempts: i32,
}

impl JobRow {
    fn into_job(self) -> Result<Job, JournalError> {
        Ok(Job {
            position: self.position,
            recording: id(self.batch, self.ordinal),
            audio_name: self.audio_name,
            digest: digest_of(&self.digest)?,
            round: self.round,
            candidates: serde_json::from_str(&self.candidates)
                .map_err(|_| JournalError::damaged("candidates", &self.candidates))?,
            attempts: self.attempts,
        })
    }
}

pub(super) fn id(batch: i64, ordinal: i64) -> RecordingId {
    RecordingId { batch: BatchId(batch), ordinal }
}

/// The ids that come before all that are read after `cursor`.
pub(super) fn after(cursor: Option<RecordingId>) -> (i64, i64) {
    cursor.map_or((i64::MIN, i64::MIN), |id| (id.batch.0, id.ordinal))
}

pub(super) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn size_of(size: i64) -> Result<u64, JournalError> {
    u64::try_from(size).map_err(|_| JournalError::damaged("size_bytes", size))
}

fn digest_of(bytes: &[u8]) -> Result<Digest, JournalError> {
    Digest::try_from(bytes).map_err(|error| JournalError::damaged("digest", error))
}
