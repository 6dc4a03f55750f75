//! From a folder to a batch: every name checked, the manifest written in
//! chunks, made visible by one last flip. The batch exists whole or not at all.

mod fill;
mod folder;
mod names;
mod refresh;
mod underway;
mod walk;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::fs::Dir;
use cofi_language::{Canonical, LanguageTable};
use cofi_proto::{BatchId, Digest, clock::Clock};
/// Which sources and names are planned: the fuzz targets hold that against what
/// lies outside, and against what agents take.
#[doc(hidden)]
pub use folder::source_folder;
#[doc(hidden)]
pub use names::{is_audio, objection};
use underway::Underway;

use crate::{
    chain::error_chain,
    ledger::{Begun, Deed, Ledger, LedgerError, NewBatch},
    source,
};

/// Longest idempotency key in bytes.
const MAX_KEY: usize = 200;

/// What somebody asks to be planned; zero and empty mean the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanRequest {
    /// Absolute path of the folder.
    pub source: String,
    /// 'DD-MM-YYYY'.
    pub batch_date: String,
    /// `process.id`.
    pub process: i64,
    /// `categoryMapping.id`.
    pub category_mapping: i64,
    /// What `call.audioUrl` starts with.
    pub audio_endpoint: String,
    /// Codes that identification may answer with.
    pub candidates: Vec<String>,
    /// The caller's key.
    pub idempotency_key: String,
    /// Whether to leave out what earlier batches hold.
    pub skip_known: bool,
}

impl PlanRequest {
    /// Tells whether two requests are the same; stays the same across versions.
    fn hash(&self) -> Digest {
        let Self {
            source,
            batch_date,
            process,
            category_mapping,
            audio_endpoint,
            candidates,
            skip_known,
            ..
        } = self;
        let candidates = candidates.join(",");
        let fields = format!(
            "{source}\0{batch_date}\0{process}\0{category_mapping}\0{audio_endpoint}\0{candidates}\0{skip_known}"
        );
        Digest::of(fields.as_bytes())
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// This batch, new or made by the same request before.
    Batch {
        /// Which one.
        batch: BatchId,
        /// Whether it was made just now.
        new: bool,
    },
    /// Nothing, because of these files.
    Rejected {
        /// The first ones.
        offenders: Vec<Offender>,
        /// How many in all.
        total: u64,
    },
    /// Nothing, because earlier batches hold every file.
    NothingNew {
        /// How many files.
        known: u64,
    },
}

/// A file that refuses a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offender {
    /// Relative to the source, escaped for people.
    pub path: String,
    /// What is wrong with it, and what would mend it.
    pub reason: String,
}

/// Why nothing was planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A field of the request holds what it may not hold.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong, in words.
        reason: String,
    },
    /// The same request is being planned at this moment.
    #[error("the same request is being planned at this moment; ask again")]
    BeingPlanned,
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

fn invalid(field: &'static str, reason: impl Into<String>) -> PlanError {
    PlanError::Invalid { field, reason: reason.into() }
}

/// Plans batches.
#[derive(Debug, Clone)]
pub struct Planner {
    /// Where manifests go.
    pub ledger: Ledger,
    /// What codes are known.
    pub languages: Arc<LanguageTable>,
    /// Folders that sources must lie below.
    pub allowed_roots: Vec<PathBuf>,
    /// Gives the default date.
    pub clock: Arc<dyn Clock>,
    underway: Underway,
}

