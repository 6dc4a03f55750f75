//! What Cofi needs of the shared tables: the columns that it reads and writes,
//! and what they must be able to hold. Everything else in them is others'.

/// What a column must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number.
    Int,
    /// A number with a fraction.
    Real,
    /// Text of at least so many characters.
    Text(i64),
    /// A date with a time.
    DateTime,
    /// Text, or an enumeration that has these words.
    Words(&'static [&'static str]),
    /// A whole number that the database counts up.
    Id,
}

/// A column that Cofi uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) kind: Kind,
    /// As production declares it, for a database that lacks it.
    pub(super) declaration: &'static str,
}

const fn column(
    table: &'static str,
    column: &'static str,
    kind: Kind,
    declaration: &'static str,
) -> Expected {
    Expected { table, column, kind, declaration }
}

const STAGE: Kind = Kind::Words(&["Pending", "InProgress", "Complete"]);
const STAGE_DECLARED: &str = "enum('Pending','InProgress','Complete') DEFAULT 'Pending'";
const STATUS_DECLARED: &str = "enum('Pending','InProgress','Transcription','TranscriptDone','Auditing','AuditDone',\
    'Summary','Sentiment','QaNotes','Complete','UnsupportedLanguage','ShortCall') DEFAULT 'Pending'";
/// 'YYYY-MM-DD HH:MM:SS'.
const TIME_TEXT: Kind = Kind::Text(19);
/// An address of IP version 6, or a host's name.
const ADDRESS: Kind = Kind::Text(39);
const TIME: &str = "datetime DEFAULT CURRENT_TIMESTAMP";
/// The database counts it up; a key is added where the column leads none.
const ID: &str = "int NOT NULL AUTO_INCREMENT";

/// The shared tables that Cofi uses.
pub(super) const TABLES: [&str; 9] = [
    "auditForm",
    "categoryMapping",
    "user",
    "language",
    "process",
    "batchStatus",
    "fileDistribution",
    "lidStatus",
    "call",
];

/// Those of them that Cofi writes, and which must be able to roll back.
pub(super) const WRITTEN: [&str; 4] = ["batchStatus", "fileDistribution", "lidStatus", "call"];

/// All columns that Cofi uses.
pub(super) const COLUMNS: [Expected; 49] = [
    column("auditForm", "id", Kind::Int, ID),
    column("categoryMapping", "id", Kind::Int, ID),
    column("user", "id", Kind::Int, ID),
    column("language", "id", Kind::Int, ID),
    column("language", "languageCode", Kind::Text(2), "varchar(20)"),
    column("process", "id", Kind::Int, ID),
    column("process", "auditFormId", Kind::Int, "int"),
    column("batchStatus", "id", Kind::Id, ID),
    column("batchStatus", "batchDate", Kind::Text(10), "varchar(20)"),
    column("batchStatus", "currentBatch", Kind::Int, "tinyint(1) DEFAULT 0"),
    column("batchStatus", "batchStatus", STAGE, STAGE_DECLARED),
    column("batchStatus", "dbInsertionStatus", STAGE, STAGE_DECLARED),
    column("batchStatus", "lidStatus", STAGE, STAGE_DECLARED),
    column("batchStatus", "remarks", Kind::Text(255), "text"),
    column("batchStatus", "updatedAt", Kind::DateTime, TIME),
    column("batchStatus", "batchStartTime", TIME_TEXT, "varchar(100)"),
    column("batchStatus", "dbInsertionStartTime", TIME_TEXT, "varchar(100)"),
    column("batchStatus", "dbInsertionEndTime", TIME_TEXT, "varchar(100)"),
    column("batchStatus", "lidStartTime", TIME_TEXT, "varchar(100)"),
    column("batchStatus", "lidEndTime", TIME_TEXT, "varchar(100)"),
    column("fileDistribution", "file", Kind::Text(1), "varchar(255)"),
    column("fileDistribution", "ip", ADDRESS, "varchar(100)"),
    column("fileDistribution", "lidDone", Kind::Int, "int DEFAULT 0"),
    column("fileDistribution", "batchId", Kind::Int, "int DEFAULT 0"),
    column("lidStatus", "id", Kind::Id, ID),
    column("lidStatus", "audioName", Kind::Text(1), "varchar(255)"),
    column("lidStatus", "language", Kind::Text(20), "varchar(100)"),
    column("lidStatus", "lidProcessingTime", Kind::Text(16), "varchar(100)"),
    column("lidStatus", "batchId", Kind::Int, "int DEFAULT 0"),
    column("lidStatus", "createdAt", Kind::DateTime, TIME),
    column("lidStatus", "updatedAt", Kind::DateTime, TIME),
    column("lidStatus", "audioDuration", Kind::Real, "float"),
    column("lidStatus", "ip", ADDRESS, "varchar(100)"),
    column("call", "id", Kind::Id, ID),
    column("call", "processId", Kind::Int, "int"),
    column("call", "auditFormId", Kind::Int, "int"),
    column("call", "categoryMappingId", Kind::Int, "int"),
    column("call", "userId", Kind::Int, "int"),
    column("call", "languageId", Kind::Int, "int"),
    column("call", "audioUrl", Kind::Text(64), "varchar(500)"),
    column("call", "audioName", Kind::Text(1), "varchar(255)"),
    column("call", "audioDuration", Kind::Real, "float"),
    column("call", "lang", Kind::Text(20), "text"),
    column("call", "type", Kind::Words(&["Call"]), "enum('Call','Chat','Email','Document') DEFAULT 'Call'"),
    column("call", "status", Kind::Words(&["Pending"]), STATUS_DECLARED),
    column("call", "createdAt", Kind::DateTime, TIME),
    column("call", "updatedAt", Kind::DateTime, TIME),
    column("call", "batchId", Kind::Int, "int"),
    column("call", "ip", ADDRESS, "varchar(100)"),
];

/// Columns that get a value in every row that Cofi inserts.
pub(super) const GIVEN: [(&str, &str); 22] = [
    ("batchStatus", "batchDate"),
    ("batchStatus", "currentBatch"),
    ("fileDistribution", "file"),
    ("fileDistribution", "ip"),
    ("fileDistribution", "batchId"),
    ("lidStatus", "audioName"),
    ("lidStatus", "language"),
    ("lidStatus", "audioDuration"),
    ("lidStatus", "lidProcessingTime"),
    ("lidStatus", "batchId"),
    ("lidStatus", "ip"),
    ("call", "processId"),
    ("call", "categoryMappingId"),
    ("call", "userId"),
    ("call", "audioUrl"),
    ("call", "audioName"),
    ("call", "audioDuration"),
    ("call", "lang"),
    ("call", "type"),
    ("call", "status"),
    ("call", "batchId"),
    ("call", "ip"),
];

/// Columns that Cofi leaves or makes empty at times.
pub(super) const EMPTIED: [(&str, &str); 5] = [
    ("batchStatus", "remarks"),
    ("batchStatus", "dbInsertionEndTime"),
    ("batchStatus", "lidEndTime"),
    ("call", "auditFormId"),
    ("call", "languageId"),
];

/// Columns that Cofi only reads.
pub(super) const READ: [(&str, &str); 2] = [("lidStatus", "createdAt"), ("call", "createdAt")];
