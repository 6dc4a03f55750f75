-- Recordings that hosts need not hold any more. Such a recording stays
-- 'stored', its rows in the shared tables stay as they are, and nobody is its
-- agent. Until doneAt is set, the host may still have the file.

CREATE TABLE cofiRelease (
  batchId INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  agent TEXT NOT NULL,                 -- who held it
  cause TEXT NOT NULL CHECK (cause IN ('operator','retention')),
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  doneAt INTEGER,                      -- when its host said that the file is gone
  PRIMARY KEY (batchId, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX cofiReleaseAgent ON cofiRelease (agent, doneAt);
