-- The shared tables as production has them, before Cofi.

CREATE TABLE auditForm (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(255),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE categoryMapping (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(255),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE `user` (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(255),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE `language` (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  languageCode varchar(20),
  languageText varchar(25),
  isDisabled tinyint(1),
  isHidden tinyint(1),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE `process` (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(50),
  customerName varchar(25),
  businessUnitName varchar(45),
  auditFormId int,
  auditTypeId int,
  processTypeId int,
  languageId int,
  requestType enum('sttwithllm','stt','llm','sttwithllmsummary','sequential'),
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (auditFormId) REFERENCES auditForm(id) ON DELETE SET NULL ON UPDATE CASCADE,
  FOREIGN KEY (languageId) REFERENCES `language`(id) ON DELETE SET NULL ON UPDATE CASCADE
);

CREATE TABLE batchStatus (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  batchDate varchar(20),
  currentBatch tinyint(1) DEFAULT 0,
  batchStatus enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  dbInsertionStatus enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  lidStatus enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  sttStatus enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  llm1Status enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  llm2Status enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  callmetadataStatus tinyint(1) DEFAULT 0,
  trademetadataStatus tinyint(1) DEFAULT 0,
  triagingStatus enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  triagingStep2Status enum('Pending','InProgress','Complete') DEFAULT 'Pending',
  denoiseStatus enum('Pending','InProgress','Complete'),
  ivrStatus enum('Pending','InProgress','Complete'),
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
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  audioName varchar(100),
  `language` varchar(100),
  lidProcessingTime varchar(100),
  batchId int DEFAULT 0,
  createdAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  audioDuration float,
  ip varchar(100)
);

CREATE TABLE `call` (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  processId int,
  auditFormId int,
  categoryMappingId int,
  callId varchar(200),
  userId int,
  languageId int,
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
  `type` enum('Call','Chat','Email','Document') DEFAULT 'Call',
  status enum('Pending','InProgress','Transcription','TranscriptDone','Auditing','AuditDone','Summary','Sentiment',
    'QaNotes','Complete','UnsupportedLanguage','ShortCall') DEFAULT 'Pending',
  metaData text,
  translationStatus enum('Pending','In Progress','Complete') DEFAULT 'Pending',
  transliterationStatus enum('Pending','In Progress','Complete') DEFAULT 'Pending',
  createdAt datetime DEFAULT CURRENT_TIMESTAMP,
  updatedAt datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  batchId int,
  category text,
  subCategory text,
  ip varchar(100),
  KEY (processId),
  KEY (auditFormId),
  KEY (categoryMappingId),
  KEY (userId),
  KEY (languageId),
  KEY (batchId),
  KEY (audioName),
  FOREIGN KEY (processId) REFERENCES `process`(id) ON DELETE SET NULL ON UPDATE CASCADE,
  FOREIGN KEY (auditFormId) REFERENCES auditForm(id) ON DELETE SET NULL ON UPDATE CASCADE,
  FOREIGN KEY (categoryMappingId) REFERENCES categoryMapping(id),
  FOREIGN KEY (userId) REFERENCES `user`(id),
  FOREIGN KEY (languageId) REFERENCES `language`(id) ON DELETE SET NULL ON UPDATE CASCADE,
  FOREIGN KEY (batchId) REFERENCES batchStatus(id)
);

-- Others' tables that refer to them.
CREATE TABLE callMetadata (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  callId int,
  payload blob,
  noted timestamp(6) NULL,
  FOREIGN KEY (callId) REFERENCES `call`(id) ON DELETE CASCADE
);

CREATE TABLE tradeMetadata (
  batchId int NOT NULL,
  position bigint unsigned NOT NULL,
  amount decimal(20,6),
  PRIMARY KEY (batchId, position),
  FOREIGN KEY (batchId) REFERENCES batchStatus(id)
);
