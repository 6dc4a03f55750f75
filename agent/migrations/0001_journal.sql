-- What the agent holds, what waits for the engine, and what came out.

CREATE TABLE recording (
    batch INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    audio_name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 16),
    -- The round of identification to begin with, and a JSON array of codes.
    round INTEGER NOT NULL,
    candidates TEXT NOT NULL,
    -- Its file in incoming/ until it has its place in recordings/, NULL from then on.
    incoming TEXT,
    -- 1: the controller said that it has its rows.
    recorded INTEGER NOT NULL DEFAULT 0 CHECK (recorded IN (0, 1)),
    -- How often it arrived whole, and bytes that arrived for it since it is held.
    received_count INTEGER NOT NULL,
    received_bytes INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    PRIMARY KEY (batch, ordinal),
    UNIQUE (batch, audio_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX recording_unrecorded ON recording (batch, ordinal) WHERE recorded = 0;
CREATE INDEX recording_incoming ON recording (batch, ordinal) WHERE incoming IS NOT NULL;
CREATE INDEX recording_name ON recording (audio_name);

-- A recording waits here until it has a result for the round.
CREATE TABLE job (
    -- Counts up in order of arrival; a row that is queued anew gets a new one.
    position INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    round INTEGER NOT NULL,
    candidates TEXT NOT NULL,
    UNIQUE (batch, ordinal)
) STRICT;

-- Results stay until they are receipted, and for a retention time after.
CREATE TABLE result (
    -- Counts up in the order in which results are to be sent; one that is to be sent again gets a new one.
    position INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    round INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    finished_at INTEGER NOT NULL,
    receipted_at INTEGER,
    UNIQUE (batch, ordinal, round)
) STRICT;

CREATE INDEX result_unreceipted ON result (position) WHERE receipted_at IS NULL;
CREATE INDEX result_receipted ON result (receipted_at) WHERE receipted_at IS NOT NULL;
