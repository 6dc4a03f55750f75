//! How SQLite goes about the ledger's statements. The statements are
//! those that are really sent, taken from the log of the database driver.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use cofi_controller::ledger::{
    AuditFilter, CallFilter, RecordingFilter, ReleaseCause, ReleaseScope, ReleaseTerms, SourceStamp,
};
use cofi_language::LanguageTable;
use cofi_proto::BatchId;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, filter::Targets, layer::Context, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    checking, deeds,
    fixture::{Engine::Sqlite, Fixture},
    machines::Machine,
    scene,
};

/// Tables that grow with the recordings, and with the years.
const LARGE: [&str; 7] = [
    "cofiRecording",
    "call",
    "fileDistribution",
    "lidStatus",
    "cofiRelease",
    "cofiAudit",
    "cofiAgentCertificate",
];

/// Statements that are about a whole batch, and run once or for a look at it.
const WHOLE_BATCH: [&str; 13] = [
    "publish_batch",
    "count_recordings",
    "sum_of_batch",
    "count_calls",
    "count_identified_calls",
    "count_files",
    // From where the page before ended.
    "lid_names",
    "recount_bytes",
    "languages",
    "cancel_planned",
    "discard_manifest",
    "discard_batch",
    "count_released",
];
/// Statements that are about all recordings of a batch in one state.
const WHOLE_STATE: [&str; 13] = [
    "cancel_planned",
    "count_cancelled",
    "count_retried_lids",
    "count_retried_placements",
    "retry_placements",
    "retry_lids",
    "failed_lids",
    "failed_placements",
    "failure_codes",
    "list_recordings",
    "changed_sources",
    "lid_holders",
    "count_released_failures",
];

/// What stands in statements that are sent to servers alone.
const FOR_A_SERVER: [&str; 4] = [" FOR UPDATE", " information_schema.", " cofiMigration", "SHOW "];

/// Statements by their names, as the driver's log has them.
type Log = BTreeMap<String, Vec<String>>;

/// What every test of this program has sent so far.
fn sent() -> &'static Mutex<Log> {
    static LOG: OnceLock<Mutex<Log>> = OnceLock::new();
    LOG.get_or_init(|| {
        let filter = Targets::new().with_target("sqlx::query", tracing::Level::DEBUG);
        tracing_subscriber::registry().with(Listener.with_filter(filter)).init();
        Mutex::default()
    })
}

struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Statement);
    }
}

struct Statement;

impl Visit for Statement {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &Field, text: &str) {
        let text = text.trim();
        let name = text.strip_prefix("/* ").and_then(|text| text.split_once(" */"));
        // The same statements in the words of a server, and those for servers alone.
        let for_a_server = FOR_A_SERVER.iter().any(|words| text.contains(words));
        if let ("db.statement", Some((name, _)), false) = (field.name(), name, for_a_server) {
            let mut log = sent().lock().unwrap_or_else(PoisonError::into_inner);
            let texts = log.entry(name.to_owned()).or_default();
            if !texts.iter().any(|known| known == text) {
                texts.push(text.to_owned());
            }
        }
    }
}

/// Sends every statement that the ledger has.
async fn use_everything(db: &Fixture) {
    let ledger = db.ledger();
    let batch = scene::batch_of(ledger, 1_140).await;
    ledger.known_files("/srv/calls", &scene::entries(&["call-1.wav"])).await.unwrap();
    db.execute(&format!("INSERT INTO `call` (audioName, batchId) VALUES ('call-1.wav', {batch})")).await;
    scene::record(ledger, batch, 0..1_131, "a").await;
    db.execute("UPDATE cofiRecording SET placement = 'planned' WHERE ordinal < 12").await;
    scene::record(ledger, batch, 0..12, "b").await;
    ledger.fail_placements(&[scene::unplaceable(batch, 1_135)], scene::NOW).await.unwrap();
    for round in [1, 2] {
        let results: Vec<_> =
            (0..1_125).map(|ordinal| scene::identified(batch, ordinal, round, "hi")).collect();
        scene::apply(ledger, &results).await;
    }
    scene::apply(ledger, &[scene::undecodable(batch, 1_130, 1)]).await;
    ledger.settle_batch(batch).await.unwrap();
    checking::flaws_in_pages(db, 1_000).await;
    let recording = scene::stored(batch, 1, "a").recording();
    ledger.not_held_by(&"a".parse().unwrap(), &[recording]).await.unwrap();
    ledger.highlights(batch).await.unwrap();
    ledger.batches(i64::MAX, 10).await.unwrap();
    ledger.planned_recordings(batch, -1, 10).await.unwrap();
    ledger.pending_lids(&"a".parse().unwrap(), None, 10).await.unwrap();
    ledger.manifest_records(&[scene::stored(batch, 1, "a").recording()]).await.unwrap();
    for filter in [
        RecordingFilter::All,
        RecordingFilter::Planned,
        RecordingFilter::Stored,
        RecordingFilter::LidPending,
        RecordingFilter::Identified,
        RecordingFilter::Failed,
        RecordingFilter::Cancelled,
    ] {
        ledger.recordings(batch, filter, -1, 10).await.unwrap();
    }
    for status in [None, Some("Pending".to_owned())] {
        let filter = CallFilter { batch, status, identified: Some(true) };
        ledger.calls(&filter, 0, 10).await.unwrap();
    }
    ledger.changed_sources(batch, -1, 10).await.unwrap();
    let stamp = SourceStamp { ordinal: 1_135, size: 1, mtime: 1 };
    ledger.restamp_sources(batch, &[stamp]).await.unwrap();
    ledger.lid_holders(batch).await.unwrap();
    use_earlier_batches(db).await;
    use_releases(db, batch).await;
    use_access(db).await;
    ledger.retry(batch, &[1_130], scene::NOW).await.unwrap();
    ledger.retry(batch, &[], scene::NOW).await.unwrap();
    ledger.cancel_batch(batch, scene::NOW).await.unwrap();
    let dead = scene::begin(ledger, &scene::wish()).await;
    ledger.discard_batch(dead).await.unwrap();
}

