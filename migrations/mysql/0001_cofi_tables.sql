-- What Cofi keeps for itself, beside the shared tables. No foreign keys to
-- those: another service's delete must not fail because of us. Texts compare
-- by their bytes, whatever the database's own collation. Times are
-- microseconds since 1970-01-01 UTC. Each statement can run again: what was cut
-- off goes on.

CREATE TABLE IF NOT EXISTS cofiBatch (
  batchId BIGINT NOT NULL PRIMARY KEY,
  source TEXT NOT NULL,
  processId BIGINT NOT NULL,
  categoryMappingId BIGINT NOT NULL,
  audioEndpoint TEXT NOT NULL,
  candidates TEXT NOT NULL,
  idempotencyKey VARBINARY(200) NULL,
  requestHash BINARY(16) NOT NULL,
  planned TINYINT NOT NULL DEFAULT 0,
  cancelled TINYINT NOT NULL DEFAULT 0,
  resting TINYINT NOT NULL DEFAULT 0,
  recordings BIGINT NOT NULL DEFAULT 0,
  bytes BIGINT NOT NULL DEFAULT 0,
  createdAt BIGINT NOT NULL,
  UNIQUE KEY cofiBatchKey (idempotencyKey)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cofiRecording (
  batchId BIGINT NOT NULL,
  ordinal BIGINT NOT NULL,
  nameKey VARCHAR(255) NOT NULL,
  audioName VARCHAR(255) NOT NULL,
  sourcePath TEXT NOT NULL,
  size BIGINT NOT NULL,
  mtime BIGINT NOT NULL,
  digest BINARY(16) NULL,
  placement VARCHAR(16) NOT NULL DEFAULT 'planned' CHECK (placement IN ('planned','stored','failed','cancelled')),
  lid VARCHAR(16) NOT NULL DEFAULT 'none' CHECK (lid IN ('none','done','failed')),
  lidRound INT NOT NULL DEFAULT 1,
  agent VARCHAR(64) NULL,
  callId BIGINT NULL,
  attempts INT NOT NULL DEFAULT 0,
  code VARCHAR(64) NULL,
  reason TEXT NULL,
  storedAt BIGINT NULL,
  settledAt BIGINT NULL,
  PRIMARY KEY (batchId, ordinal),
  UNIQUE KEY cofiRecordingName (batchId, nameKey),
  KEY cofiRecordingState (batchId, placement, lid, size),
  KEY cofiRecordingAgent (agent, lid)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cofiAgent (
  name VARCHAR(64) NOT NULL PRIMARY KEY,
  storageId VARCHAR(36) NOT NULL,
  advertiseAddress VARCHAR(100) NOT NULL,
  version VARCHAR(64) NOT NULL,
  connected TINYINT NOT NULL,
  lastSeen BIGINT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cofiEvent (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `at` BIGINT NOT NULL,
  kind VARCHAR(32) NOT NULL,
  batchId BIGINT NULL,
  ordinal BIGINT NULL,
  agent VARCHAR(64) NULL,
  code VARCHAR(64) NULL,
  reason TEXT NULL,
  KEY cofiEventRecording (batchId, ordinal, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cofiMeta (
  `one` TINYINT NOT NULL PRIMARY KEY CHECK (`one` = 1),
  databaseId VARCHAR(36) NOT NULL,
  controllerGeneration BIGINT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
