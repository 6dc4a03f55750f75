-- Who may come in, and what was done by whom. No secret is here: of tokens
-- there are hashes, of certificates the public halves.

CREATE TABLE cofiToken (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tokenId TEXT NOT NULL UNIQUE,        -- 16 hexadecimal digits
  kind TEXT NOT NULL CHECK (kind IN ('join','viewer','operator')),
  agent TEXT,                          -- whom a join token is for
  hash BLOB NOT NULL,
  note TEXT NOT NULL,
  createdAt INTEGER NOT NULL,
  expiresAt INTEGER,                   -- NULL: good until it is revoked
  revokedAt INTEGER,
  usedAt INTEGER,                      -- when a machine joined with it
  usedBy BLOB,                         -- the hash of that machine's key
  certificate BLOB,                    -- what it was answered
  CHECK (kind <> 'join' OR (agent IS NOT NULL AND expiresAt IS NOT NULL))
) STRICT;

CREATE TABLE cofiAgentCertificate (
  serial TEXT NOT NULL PRIMARY KEY,    -- 32 hexadecimal digits
  agent TEXT NOT NULL,
  keyHash BLOB NOT NULL,
  issuedAt INTEGER NOT NULL,
  expiresAt INTEGER NOT NULL,
  revokedAt INTEGER,
  certificate BLOB NOT NULL
) STRICT;
CREATE INDEX cofiAgentCertificateAgent ON cofiAgentCertificate (agent, keyHash);
CREATE INDEX cofiAgentCertificateExpiry ON cofiAgentCertificate (expiresAt);

-- Indexes end with the row's id: the newest of an actor or about a target are
-- found without sorting.
CREATE TABLE cofiAudit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  deed BLOB NOT NULL UNIQUE,           -- names what was done, so that it is noted once
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  peer TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  denied INTEGER NOT NULL,
  detail TEXT NOT NULL,
  count INTEGER NOT NULL
) STRICT;
CREATE INDEX cofiAuditActor ON cofiAudit (actor, id);
CREATE INDEX cofiAuditTarget ON cofiAudit (target, id);
CREATE INDEX cofiAuditDenied ON cofiAudit (denied, id);