/// The statements about recordings that hosts let go of.
async fn use_releases(db: &Fixture, batch: BatchId) {
    let (ledger, agent) = (db.ledger(), "a".parse().unwrap());
    db.execute(&format!("UPDATE `call` SET status = 'Complete' WHERE batchId = {batch}")).await;
    let terms =
        ReleaseTerms { cause: ReleaseCause::Operator, reason: "archived".to_owned(), older_than_seconds: 0 };
    for scope in [ReleaseScope::Batch(batch), ReleaseScope::Agent(agent)] {
        let page = ledger.releasable(&scope, None, 500, &terms, scene::NOW).await.unwrap();
        ledger.release(&page.recordings, &terms, scene::NOW).await.unwrap();
        // The same again, as after a COMMIT without an answer.
        let released = ledger.release(&page.recordings, &terms, scene::NOW).await.unwrap();
        assert!(released.counts.released >= 400, "{released:?}");
    }
    let agent = "a".parse().unwrap();
    ledger.custody(&agent).await.unwrap();
    let due = ledger.releases_due(&agent, None, 1_000).await.unwrap();
    let due: Vec<_> = due.into_iter().map(|(recording, _)| recording).collect();
    ledger.confirm_releases(&agent, &due, scene::NOW).await.unwrap();
    ledger.highlights(batch).await.unwrap();
}

/// The statements about who may come in and what was done.
async fn use_access(db: &Fixture) {
    let machine = Machine::new("a");
    let ledger = deeds::acting(db);
    let shown = machine.joins(&ledger).await;
    Machine::new("a").renew(&ledger, shown, scene::NOW).await.unwrap();
    ledger.revoke_agent(&machine.agent, scene::NOW).await.unwrap();
    ledger.revoked_serials(scene::NOW).await.unwrap();
    ledger.prune_certificates(scene::NOW).await.unwrap();
    for (actor, target, denied_only) in
        [(false, false, false), (true, false, false), (false, true, false), (false, false, true)]
    {
        let filter = AuditFilter {
            actor: actor.then(|| "operator:1".to_owned()),
            target: target.then(|| "agent:a".to_owned()),
            denied_only,
        };
        ledger.audit(&filter, i64::MAX, 100).await.unwrap();
    }
}

/// The statements about what other services write.
async fn use_earlier_batches(db: &Fixture) {
    let ledger = db.ledger();
    let own = scene::batch_of(ledger, 12).await;
    scene::record(ledger, own, 0..11, "a").await;
    scene::apply(ledger, &[scene::identified(own, 0, 1, "hi")]).await;
    db.execute("DELETE FROM `call` WHERE audioName = 'call-3.wav'").await;
    scene::apply(ledger, &[scene::identified(own, 3, 1, "hi")]).await;
    db.execute("INSERT INTO batchStatus (id) VALUES (900)").await;
    for batch in [own.0, 900] {
        db.execute(&format!(
            "INSERT INTO `call` (audioName, batchId) VALUES ('call-1.wav', {batch}), ('call-2.wav', {batch})"
        ))
        .await;
        db.execute(&format!("INSERT INTO fileDistribution (`file`, batchId) VALUES ('call-1.wav', {batch})"))
            .await;
        db.execute(&format!(
            "INSERT INTO lidStatus (audioName, `language`, batchId) VALUES ('call-1.wav', 'hi', {batch})"
        ))
        .await;
        let languages = LanguageTable::default();
        let report = ledger.apply_lid_results(BatchId(batch), &languages, scene::NOW).await.unwrap();
        assert!(report.changed > 0, "{report:?}");
    }
    ledger.any_batch(BatchId(900)).await.unwrap();
    ledger.batches(i64::MAX, 10).await.unwrap();
}

