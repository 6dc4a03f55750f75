-- What was decided about agents, by an operator or since they were away for
-- too long. An agent without a row takes work.

CREATE TABLE cofiAgentStanding (
  name TEXT NOT NULL PRIMARY KEY,
  standing TEXT NOT NULL CHECK (standing IN ('draining', 'removed', 'lost')),
  reason TEXT NOT NULL,
  since INTEGER NOT NULL,
  deadline INTEGER
) STRICT;
