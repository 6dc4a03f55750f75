//! Random histories of one batch, told to the ledger and to a pure model of
//! it: every answer and, at the end, every row is the same.

use std::collections::BTreeMap;

use cofi_controller::ledger::{
    Applied, Counts, Ledger, LedgerError, Lid, Placement, Recorded, ReportedResult,
};
use cofi_proto::{BatchId, session::LidOutcome};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

const RECORDINGS: i64 = 8;
const AGENTS: [&str; 3] = ["a", "b", "c"];
const LANGUAGES: [&str; 4] = ["en", "hi", "zxx", "tlh"];

/// Something that happens to the batch.
#[derive(Debug, Clone)]
enum Step {
    Record(Vec<(i64, &'static str)>),
    /// Ordinal, round, and the language unless it failed.
    Apply(Vec<(i64, i32, Option<&'static str>)>),
    Fail(Vec<i64>),
    Retry(Vec<i64>),
    Cancel,
    /// A host is gone for good: what it holds is to be placed again.
    Gone(&'static str),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    // One beyond the manifest.
    let ordinal = || 0..=RECORDINGS;
    let language = prop_oneof![3 => select(&LANGUAGES[..]).prop_map(Some), 2 => Just(None)];
    prop_oneof![
        8 => prop::collection::vec((ordinal(), select(&AGENTS[..])), 1..8).prop_map(Step::Record),
        8 => prop::collection::vec((ordinal(), 1..4, language), 1..8).prop_map(Step::Apply),
        3 => prop::collection::vec(ordinal(), 1..4).prop_map(Step::Fail),
        3 => prop::collection::vec(ordinal(), 0..4).prop_map(Step::Retry),
        2 => select(&AGENTS[..]).prop_map(Step::Gone),
        3 => Just(Step::Settle),
        1 => Just(Step::Cancel),
    ]
}

/// A recording as the model has it.
#[derive(Debug, Clone)]
struct Row {
    placement: Placement,
    agent: Option<&'static str>,
    /// Who held it last; nobody if it has no rows.
    held_by: Option<&'static str>,
    lid: Lid,
    round: i32,
    language: Option<&'static str>,
}

/// The batch as the model has it.
#[derive(Debug)]
struct Model {
    rows: BTreeMap<i64, Row>,
    cancelled: bool,
    lid_stage: &'static str,
}

impl Model {
    fn new() -> Self {
        let row = Row {
            placement: Placement::Planned,
            agent: None,
            held_by: None,
            lid: Lid::None,
            round: 1,
            language: None,
        };
        let rows = (0..RECORDINGS).map(|ordinal| (ordinal, row.clone())).collect();
        Self { rows, cancelled: false, lid_stage: "Pending" }
    }

    fn record(&mut self, ordinal: i64, agent: &'static str) -> Recorded {
        let unwanted = |reason: &str| Recorded::Unwanted(reason.to_owned());
        let Some(row) = self.rows.get_mut(&ordinal) else { return unwanted("no such recording") };
        match row.placement {
            Placement::Planned | Placement::Failed => {
                row.placement = Placement::Stored;
                (row.agent, row.held_by) = (Some(agent), Some(agent));
                Recorded::Stored
            }
            Placement::Stored if row.agent == Some(agent) => Recorded::Stored,
            Placement::Stored => unwanted("held elsewhere"),
            Placement::Cancelled => unwanted("the batch was cancelled"),
        }
    }

    fn apply(&mut self, ordinal: i64, round: i32, language: Option<&'static str>) -> Applied {
        let Some(row) = self.rows.get_mut(&ordinal) else { return Applied::Settled };
        match row.placement {
            Placement::Planned | Placement::Failed => return Applied::NotRecorded,
            Placement::Cancelled => return Applied::Settled,
            Placement::Stored => {}
        }
        let open = round > row.round || (round == row.round && row.lid == Lid::None);
        // All results are of this one.
        let elsewhere = row.agent != Some("a");
        if elsewhere && open && (language.is_some() || row.lid != Lid::Done) {
            return Applied::Elsewhere;
        }
        match language {
            Some(language) if open => {
                (row.lid, row.round, row.language) = (Lid::Done, round, Some(language));
            }
            None if open && row.lid != Lid::Done => (row.lid, row.round) = (Lid::Failed, round),
            Some(_) | None => {}
        }
        Applied::Settled
    }

    fn fail(&mut self, ordinal: i64) {
        if let Some(row) = self.rows.get_mut(&ordinal)
            && row.placement == Placement::Planned
        {
            row.placement = Placement::Failed;
        }
    }

    /// Placements and identifications that go again; none if it is refused.
    fn retry(&mut self, ordinals: &[i64]) -> Option<(u64, u64)> {
        if self.cancelled && self.counts().lid_failed == 0 {
            return None;
        }
        let mut retried = (0, 0);
        for (ordinal, row) in &mut self.rows {
            if !ordinals.is_empty() && !ordinals.contains(ordinal) {
                continue;
            }
            if row.placement == Placement::Failed {
                row.placement = Placement::Planned;
                retried.0 += 1;
            } else if row.placement == Placement::Stored && row.lid == Lid::Failed {
                row.lid = Lid::None;
                row.round += 1;
                retried.1 += 1;
            }
        }
        Some(retried)
    }

    /// Recordings that are cancelled; none if it is refused.
    fn cancel(&mut self) -> Option<u64> {
        let counts = self.counts();
        if !self.cancelled && counts.planned + counts.placement_failed == 0 {
            return None;
        }
        self.cancelled = true;
        let mut cancelled = 0;
        for row in self.rows.values_mut() {
            if matches!(row.placement, Placement::Planned | Placement::Failed) {
                row.placement = Placement::Cancelled;
                cancelled += 1;
            }
        }
        Some(cancelled)
    }

    fn gone(&mut self, agent: &'static str) {
        for row in self.rows.values_mut() {
            if row.placement == Placement::Stored && row.agent == Some(agent) {
                (row.placement, row.agent) = (Placement::Planned, None);
            }
        }
    }

    fn counts(&self) -> Counts {
        let number = |rows: &dyn Fn(&&Row) -> bool| u64::try_from(self.rows.values().filter(rows).count());
        let placed = |placement| number(&|row: &&Row| row.placement == placement).unwrap();
        let lid = |lid| number(&|row: &&Row| row.placement == Placement::Stored && row.lid == lid).unwrap();
        let recordings = number(&|_: &&Row| true).unwrap();
        let stored = placed(Placement::Stored);
        Counts {
            recordings,
            bytes: recordings * 1_000,
            planned: placed(Placement::Planned),
            placement_failed: placed(Placement::Failed),
            cancelled: placed(Placement::Cancelled),
            stored,
            stored_bytes: stored * 1_000,
            lid_pending: lid(Lid::None),
            identified: lid(Lid::Done),
            lid_failed: lid(Lid::Failed),
        }
    }

    /// The stages that `batchStatus` must show after settling.
    fn settle(&mut self) -> [&'static str; 2] {
        let counts = self.counts();
        let word = |complete| if complete { "Complete" } else { "InProgress" };
        if counts.stored > 0 {
            self.lid_stage = word(counts.identified == counts.recordings);
        }
        [word(counts.stored == counts.recordings), self.lid_stage]
    }

    /// The rows as the tables must hold them.
    fn lines(&self) -> Vec<String> {
        let line = |(ordinal, row): (&i64, &Row)| {
            let held = row.held_by.map_or("NULL".to_owned(), scene::address);
            let lang = row.held_by.map_or("NULL", |_| row.language.unwrap_or("unknown"));
            let done = row.held_by.map_or("NULL", |_| if row.language.is_some() { "1" } else { "0" });
            format!(
                "{ordinal} {} {} {} {} call {lang} {held} file {held} {done} lid {}",
                row.placement.as_str(),
                row.agent.unwrap_or("NULL"),
                row.lid.as_str(),
                row.round,
                row.language.unwrap_or("NULL"),
            )
        };
        self.rows.iter().map(line).collect()
    }
}

/// Tells one step to both, the ledger perhaps more than once, and compares the
/// answers.
async fn tell(db: &Fixture, batch: BatchId, model: &mut Model, step: &Step, now: i64, times: usize) {
    let ledger = db.ledger();
    match step {
        Step::Record(group) => {
            let expected: Vec<Recorded> =
                group.iter().map(|(ordinal, agent)| model.record(*ordinal, agent)).collect();
            let group: Vec<_> =
                group.iter().map(|(ordinal, agent)| scene::stored(batch, *ordinal, agent)).collect();
            for _ in 0..times {
                assert_eq!(ledger.record_stored(&group, now).await.unwrap(), expected);
            }
        }
        Step::Apply(group) => {
            let expected: Vec<Applied> = group
                .iter()
                .map(|(ordinal, round, language)| model.apply(*ordinal, *round, *language))
                .collect();
            let group: Vec<ReportedResult> = group.iter().map(|it| reported(batch, *it)).collect();
            for _ in 0..times {
                assert_eq!(ledger.apply_results(&group, now).await.unwrap(), expected);
            }
        }
        Step::Fail(ordinals) => {
            for ordinal in ordinals {
                model.fail(*ordinal);
            }
            let group: Vec<_> = ordinals.iter().map(|ordinal| scene::unplaceable(batch, *ordinal)).collect();
            for _ in 0..times {
                ledger.fail_placements(&group, now).await.unwrap();
            }
        }
        Step::Retry(ordinals) => {
            let expected = model.retry(ordinals);
            for _ in 0..times {
                assert_eq!(retry(ledger, batch, ordinals, now).await, expected);
            }
        }
        Step::Cancel => {
            let expected = model.cancel();
            for _ in 0..times {
                assert_eq!(cancel(ledger, batch, now).await, expected);
            }
        }
        Step::Gone(agent) => {
            model.gone(agent);
            db.execute(&format!(
                "UPDATE cofiRecording SET placement = 'planned', agent = NULL \
                 WHERE batchId = {batch} AND placement = 'stored' AND agent = '{agent}'"
            ))
            .await;
        }
        Step::Settle => {
            for _ in 0..times {
                let record = ledger.settle_batch(batch).await.unwrap();
                assert_eq!(record.counts, model.counts());
            }
            let row = db.record(&format!("SELECT * FROM batchStatus WHERE id = {batch}")).await;
            assert_eq!([row["dbInsertionStatus"].as_str(), row["lidStatus"].as_str()], model.settle());
        }
    }
}

async fn cancel(ledger: &Ledger, batch: BatchId, now: i64) -> Option<u64> {
    match ledger.cancel_batch(batch, now).await {
        Ok(cancelled) => Some(cancelled),
        Err(LedgerError::NothingToCancel(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

async fn retry(ledger: &Ledger, batch: BatchId, ordinals: &[i64], now: i64) -> Option<(u64, u64)> {
    match ledger.retry(batch, ordinals, now).await {
        Ok(retried) => Some((retried.placements, retried.identifications)),
        Err(LedgerError::BatchCancelled(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn reported(batch: BatchId, (ordinal, round, language): (i64, i32, Option<&str>)) -> ReportedResult {
    match language {
        Some(language) => {
            let answer = scene::answer(language, f64::from(round), 0.5);
            scene::result(batch, ordinal, round, LidOutcome::Identified(answer))
        }
        None => scene::undecodable(batch, ordinal, round),
    }
}

/// Compares all rows.
async fn compare(db: &Fixture, batch: BatchId, model: &Model) {
    let tables = format!(
        "SELECT r.ordinal || ' ' || r.placement || ' ' || COALESCE(r.agent, 'NULL') || ' ' || r.lid || ' ' || \
         r.lidRound || ' call ' || COALESCE(c.lang, 'NULL') || ' ' || COALESCE(c.ip, 'NULL') || ' file ' || \
         COALESCE(f.ip, 'NULL') || ' ' || COALESCE(f.lidDone, 'NULL') || ' lid ' || COALESCE(l.`language`, 'NULL') \
         FROM cofiRecording r LEFT JOIN `call` c ON c.batchId = r.batchId AND c.audioName = r.audioName \
         LEFT JOIN fileDistribution f ON f.batchId = r.batchId AND f.`file` = r.audioName \
         LEFT JOIN lidStatus l ON l.batchId = r.batchId AND l.audioName = r.audioName \
         WHERE r.batchId = {batch} ORDER BY r.ordinal"
    );
    assert_eq!(db.column(&tables).await, model.lines());
    assert_eq!(db.ledger().batch(batch).await.unwrap().counts, model.counts());
}

#[rstest]
fn ledger_and_model_agree_on_every_history(#[values(Sqlite, MariaDb)] on: Engine) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(Fixture::new(on));
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    // Some steps are told twice, as when the answer to a COMMIT is lost and the
    // transaction runs again.
    let histories = prop::collection::vec((step(), 1..=2_usize), 1..30);
    let told = TestRunner::new(config).run(&histories, |history| {
        runtime.block_on(async {
            let batch = scene::batch_of(db.ledger(), RECORDINGS).await;
            let mut model = Model::new();
            for ((step, times), now) in history.iter().zip(scene::NOW..) {
                tell(&db, batch, &mut model, step, now, *times).await;
            }
            compare(&db, batch, &model).await;
        });
        Ok(())
    });
    told.unwrap();
}
