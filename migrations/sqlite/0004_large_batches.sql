-- What makes the time per recording independent of the size of the batch.

CREATE INDEX callBatchName ON `call` (batchId, audioName);

-- Without statistics the planner takes a batch for a handful of rows and walks
-- the whole of it where an index by state or by name would find the few rows
-- that are meant. These are the proportions of large batches; ANALYZE puts the
-- real ones in their place.
ANALYZE;
DELETE FROM sqlite_stat1 WHERE tbl IN ('batchStatus', 'call', 'cofiRecording', 'fileDistribution', 'lidStatus');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('cofiRecording', 'cofiRecording', '1000000 10000 1'),
  ('cofiRecording', 'sqlite_autoindex_cofiRecording_2', '1000000 10000 1'),
  ('cofiRecording', 'cofiRecordingState', '1000000 10000 5000 2500 1'),
  ('cofiRecording', 'cofiRecordingAgent', '1000000 100000 50000'),
  ('call', 'callBatchId', '1000000 10000'),
  ('call', 'callBatchName', '1000000 10000 1'),
  ('call', 'callAudioName', '1000000 10'),
  ('call', 'callProcessId', '1000000 500000'),
  ('call', 'callCategoryMappingId', '1000000 500000'),
  ('call', 'callUserId', '1000000 1000000'),
  ('call', 'callLanguageId', '1000000 100000'),
  ('call', 'callAuditFormId', '1000000 500000'),
  ('fileDistribution', 'fileDistributionBatchFile', '1000000 10000 1'),
  ('lidStatus', 'lidStatusBatchName', '1000000 10000 1');
ANALYZE sqlite_schema;
