-- Agents on which what they were given failed, one after another: they get
-- nothing but probes until they do well, or an operator vouches for them.

CREATE TABLE IF NOT EXISTS cofiAgentQuarantine (
  name VARCHAR(64) NOT NULL PRIMARY KEY,
  fault VARCHAR(16) NOT NULL CHECK (fault IN ('engine','storage')),
  reason TEXT NOT NULL,
  since BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