/// Lines of a statement's plan that are about large tables, and in which the
/// database looks at more than the rows that are meant.
async fn walks(db: &Fixture, name: &str, text: &str) -> Vec<String> {
    let plan = db.plan(text).await;
    let large = |line: &&String| {
        let mut words = line.split(' ').skip(1);
        // Aliases of cofiRecording, call, and lidStatus or cofiRelease.
        words.next().is_some_and(|table| LARGE.contains(&table) || ["r", "c", "l"].contains(&table))
    };
    let walks = |line: &&String| {
        let whole_batch = line.ends_with("(batchId=?)") || line.starts_with("SCAN");
        let whole_state = line.contains("batchId=? AND placement=?");
        (whole_batch && !WHOLE_BATCH.contains(&name)) || (whole_state && !WHOLE_STATE.contains(&name))
    };
    plan.iter().filter(large).filter(walks).map(|line| format!("{name}: {line}")).collect()
}

#[tokio::test]
async fn no_statement_walks_a_batch_to_find_a_few_of_its_rows() {
    sent();
    let db = Fixture::new(Sqlite).await;
    use_everything(&db).await;
    let log = sent().lock().unwrap_or_else(PoisonError::into_inner).clone();
    for name in ["record_stored", "record_identified", "calls_by_name", "lid_done", "pending_lids"] {
        assert!(log.contains_key(name), "{name} was not sent: {:?}", log.keys());
    }
    let mut found = Vec::new();
    for (name, texts) in &log {
        for text in texts {
            found.extend(walks(&db, name, text).await);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn groups_find_their_rows_by_key_whatever_the_planner_has_learned() {
    sent();
    let db = Fixture::new(Sqlite).await;
    use_everything(&db).await;
    // From a database in which batches are small, and from none.
    for _ in 0..20 {
        let batch = scene::batch_of(db.ledger(), 2).await;
        scene::record(db.ledger(), batch, [0], "a").await;
    }
    let log = sent().lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut found = Vec::new();
    for learned in ["ANALYZE", "DELETE FROM sqlite_stat1"] {
        db.execute(learned).await;
        found.extend(walks_of_groups(&db, &log).await);
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Walks in the statements that run for each group of a batch.
async fn walks_of_groups(db: &Fixture, log: &Log) -> Vec<String> {
    let mut found = Vec::new();
    for name in [
        "recordings_to_check",
        "calls_to_check",
        "files_to_check",
        "lids_to_check",
        "calls_of_batch",
        "names_of_batch",
        "held_by_agent",
        "recordings_to_store",
        "calls_by_name",
        "file_distribution_rows",
        "move_calls",
        "record_stored",
        "recordings_to_identify",
        "record_identified",
        "identify_calls",
        "lid_done",
        "lid_status_rows",
        "update_lid_status",
        "planned_recordings",
        "manifest_record",
    ] {
        for text in &log[name] {
            found.extend(walks(db, name, text).await);
        }
    }
    found
}

#[tokio::test]
async fn audit_is_read_by_an_index_and_never_sorted() {
    sent();
    let db = Fixture::new(Sqlite).await;
    use_access(&db).await;
    let log = sent().lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut plans = Vec::new();
    for text in &log["list_audit"] {
        plans.extend(db.plan(text).await);
    }
    assert!(plans.iter().all(|line| line.starts_with("SEARCH cofiAudit USING ")), "{plans:#?}");
    for index in ["INTEGER PRIMARY KEY", "cofiAuditActor", "cofiAuditTarget", "cofiAuditDenied"] {
        assert!(plans.iter().any(|line| line.contains(index)), "{index}: {plans:#?}");
    }
}

#[tokio::test]
async fn a_plan_that_walks_is_noticed() {
    let db = Fixture::new(Sqlite).await;
    for text in [
        "SELECT * FROM cofiRecording WHERE sourcePath = ?",
        "UPDATE cofiRecording SET code = ? WHERE batchId = ? AND +ordinal IN (?, ?)",
        "SELECT id FROM `call` NOT INDEXED WHERE batchId = ? AND audioName IN (?, ?)",
        "SELECT size FROM cofiRecording INDEXED BY cofiRecordingState WHERE batchId = ? AND placement = ? \
         AND ordinal = ?",
    ] {
        assert_eq!(walks(&db, "some", text).await.len(), 1, "{text}");
    }
}
