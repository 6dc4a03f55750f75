//! The statements that change the journal.
//!
//! A group travels as one JSON parameter (`?1`) that SQLite takes apart itself
//! (`json_each`), so that a group of any size is one prepared statement.
//! Positions are given out from a base (`?2`) plus the place in the group.

/// `?1`: `[[batch, ordinal, name, size, digest, round, candidates, incoming]]`.
pub(super) const STORED_RESULTS: &str = "-- stored_results
DELETE FROM result WHERE (batch, ordinal) IN (
    SELECT r.batch, r.ordinal FROM json_each(?1) j
    JOIN recording r ON r.batch = j.value ->> 0 AND r.ordinal = j.value ->> 1
    WHERE r.digest <> unhex(j.value ->> 4))";

/// As [`STORED_RESULTS`].
pub(super) const STORED_JOBS: &str = "-- stored_jobs
DELETE FROM job WHERE (batch, ordinal) IN (
    SELECT r.batch, r.ordinal FROM json_each(?1) j
    JOIN recording r ON r.batch = j.value ->> 0 AND r.ordinal = j.value ->> 1
    WHERE r.digest <> unhex(j.value ->> 4))";

/// As [`STORED_RESULTS`]; `?2`: the time.
pub(super) const STORED: &str = "-- stored
INSERT INTO recording (batch, ordinal, audio_name, size_bytes, digest, round, candidates, incoming,
    recorded, received_count, received_bytes, stored_at)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, unhex(j.value ->> 4), j.value ->> 5,
    j.value ->> 6, j.value ->> 7, 0, 1, j.value ->> 3, ?2
FROM json_each(?1) j WHERE true
ON CONFLICT (batch, ordinal) DO UPDATE SET
    audio_name = excluded.audio_name, size_bytes = excluded.size_bytes, digest = excluded.digest,
    round = excluded.round, candidates = excluded.candidates, incoming = excluded.incoming, recorded = 0,
    received_count = received_count + 1, received_bytes = received_bytes + excluded.size_bytes,
    stored_at = excluded.stored_at";

/// `?1`: `[[batch, ordinal]]`.
pub(super) const PLACED: &str = "-- placed
UPDATE recording SET incoming = NULL
WHERE (batch, ordinal) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";

/// `?1`: `[[batch, ordinal]]`. Round 0 is none: nothing is to be identified.
pub(super) const PLACED_JOBS: &str = "-- placed_jobs
INSERT INTO job (position, batch, ordinal, round, candidates)
SELECT ?2 + j.key, r.batch, r.ordinal, r.round, r.candidates FROM json_each(?1) j
JOIN recording r ON r.batch = j.value ->> 0 AND r.ordinal = j.value ->> 1
WHERE r.round > 0 AND NOT EXISTS (SELECT 1 FROM result f
    WHERE f.batch = r.batch AND f.ordinal = r.ordinal AND f.round >= r.round)
ON CONFLICT (batch, ordinal) DO UPDATE SET
    position = excluded.position, round = excluded.round, candidates = excluded.candidates
WHERE excluded.round > job.round";

/// `?1`: `[[batch, ordinal, size]]`.
pub(super) const AGAIN: &str = "-- again
UPDATE recording SET recorded = 0, received_count = received_count + 1,
    received_bytes = received_bytes + j.value ->> 2
FROM json_each(?1) j WHERE recording.batch = j.value ->> 0 AND recording.ordinal = j.value ->> 1";

/// `?1`: batch; `?2`: ordinal; `?3`: bytes.
pub(super) const WASTED: &str = "-- wasted
UPDATE recording SET received_bytes = received_bytes + ?3 WHERE batch = ?1 AND ordinal = ?2";

pub(super) const UNRECORDED: &str = "-- unrecorded
UPDATE recording SET recorded = 0 WHERE recorded = 1";

pub(super) const UNRECEIPTED: &str = "-- unreceipted
UPDATE result SET receipted_at = NULL WHERE receipted_at IS NOT NULL";

/// `?1`: `[[batch, ordinal]]`.
pub(super) const RECORDED: &str = "-- recorded
UPDATE recording SET recorded = 1
WHERE (batch, ordinal) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";

/// `?1`: `[[batch, ordinal, round]]`; `?2`: the time.
pub(super) const RECEIPTED: &str = "-- receipted
UPDATE result SET receipted_at = ?2
WHERE receipted_at IS NULL AND (batch, ordinal, round) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1))";

