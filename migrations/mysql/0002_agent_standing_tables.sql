-- What was decided about agents, by an operator or since they were away for
-- too long. An agent without a row takes work.

CREATE TABLE IF NOT EXISTS cofiAgentStanding (
  name VARCHAR(64) NOT NULL PRIMARY KEY,
  standing VARCHAR(16) NOT NULL CHECK (standing IN ('draining','removed','lost')),
  reason TEXT NOT NULL,
  since BIGINT NOT NULL,
  deadline BIGINT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