impl Planner {
    /// Nothing is being planned yet.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        languages: Arc<LanguageTable>,
        allowed_roots: Vec<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { ledger, languages, allowed_roots, clock, underway: Underway::default() }
    }

    /// The same, acting for a deed.
    #[must_use]
    pub fn acting(&self, deed: Deed) -> Self {
        Self { ledger: self.ledger.acting(deed), ..self.clone() }
    }

    /// Plans a batch.
    pub async fn plan(&self, request: PlanRequest) -> Result<Planned, PlanError> {
        let (new, root) = self.check(&request)?;
        let _planning = self.underway.begin(&new.idempotency_key).ok_or(PlanError::BeingPlanned)?;
        self.discard_leftovers().await?;
        let batch = loop {
            match self.ledger.begin_batch(&new).await? {
                Begun::New(batch) => break batch,
                Begun::Existing(batch) => return Ok(Planned::Batch { batch, new: false }),
                // Begun a moment ago by this call, if the answer to its COMMIT
                // was lost; nobody else plans this request.
                Begun::Unpublished(batch) => self.ledger.discard_batch(batch).await?,
            }
        };
        let outcome = self.fill(batch, &new, root, request.skip_known).await;
        if !matches!(outcome, Ok(Planned::Batch { .. })) {
            // While the database is away this fails as well: the next plan, or
            // the next start, will find what is left.
            if let Err(error) = self.ledger.discard_batch(batch).await {
                tracing::warn!(batch = batch.0, error = error_chain(&error), "batch is not discarded yet");
            }
        }
        outcome
    }

    /// Removes batches that were begun and that nobody plans any more.
    pub async fn discard_leftovers(&self) -> Result<(), LedgerError> {
        for (batch, key) in self.ledger.unpublished_batches().await? {
            // A request is under way before its batch is begun.
            if !self.underway.has(&key) {
                self.ledger.discard_batch(batch).await?;
            }
        }
        Ok(())
    }

    fn check(&self, request: &PlanRequest) -> Result<(NewBatch, Dir), PlanError> {
        let source = source_folder(&request.source, &self.allowed_roots)?;
        let root = source::open_root(Path::new(&source))
            .map_err(|error| invalid("source", format!("open folder {source}: {error}")))?;
        if request.process < 0 {
            return Err(invalid("process_id", format!("{} is no id", request.process)));
        }
        if request.category_mapping < 0 {
            return Err(invalid("category_mapping_id", format!("{} is no id", request.category_mapping)));
        }
        if request.idempotency_key.len() > MAX_KEY {
            return Err(invalid("idempotency_key", "longer than 200 bytes"));
        }
        let now = self.clock.now_micros();
        let endpoint = match request.audio_endpoint.trim_end_matches('/') {
            "" => format!("file://{source}"),
            endpoint => endpoint.to_owned(),
        };
        if endpoint.chars().any(|c| c.is_control() || c.is_whitespace()) && !request.audio_endpoint.is_empty()
        {
            return Err(invalid("audio_endpoint", "has blanks or control characters"));
        }
        let key = match request.idempotency_key.as_str() {
            "" => format!("cofi {}", uuid::Uuid::new_v4()),
            key => key.to_owned(),
        };
        let new = NewBatch {
            batch_date: batch_date(&request.batch_date, now)?,
            process: if request.process == 0 { 1 } else { request.process },
            category_mapping: if request.category_mapping == 0 { 1 } else { request.category_mapping },
            audio_endpoint: endpoint,
            candidates: self.candidates(&request.candidates)?,
            idempotency_key: key,
            request_hash: request.hash(),
            source,
            now,
        };
        Ok((new, root))
    }

    fn candidates(&self, said: &[String]) -> Result<Vec<String>, PlanError> {
        let mut codes = Vec::with_capacity(said.len());
        for said in said {
            match self.languages.canonical(said) {
                Canonical::Known(code) => codes.push(code.as_str().to_owned()),
                Canonical::Unmapped(said) => {
                    return Err(invalid(
                        "candidate_languages",
                        format!("{said:?} is no known language code"),
                    ));
                }
            }
        }
        codes.sort_unstable();
        codes.dedup();
        Ok(codes)
    }
}

/// 'DD-MM-YYYY', checked; today if none is given.
fn batch_date(given: &str, now: i64) -> Result<String, PlanError> {
    const FORMAT: &str = "%d-%m-%Y";
    if given.is_empty() {
        let now = jiff::Timestamp::from_microsecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        return Ok(now.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime(FORMAT).to_string());
    }
    let wrong = || invalid("batch_date", format!("{given:?} is no date of the form DD-MM-YYYY"));
    let date = jiff::civil::Date::strptime(FORMAT, given).map_err(|_| wrong())?;
    if date.strftime(FORMAT).to_string() == given { Ok(given.to_owned()) } else { Err(wrong()) }
}
