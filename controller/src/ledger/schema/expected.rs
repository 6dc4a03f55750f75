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
}

const fn column(table: &'static str, column: &'static str, kind: Kind) -> Expected {
    Expected { table, column, kind }
}

const STAGE: Kind = Kind::Words(&["Pending", "InProgress", "Complete"]);
/// 'YYYY-MM-DD HH:MM:SS'.
const TIME_TEXT: Kind = Kind::Text(19);

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
    column("categoryMapping", "id", Kind::Int),
    column("user", "id", Kind::Int),
    column("language", "id", Kind::Int),
    column("language", "languageCode", Kind::Text(2)),
    column("process", "id", Kind::Int),
    column("process", "auditFormId", Kind::Int),
    column("batchStatus", "id", Kind::Id),
    column("batchStatus", "batchDate", Kind::Text(10)),
    column("batchStatus", "currentBatch", Kind::Int),
    column("batchStatus", "batchStatus", STAGE),
    column("batchStatus", "dbInsertionStatus", STAGE),
    column("batchStatus", "lidStatus", STAGE),
    column("batchStatus", "remarks", Kind::Text(255)),
    column("batchStatus", "updatedAt", Kind::DateTime),
    column("batchStatus", "batchStartTime", TIME_TEXT),
    column("batchStatus", "dbInsertionStartTime", TIME_TEXT),
    column("batchStatus", "dbInsertionEndTime", TIME_TEXT),
    column("batchStatus", "lidStartTime", TIME_TEXT),
    column("batchStatus", "lidEndTime", TIME_TEXT),
    column("fileDistribution", "file", Kind::Text(1)),
    column("fileDistribution", "ip", Kind::Text(39)),
    column("fileDistribution", "lidDone", Kind::Int),
    column("fileDistribution", "batchId", Kind::Int),
    column("lidStatus", "id", Kind::Id),
    column("lidStatus", "audioName", Kind::Text(1)),
    column("lidStatus", "language", Kind::Text(20)),
    column("lidStatus", "lidProcessingTime", Kind::Text(16)),
    column("lidStatus", "batchId", Kind::Int),
    column("lidStatus", "updatedAt", Kind::DateTime),
    column("lidStatus", "audioDuration", Kind::Real),
    column("lidStatus", "ip", Kind::Text(39)),
    column("call", "id", Kind::Id),
    column("call", "processId", Kind::Int),
    column("call", "auditFormId", Kind::Int),
    column("call", "categoryMappingId", Kind::Int),
    column("call", "userId", Kind::Int),
    column("call", "languageId", Kind::Int),
    column("call", "audioUrl", Kind::Text(64)),
    column("call", "audioName", Kind::Text(1)),
    column("call", "audioDuration", Kind::Real),
    column("call", "lang", Kind::Text(20)),
    column("call", "type", Kind::Words(&["Call"])),
    column("call", "status", Kind::Words(&["Pending"])),
    column("call", "updatedAt", Kind::DateTime),
    column("call", "batchId", Kind::Int),
    column("call", "ip", Kind::Text(39)),
    column("call", "createdAt", Kind::DateTime),
    column("auditForm", "id", Kind::Int),
    column("lidStatus", "createdAt", Kind::DateTime),
];

impl Kind {
    /// The type that would do, for the statement that mends a column.
    pub(super) fn declaration(self) -> String {
        match self {
            Self::Int => "INT".to_owned(),
            Self::Real => "FLOAT".to_owned(),
            Self::Text(chars) => format!("VARCHAR({})", chars.max(100)),
            Self::DateTime => "DATETIME DEFAULT CURRENT_TIMESTAMP".to_owned(),
            Self::Words(words) => format!("ENUM('{}')", words.join("','")),
            Self::Id => "INT NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned(),
        }
    }
}
