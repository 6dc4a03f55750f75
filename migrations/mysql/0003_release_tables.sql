-- Recordings that hosts need not hold any more. Such a recording stays
-- 'stored', its rows in the shared tables stay as they are, and nobody is its
-- agent. Until doneAt is set, the host may still have the file.

CREATE TABLE IF NOT EXISTS cofiRelease (
  batchId BIGINT NOT NULL,
  ordinal BIGINT NOT NULL,
  agent VARCHAR(64) NOT NULL,
  cause VARCHAR(16) NOT NULL CHECK (cause IN ('operator','retention')),
  reason TEXT NOT NULL,
  `at` BIGINT NOT NULL,
  doneAt BIGINT NULL,
  PRIMARY KEY (batchId, ordinal),
  KEY cofiReleaseAgent (agent, doneAt)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
