//! Planning a batch.

use cofi_proto::{BatchId, Digest};

/// A batch to plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// Absolute path of the source folder.
    pub source: String,
    /// 'DD-MM-YYYY'.
    pub batch_date: String,
    /// `process.id`.
    pub process: i64,
    /// `categoryMapping.id`.
    pub category_mapping: i64,
    /// What `call.audioUrl` starts with, without a slash at its end.
    pub audio_endpoint: String,
    /// Codes that identification may answer with; empty means any.
    pub candidates: Vec<String>,
    /// What names the request: the same one again is answered with the batch
    /// that it has.
    pub idempotency_key: String,
    /// Digest of the request, to tell whether a key is used for the same one.
    pub request_hash: Digest,
    /// Microseconds since 1970-01-01 UTC.
    pub now: i64,
}

/// What became of the wish to plan a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// A new batch without recordings, not visible yet.
    New(BatchId),
    /// The same request made this batch before.
    Existing(BatchId),
    /// The same request has begun this batch and not published it.
    Unpublished(BatchId),
}

/// A file of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Place in the manifest, from 0.
    pub ordinal: i64,
    /// What names are compared by.
    pub name_key: String,
    /// Base name.
    pub audio_name: String,
    /// Path relative to the source.
    pub source_path: String,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub mtime: i64,
}

/// Which characters a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Repertoire {
    /// ASCII.
    Ascii,
    /// Western European: Windows-1252, which the servers call latin1.
    Latin1,
    /// The first 65,536 of Unicode: utf8mb3.
    BasicPlane,
    /// All of Unicode.
    #[default]
    Unicode,
}

impl Repertoire {
    /// Whether it has all characters of a text.
    #[must_use]
    pub fn has(self, text: &str) -> bool {
        match self {
            Self::Ascii => text.is_ascii(),
            // Of Windows-1252 the part that needs no table; the rest is refused.
            Self::Latin1 => text.chars().all(|c| c.is_ascii() || ('\u{a0}'..='\u{ff}').contains(&c)),
            Self::BasicPlane => text.chars().all(|c| c <= '\u{ffff}'),
            Self::Unicode => true,
        }
    }
}

/// A column that names go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameColumn {
    /// Its table and name.
    pub column: &'static str,
    /// Characters that it holds; none if it has no bound.
    pub chars: Option<usize>,
    /// Which characters.
    pub repertoire: Repertoire,
}

/// The columns that limit a batch's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameColumns {
    /// Those that hold the bare name.
    pub names: Vec<NameColumn>,
    /// The one that holds endpoint, slash and name.
    pub url: Option<NameColumn>,
}
