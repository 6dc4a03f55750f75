-- Attempts that failed in a round of identification, so that a recording that kills workers does not start anew
-- with each start of the agent. A round that is not the job's has none.

ALTER TABLE job ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN attempted_round INTEGER NOT NULL DEFAULT 0;
