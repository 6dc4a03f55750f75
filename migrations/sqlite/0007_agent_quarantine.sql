-- Agents on which what they were given failed, one after another: they get
-- nothing but probes until they do well, or an operator vouches for them.

CREATE TABLE cofiAgentQuarantine (
  name TEXT NOT NULL PRIMARY KEY,
  fault TEXT NOT NULL CHECK (fault IN ('engine','storage')),
  reason TEXT NOT NULL,
  since INTEGER NOT NULL
) STRICT;
