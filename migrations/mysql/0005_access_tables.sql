-- Who may come in, and what was done by whom. No secret is here: of tokens
-- there are hashes, of certificates the public halves.

CREATE TABLE IF NOT EXISTS cofiToken (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tokenId VARCHAR(16) NOT NULL,
  kind VARCHAR(16) NOT NULL CHECK (kind IN ('join','viewer','operator')),
  agent VARCHAR(64) NULL,
  hash BINARY(32) NOT NULL,
  note VARCHAR(200) NOT NULL,
  createdAt BIGINT NOT NULL,
  expiresAt BIGINT NULL,
  revokedAt BIGINT NULL,
  usedAt BIGINT NULL,
  usedBy BINARY(32) NULL,
  certificate BLOB NULL,
  CHECK (kind <> 'join' OR (agent IS NOT NULL AND expiresAt IS NOT NULL)),
  UNIQUE KEY cofiTokenId (tokenId)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cofiAgentCertificate (
  serial VARCHAR(32) NOT NULL PRIMARY KEY,
  agent VARCHAR(64) NOT NULL,
  keyHash BINARY(32) NOT NULL,
  issuedAt BIGINT NOT NULL,
  expiresAt BIGINT NOT NULL,
  revokedAt BIGINT NULL,
  certificate BLOB NOT NULL,
  KEY cofiAgentCertificateAgent (agent, keyHash),
  KEY cofiAgentCertificateExpiry (expiresAt)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cofiAudit (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  deed BINARY(16) NOT NULL,
  `at` BIGINT NOT NULL,
  actor VARCHAR(100) NOT NULL,
  peer VARCHAR(64) NOT NULL,
  action VARCHAR(100) NOT NULL,
  target VARCHAR(200) NOT NULL,
  denied TINYINT NOT NULL,
  detail VARCHAR(1000) NOT NULL,
  `count` BIGINT NOT NULL,
  UNIQUE KEY cofiAuditDeed (deed),
  KEY cofiAuditActor (actor, id),
  KEY cofiAuditTarget (target, id),
  KEY cofiAuditDenied (denied, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
