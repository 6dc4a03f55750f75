-- What Cofi keeps for itself. No foreign keys to shared tables: another
-- service's delete must not fail because of us. Times are microseconds since
-- 1970-01-01 UTC.

CREATE TABLE cofiBatch (
  batchId INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  processId INTEGER NOT NULL,
  categoryMappingId INTEGER NOT NULL,
  audioEndpoint TEXT NOT NULL,
  candidates TEXT NOT NULL,            -- codes, separated by commas
  idempotencyKey TEXT UNIQUE,
  requestHash BLOB NOT NULL,
  planned INTEGER NOT NULL DEFAULT 0,  -- 1 once the manifest is whole
  cancelled INTEGER NOT NULL DEFAULT 0,
  resting INTEGER NOT NULL DEFAULT 0,  -- 1 while nothing is left to do
  recordings INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  createdAt INTEGER NOT NULL
) STRICT;

CREATE TABLE cofiRecording (
  batchId INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  nameKey TEXT NOT NULL,
  audioName TEXT NOT NULL,
  sourcePath TEXT NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL,              -- nanoseconds since 1970-01-01 UTC
  digest BLOB,
  placement TEXT NOT NULL DEFAULT 'planned' CHECK (placement IN ('planned','stored','failed','cancelled')),
  lid TEXT NOT NULL DEFAULT 'none' CHECK (lid IN ('none','done','failed')),
  lidRound INTEGER NOT NULL DEFAULT 1,
  agent TEXT,
  callId INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  code TEXT,
  reason TEXT,
  storedAt INTEGER,
  settledAt INTEGER,                   -- when its newest round of LID ended
  PRIMARY KEY (batchId, ordinal),
  UNIQUE (batchId, nameKey)
) STRICT, WITHOUT ROWID;
CREATE INDEX cofiRecordingState ON cofiRecording (batchId, placement, lid, size);
CREATE INDEX cofiRecordingAgent ON cofiRecording (agent, lid);

CREATE TABLE cofiAgent (
  name TEXT PRIMARY KEY,
  storageId TEXT NOT NULL,
  advertiseAddress TEXT NOT NULL,
  version TEXT NOT NULL,
  connected INTEGER NOT NULL,
  lastSeen INTEGER NOT NULL
) STRICT;

CREATE TABLE cofiEvent (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  batchId INTEGER,
  ordinal INTEGER,
  agent TEXT,
  code TEXT,
  reason TEXT
) STRICT;
CREATE INDEX cofiEventRecording ON cofiEvent (batchId, ordinal, id);

CREATE TABLE cofiMeta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  databaseId TEXT NOT NULL,
  controllerGeneration INTEGER NOT NULL
) STRICT;
INSERT INTO cofiMeta (one, databaseId, controllerGeneration) VALUES (1, lower(hex(randomblob(16))), 0);

CREATE VIEW cofiReadyCall AS
  SELECT * FROM `call` WHERE status = 'Pending' AND lang <> 'unknown';
