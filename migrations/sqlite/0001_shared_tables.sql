-- The tables that other services share, in the shape that production has them.
-- SQLite keeps the declared widths as words only; Cofi reads them back and
-- refuses names that would not fit. lidStatus.audioName is as wide as
-- call.audioName here; production has 100.

CREATE TABLE auditForm (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name varchar(255),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE categoryMapping (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name varchar(255),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE `user` (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name varchar(255),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE `language` (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  languageCode varchar(20),
  languageText varchar(25),
  isDisabled tinyint(1),
  isHidden tinyint(1),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE `process` (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name varchar(50),
  customerName varchar(25),
  businessUnitName varchar(45),
  auditFormId int REFERENCES auditForm(id) ON DELETE SET NULL ON UPDATE CASCADE,
  auditTypeId int,
  processTypeId int,
  languageId int REFERENCES `language`(id) ON DELETE SET NULL ON UPDATE CASCADE,
  requestType text CHECK (requestType IN ('sttwithllm','stt','llm','sttwithllmsummary','sequential')),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE batchStatus (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  batchDate varchar(20),
  currentBatch tinyint(1) DEFAULT 0,
  batchStatus text DEFAULT 'Pending' CHECK (batchStatus IN ('Pending','InProgress','Complete')),
  dbInsertionStatus text DEFAULT 'Pending' CHECK (dbInsertionStatus IN ('Pending','InProgress','Complete')),
  lidStatus text DEFAULT 'Pending' CHECK (lidStatus IN ('Pending','InProgress','Complete')),
  sttStatus text DEFAULT 'Pending' CHECK (sttStatus IN ('Pending','InProgress','Complete')),
  llm1Status text DEFAULT 'Pending' CHECK (llm1Status IN ('Pending','InProgress','Complete')),
  llm2Status text DEFAULT 'Pending' CHECK (llm2Status IN ('Pending','InProgress','Complete')),
  callmetadataStatus tinyint(1) DEFAULT 0,
  trademetadataStatus tinyint(1) DEFAULT 0,
  triagingStatus text DEFAULT 'Pending' CHECK (triagingStatus IN ('Pending','InProgress','Complete')),
  triagingStep2Status text DEFAULT 'Pending' CHECK (triagingStep2Status IN ('Pending','InProgress','Complete')),
  denoiseStatus text CHECK (denoiseStatus IN ('Pending','InProgress','Complete')),
  ivrStatus text CHECK (ivrStatus IN ('Pending','InProgress','Complete')),
  remarks text,
  createdAt datetime DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime DEFAULT CURRENT_TIMESTAMP,
  batchStartTime varchar(100),
  batchEndTime varchar(100),
  dbInsertionStartTime varchar(100),
  dbInsertionEndTime varchar(100),
  lidStartTime varchar(100),
  lidEndTime varchar(100),
  sttStartTime varchar(100),
  sttEndTime varchar(100),
  llm1StartTime varchar(100),
  llm1EndTime varchar(100),
  llm2StartTime varchar(100),
  llm2EndTime varchar(100),
  triagingStartTime varchar(100),
  triagingEndTime varchar(100),
  triagingStep2StartTime varchar(100),
  triagingStep2EndTime varchar(100),
  denoiseStartTime varchar(100),
  denoiseEndTime varchar(100),
  ivrStartTime varchar(100),
  ivrEndTime varchar(100)
);

CREATE TABLE fileDistribution (
  `file` varchar(255),
  ip varchar(100),
  denoiseDone int DEFAULT 0,
  ivrDone int DEFAULT 0,
  lidDone int DEFAULT 0,
  sttDone int DEFAULT 0,
  llm1Done int DEFAULT 0,
  llm2Done int DEFAULT 0,
  batchId int DEFAULT 0
);

CREATE TABLE lidStatus (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  audioName varchar(255),
  `language` varchar(100),
  lidProcessingTime varchar(100),
  batchId int DEFAULT 0,
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  audioDuration float,
  ip varchar(100)
);

CREATE TABLE `call` (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  processId int REFERENCES `process`(id) ON DELETE SET NULL ON UPDATE CASCADE,
  auditFormId int REFERENCES auditForm(id) ON DELETE SET NULL ON UPDATE CASCADE,
  categoryMappingId int REFERENCES categoryMapping(id),
  callId varchar(200),
  userId int REFERENCES `user`(id),
  languageId int REFERENCES `language`(id) ON DELETE SET NULL ON UPDATE CASCADE,
  audioUrl varchar(500),
  audioName varchar(255),
  audioDuration float,
  processingTime float,
  summary text,
  qaNotes text,
  confidence float,
  wordConfidence float,
  emotion varchar(45),
  enthusiasm varchar(45),
  rateOfSpeech text,
  engagement text,
  callOpening text,
  holdManagement text,
  tonalAnalysis text,
  lang text,
  `type` text DEFAULT 'Call' CHECK (`type` IN ('Call','Chat','Email','Document')),
  status text DEFAULT 'Pending' CHECK (status IN ('Pending','InProgress','Transcription','TranscriptDone','Auditing',
    'AuditDone','Summary','Sentiment','QaNotes','Complete','UnsupportedLanguage','ShortCall')),
  metaData text,
  translationStatus text DEFAULT 'Pending' CHECK (translationStatus IN ('Pending','In Progress','Complete')),
  transliterationStatus text DEFAULT 'Pending' CHECK (transliterationStatus IN ('Pending','In Progress','Complete')),
  createdAt datetime DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime DEFAULT CURRENT_TIMESTAMP,
  batchId int REFERENCES batchStatus(id),
  category text,
  subCategory text,
  ip varchar(100)
);
CREATE INDEX callBatchId ON `call` (batchId);
CREATE INDEX callAudioName ON `call` (audioName);
CREATE INDEX callProcessId ON `call` (processId);
CREATE INDEX callCategoryMappingId ON `call` (categoryMappingId);
CREATE INDEX callUserId ON `call` (userId);
CREATE INDEX callLanguageId ON `call` (languageId);
CREATE INDEX callAuditFormId ON `call` (auditFormId);
CREATE INDEX fileDistributionBatchFile ON fileDistribution (batchId, `file`);
CREATE INDEX lidStatusBatchName ON lidStatus (batchId, audioName);

INSERT INTO `user` (id, name) VALUES (1, 'cofi');
INSERT INTO categoryMapping (id, name) VALUES (1, 'default');
INSERT INTO `process` (id, name, requestType) VALUES (1, 'default', 'sttwithllm');
