//! How each change is made, inside the writer's transaction.

use std::sync::Arc;

use cofi_proto::{RecordingId, session::Identify};
use serde::Serialize;
use sqlx::{SqliteConnection, query, query_scalar};

use super::{
    Again, Attempted, Change, Finished, JournalError, NewRecording, outcome,
    statements::{
        AGAIN, ATTEMPTED, EXPIRED, FINISHED, FINISHED_JOB, FORGOTTEN, FORGOTTEN_JOBS, FORGOTTEN_RESULTS,
        IDENTIFY_JOBS, IDENTIFY_LATER, IDENTIFY_NOT_HELD, IDENTIFY_RESULTS, PLACED, PLACED_JOBS, RECEIPTED,
        RECORDED, STORED, STORED_JOBS, STORED_RESULTS, UNRECEIPTED, UNRECORDED, WASTED,
    },
};

/// What a change is made with. Each change may be made again: the writer
/// repeats a group one by one when one of its changes fails.
pub(super) struct Making<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    /// The next free position of jobs and results. Positions are never reused
    /// while the program runs, so that a reader's cursor passes each once.
    pub(super) next_position: &'a mut i64,
    pub(super) now_micros: i64,
}

/// What a change may have brought.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Brought {
    pub(super) results: bool,
    pub(super) jobs: bool,
}

impl Making<'_> {
    pub(super) async fn make(&mut self, change: &Change) -> Result<Brought, JournalError> {
        let mut brought = Brought::default();
        match change {
            Change::Stored(recordings) => self.stored(recordings).await?,
            Change::Placed(recordings) => {
                self.placed(recordings).await?;
                brought.jobs = true;
            }
            Change::Again(recordings) => {
                self.again(recordings).await?;
                brought = Brought { results: true, jobs: true };
            }
            Change::Identify(recordings) => {
                self.identify(recordings).await?;
                brought = Brought { results: true, jobs: true };
            }
            Change::Attempted(Attempted { recording, round, attempts }) => {
                let update = query(ATTEMPTED).bind(recording.batch.0).bind(recording.ordinal);
                self.run(update.bind(round).bind(attempts)).await?;
            }
            Change::Finished(finished) => {
                self.finished(finished).await?;
                brought.results = true;
            }
            Change::Wasted(recording, bytes) => {
                let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
                let query = query(WASTED).bind(recording.batch.0).bind(recording.ordinal).bind(bytes);
                self.run(query).await?;
            }
            Change::Unrecorded => {
                for statement in [UNRECORDED, UNRECEIPTED] {
                    self.run(query(statement)).await?;
                }
                brought.results = true;
            }
            Change::Recorded(recordings) => self.run(query(RECORDED).bind(ids(recordings)?)).await?,
            Change::Receipted(receipts) => {
                let rows = receipts.iter().map(|r| (r.recording.batch.0, r.recording.ordinal, r.round));
                self.run(query(RECEIPTED).bind(json(rows)?).bind(self.now_micros)).await?;
            }
            Change::Forgotten(recordings) => {
                for statement in [FORGOTTEN, FORGOTTEN_JOBS, FORGOTTEN_RESULTS] {
                    self.run(query(statement).bind(ids(recordings)?)).await?;
                }
            }
            Change::Expired(before) => self.run(query(EXPIRED).bind(*before)).await?,
        }
        Ok(brought)
    }

    async fn stored(&mut self, recordings: &[NewRecording]) -> Result<(), JournalError> {
        let mut rows = Vec::with_capacity(recordings.len());
        for new in recordings {
            rows.push((
                new.recording.batch.0,
                new.recording.ordinal,
                &new.audio_name,
                new.size_bytes,
                new.digest.to_string(),
                new.round,
                json(&new.candidates)?,
                &new.incoming,
            ));
        }
        let rows = json(&rows)?;
        self.run(query(STORED_RESULTS).bind(&rows)).await?;
        self.run(query(STORED_JOBS).bind(&rows)).await?;
        self.run(query(STORED).bind(&rows).bind(self.now_micros)).await
    }

    async fn placed(&mut self, recordings: &[RecordingId]) -> Result<(), JournalError> {
        let rows = ids(recordings)?;
        self.run(query(PLACED).bind(&rows)).await?;
        let base = self.positions(recordings.len());
        self.run(query(PLACED_JOBS).bind(&rows).bind(base)).await
    }

    async fn again(&mut self, recordings: &[Again]) -> Result<(), JournalError> {
        let rows = recordings.iter().map(|again| {
            let id = again.identify.recording;
            (id.batch.0, id.ordinal, again.size_bytes)
        });
        self.run(query(AGAIN).bind(json(rows)?)).await?;
        let identify: Vec<_> = recordings.iter().map(|again| again.identify.clone()).collect();
        self.identify(&identify).await
    }

    async fn identify(&mut self, recordings: &[Identify]) -> Result<(), JournalError> {
        let mut rows = Vec::with_capacity(recordings.len());
        for identify in recordings {
            let id = identify.recording;
            rows.push((id.batch.0, id.ordinal, identify.round, json(&identify.candidates)?));
        }
        let rows = json(&rows)?;
        let not_held: i64 = query_scalar(IDENTIFY_NOT_HELD)
            .bind(&rows)
            .fetch_one(&mut *self.connection)
            .await
            .map_err(JournalError::write)?;
        if not_held > 0 {
            tracing::warn!(count = not_held, "asked to identify recordings that are not held");
        }
        for statement in [IDENTIFY_RESULTS, IDENTIFY_JOBS] {
            let base = self.positions(recordings.len());
            self.run(query(statement).bind(&rows).bind(base)).await?;
        }
        self.run(query(IDENTIFY_LATER).bind(&rows)).await
    }

    async fn finished(&mut self, finished: &Finished) -> Result<(), JournalError> {
        let Finished { recording, digest, round, outcome } = finished;
        let digest = &digest.as_bytes()[..];
        let insert = query(FINISHED)
            .bind(self.positions(1))
            .bind(recording.batch.0)
            .bind(recording.ordinal)
            .bind(round)
            .bind(outcome::to_text(outcome.clone())?)
            .bind(self.now_micros)
            .bind(digest);
        self.run(insert).await?;
        let delete =
            query(FINISHED_JOB).bind(recording.batch.0).bind(recording.ordinal).bind(round).bind(digest);
        self.run(delete).await
    }

    fn positions(&mut self, count: usize) -> i64 {
        let base = *self.next_position;
        *self.next_position = base.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        base
    }

    async fn run(
        &mut self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<(), JournalError> {
        query.execute(&mut *self.connection).await.map(drop).map_err(JournalError::write)
    }
}

fn ids(recordings: &[RecordingId]) -> Result<String, JournalError> {
    json(recordings.iter().map(|id| (id.batch.0, id.ordinal)))
}

/// The items as a JSON array.
pub(super) fn json<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<String, JournalError> {
    let items: Vec<T> = items.into_iter().collect();
    serde_json::to_string(&items)
        .map_err(|source| JournalError::Encode { what: "rows", source: Arc::new(source) })
}