/// `?1`: `[[batch, ordinal, round, candidates]]`.
pub(super) const IDENTIFY_NOT_HELD: &str = "-- identify_not_held
SELECT count(*) FROM json_each(?1) j WHERE NOT EXISTS (SELECT 1 FROM recording r
    WHERE r.batch = j.value ->> 0 AND r.ordinal = j.value ->> 1)";

/// As [`IDENTIFY_NOT_HELD`]. A result that answers is sent again: it gets a
/// position that the outbox has not passed.
pub(super) const IDENTIFY_RESULTS: &str = "-- identify_results
UPDATE result SET receipted_at = NULL, position = ?2 + j.key
FROM json_each(?1) j
WHERE result.batch = j.value ->> 0 AND result.ordinal = j.value ->> 1 AND result.round =
    (SELECT max(f.round) FROM result f WHERE f.batch = j.value ->> 0 AND f.ordinal = j.value ->> 1)
    AND result.round >= j.value ->> 2";

/// As [`IDENTIFY_NOT_HELD`].
pub(super) const IDENTIFY_JOBS: &str = "-- identify_jobs
INSERT INTO job (position, batch, ordinal, round, candidates)
SELECT ?2 + j.key, r.batch, r.ordinal, j.value ->> 2, j.value ->> 3 FROM json_each(?1) j
JOIN recording r ON r.batch = j.value ->> 0 AND r.ordinal = j.value ->> 1
WHERE r.incoming IS NULL AND j.value ->> 2 > 0 AND NOT EXISTS (SELECT 1 FROM result f
    WHERE f.batch = r.batch AND f.ordinal = r.ordinal AND f.round >= j.value ->> 2)
ON CONFLICT (batch, ordinal) DO UPDATE SET
    position = excluded.position, round = excluded.round, candidates = excluded.candidates
WHERE excluded.round > job.round";

/// A recording that is still on its way to its place begins with this round.
/// As [`IDENTIFY_NOT_HELD`].
pub(super) const IDENTIFY_LATER: &str = "-- identify_later
UPDATE recording SET round = j.value ->> 2, candidates = j.value ->> 3
FROM json_each(?1) j WHERE recording.batch = j.value ->> 0 AND recording.ordinal = j.value ->> 1
    AND recording.incoming IS NOT NULL AND recording.round < j.value ->> 2";

/// `?1`: batch; `?2`: ordinal; `?3`: round; `?4`: failed attempts in it.
pub(super) const ATTEMPTED: &str = "-- attempted
UPDATE job SET attempts = ?4, attempted_round = ?3 WHERE batch = ?1 AND ordinal = ?2 AND round = ?3";

/// `?1`: position; `?2`: batch; `?3`: ordinal; `?4`: round; `?5`: outcome;
/// `?6`: the time; `?7`: digest. Only for the content that is held.
pub(super) const FINISHED: &str = "-- finished
INSERT INTO result (position, batch, ordinal, round, outcome, finished_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE EXISTS (SELECT 1 FROM recording WHERE batch = ?2 AND ordinal = ?3 AND digest = ?7)
ON CONFLICT (batch, ordinal, round) DO NOTHING";

/// `?1`: batch; `?2`: ordinal; `?3`: round; `?4`: digest.
pub(super) const FINISHED_JOB: &str = "-- finished_job
DELETE FROM job WHERE batch = ?1 AND ordinal = ?2 AND round <= ?3
    AND EXISTS (SELECT 1 FROM recording WHERE batch = ?1 AND ordinal = ?2 AND digest = ?4)";

/// `?1`: `[[batch, ordinal]]`, as of the next two.
pub(super) const FORGOTTEN: &str = "-- forgotten
DELETE FROM recording
WHERE (batch, ordinal) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";

pub(super) const FORGOTTEN_JOBS: &str = "-- forgotten_jobs
DELETE FROM job
WHERE (batch, ordinal) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";

pub(super) const FORGOTTEN_RESULTS: &str = "-- forgotten_results
DELETE FROM result
WHERE (batch, ordinal) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";

/// `?1`: the time before which a receipt is old.
pub(super) const EXPIRED: &str = "-- expired
DELETE FROM result WHERE receipted_at < ?1";
