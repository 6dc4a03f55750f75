//! The invariant checker: walks through the record and through the agents'
//! stores, and tells what is wrong.
//!
//! ```text
//!   ledger (pages, read only) ---+
//!                                +--> second look --> told, counted
//!   agents (through sessions) ---+
//! ```
//!
//! It runs beside everything else and after it: each page is a transaction of
//! its own, and it rests as long as a page took. Memory holds one page.

mod answers;
mod files;
mod looks;
mod report;
mod tables;

use std::sync::Arc;

use cofi_language::LanguageTable;
use cofi_proto::BatchId;
use tokio::sync::{Mutex, mpsc};

pub(crate) use self::answers::{Answer, Answers};
pub(crate) use self::report::{AgentLook, AgentState, Report};
use self::{files::Files, looks::patiently, report::Telling, tables::Tables};
use crate::{
    dispatch::Dispatch,
    ledger::{CheckScope, Flaw, Ledger, LedgerError},
};

/// Recordings that are looked at together.
const PAGE: i64 = 1_000;

/// Looks for what is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    ledger: Ledger,
    dispatch: Dispatch,
    languages: Arc<LanguageTable>,
    answers: Answers,
    /// Checks follow each other: two at a time would only be slower. A lock and
    /// no task, since whoever waits for it can go away.
    turn: Arc<Mutex<()>>,
}

/// Why a check did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// Nobody listens any more.
    #[error("whoever asked is gone")]
    Gone,
    /// The database does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Checker {
    pub(crate) fn new(
        ledger: Ledger,
        dispatch: Dispatch,
        languages: Arc<LanguageTable>,
        answers: Answers,
    ) -> Self {
        Self { ledger, dispatch, languages, answers, turn: Arc::default() }
    }

    /// What there is to look at: these batches, or all.
    pub(crate) async fn scope(&self, batches: &[BatchId]) -> Result<CheckScope, LedgerError> {
        patiently(|| self.ledger.check_scope(batches)).await
    }

    /// Looks, and tells what is wrong as it is found. `digests` has files read
    /// again; what agents hold that is nobody's is asked for with `all` batches
    /// only.
    pub(crate) async fn run(
        &self,
        scope: CheckScope,
        all: bool,
        digests: bool,
        told: mpsc::Sender<Flaw>,
    ) -> Result<Report, CheckError> {
        let _turn = tokio::select! {
            turn = self.turn.lock() => turn,
            () = told.closed() => return Err(CheckError::Gone),
        };
        let mut telling = Telling::new(told, &scope);
        let mut files = Files::new(&self.ledger, &self.dispatch, &self.answers, digests);
        let tables = Tables { ledger: &self.ledger, languages: &self.languages };
        telling.tell(tables.database().await?).await?;
        for batch in &scope.batches {
            telling.tell(tables.batch(*batch).await?).await?;
            let mut after = Some(-1);
            while let Some(from) = after {
                let page = tables.recordings(*batch, from, telling.is_patient()).await?;
                telling.report.recordings += page.recordings;
                telling.tell(page.flaws).await?;
                telling.tell(files.check(page.held).await?).await?;
                after = page.last;
            }
            tables.strangers(*batch, &mut telling).await?;
        }
        telling.report.agents = files.end(all).await?;
        Ok(telling.report)
    }
}
