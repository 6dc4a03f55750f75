//! A controller's whole work on a database: every kind of statement of the
//! ledger, and the contract's answers afterwards.

use cofi_controller::ledger::{
    AgentRecord, Applied, AuditFilter, CallFilter, Deed, Ledger, Recorded, RecordingFilter, RecordingRecord,
};
use cofi_language::LanguageTable;
use cofi_proto::BatchId;

use crate::{
    machines::{self, Machine},
    place::Place,
    scene,
};

/// Recordings of the batch that is driven.
pub const RECORDINGS: i64 = 250;
/// What one drive adds to the shared tables.
pub const NEW_ROWS: [(&str, usize); 4] =
    [("batchStatus", 2), ("call", 250), ("fileDistribution", 250), ("lidStatus", 249)];

/// Plans, records, identifies, retries, cancels, lists and settles; the batch.
pub async fn drive(place: &Place<'_>) -> BatchId {
    let ledger = place.open().await.unwrap_or_else(|error| panic!("{error}"));
    let batch = plan(&ledger).await;
    distribute(&ledger, batch).await;
    identify(&ledger, batch).await;
    cancel_another(&ledger).await;
    let_in(&ledger).await;
    read(&ledger, batch).await;
    assert_contract(place, batch).await;
    ledger.close().await;
    batch
}

async fn plan(ledger: &Ledger) -> BatchId {
    ledger.begin_generation().await.unwrap();
    ledger.probe().await.unwrap();
    let agent = AgentRecord {
        name: "a".parse().unwrap(),
        storage_id: "0a0a".to_owned(),
        advertise_address: scene::address("a"),
        version: "1".to_owned(),
        connected: true,
        last_seen: scene::NOW,
    };
    ledger.put_agent(&agent).await.unwrap();
    assert_eq!(ledger.name_columns().await.unwrap().names.len(), 3);
    let discarded = scene::begin(ledger, &scene::wish()).await;
    ledger.discard_batch(discarded).await.unwrap();
    let wish = scene::wish();
    let batch = scene::batch(ledger, &wish, &scene::names(RECORDINGS)).await;
    let known = ledger.known_files(&wish.source, &scene::entries(&scene::names(RECORDINGS))).await.unwrap();
    assert_eq!(known.len(), 250);
    batch
}

async fn distribute(ledger: &Ledger, batch: BatchId) {
    scene::record(ledger, batch, 0..RECORDINGS - 1, "a").await;
    // Again, elsewhere, and one that fails before it is stored.
    let again = [scene::stored(batch, 0, "a"), scene::stored(batch, 1, "b")];
    let answers = ledger.record_stored(&again, scene::NOW).await.unwrap();
    assert_eq!(answers, [Recorded::Stored, Recorded::Unwanted("held elsewhere".to_owned())]);
    ledger.fail_placements(&[scene::unplaceable(batch, RECORDINGS - 1)], scene::NOW).await.unwrap();
    ledger.settle_batch(batch).await.unwrap();
    ledger.retry(batch, &[], scene::NOW).await.unwrap();
    scene::record(ledger, batch, [RECORDINGS - 1], "b").await;
    ledger.settle_batch(batch).await.unwrap();
}

async fn identify(ledger: &Ledger, batch: BatchId) {
    let language = |ordinal: i64| if ordinal % 2 == 0 { "hi" } else { "tlh" };
    let results: Vec<_> = (2..RECORDINGS)
        .map(|ordinal| scene::identified(batch, ordinal, 1, language(ordinal)))
        .chain([scene::undecodable(batch, 0, 1), scene::undecodable(batch, 1, 1)])
        .collect();
    scene::apply(ledger, &results).await;
    ledger.settle_batch(batch).await.unwrap();
    let retried = ledger.retry(batch, &[], scene::NOW + 1).await.unwrap();
    assert_eq!(retried.identifications, 2);
    let late = [scene::identified(batch, 0, 1, "en"), scene::identified(batch, 1, 2, "en")];
    scene::apply(ledger, &late).await;
    // A second round of one that is identified updates its row.
    assert_eq!(
        ledger.apply_results(&[scene::identified(batch, 2, 2, "en")], scene::NOW).await.unwrap(),
        [Applied::Settled]
    );
    ledger.settle_batch(batch).await.unwrap();
    let languages = LanguageTable::new([]).unwrap();
    assert_eq!(ledger.apply_lid_results(batch, &languages, scene::NOW).await.unwrap().changed, 0);
}

async fn cancel_another(ledger: &Ledger) {
    let batch = scene::batch_of(ledger, 3).await;
    assert_eq!(ledger.cancel_batch(batch, scene::NOW).await.unwrap(), 3);
    ledger.settle_batch(batch).await.unwrap();
}

/// Everything about tokens, certificates and the audit.
async fn let_in(ledger: &Ledger) {
    let deed = Deed::new(scene::NOW, "operator:1", "127.0.0.1", "Some.Call");
    let ledger = &ledger.acting(deed);
    let machine = Machine::new("a");
    let token = machines::record_token(ledger, &machine.agent).await;
    let joined = machine.join(ledger, &token, scene::NOW).await.unwrap();
    assert_eq!(machine.join(ledger, &token, scene::NOW).await.unwrap(), joined);
    let shown = machines::serial(&joined.certificate);
    Machine::new("a").renew(ledger, shown, scene::NOW).await.unwrap();
    ledger.revoke_token(token.id(), scene::NOW).await.unwrap();
    let revoked = ledger.revoke_agent(&machine.agent, scene::NOW).await.unwrap();
    assert!(revoked.serials.contains(&shown));
    assert!(ledger.revoked_serials(scene::NOW).await.unwrap().contains(&shown));
    assert_eq!(ledger.prune_certificates(scene::NOW).await.unwrap(), 0);
    assert!(ledger.access_tokens(scene::NOW).await.unwrap().is_empty());
    let filter = AuditFilter { target: Some(format!("token:{}", token.id())), ..AuditFilter::default() };
    assert_eq!(ledger.audit(&filter, i64::MAX, 10).await.unwrap().len(), 1);
}

async fn read(ledger: &Ledger, batch: BatchId) {
    let highlights = ledger.highlights(batch).await.unwrap();
    let languages: Vec<(&str, u64)> =
        highlights.languages.iter().map(|(language, count)| (language.as_str(), *count)).collect();
    assert_eq!(languages, [("tlh", 124), ("hi", 123), ("en", 2)]);
    let recordings = ledger.recordings(batch, RecordingFilter::All, -1, 1_000).await.unwrap();
    let identified = |recording: &&RecordingRecord| recording.language.is_some();
    assert_eq!(recordings.iter().filter(identified).count(), 249);
    for (identified, count) in [(None, 250), (Some(true), 249), (Some(false), 1)] {
        let filter = CallFilter { batch, status: Some("Pending".to_owned()), identified };
        assert_eq!(ledger.calls(&filter, 0, 1_000).await.unwrap().len(), count, "{identified:?}");
    }
    let agent = "a".parse().unwrap();
    let pending = ledger.pending_lids(&agent, None, 10).await.unwrap();
    assert_eq!(pending.iter().filter(|lid| lid.recording.batch == batch).count(), 1);
    ledger.lid_holders(batch).await.unwrap();
    ledger.unfinished_batches().await.unwrap();
    for known in ledger.batches(i64::MAX, 1_000).await.unwrap() {
        ledger.any_batch(known.id()).await.unwrap();
    }
    ledger.database_id().await.unwrap();
}

/// The questions that people ask, and what is exactly right of each row.
async fn assert_contract(place: &Place<'_>, batch: BatchId) {
    let counts = format!(
        "SELECT COUNT(*), SUM(CASE WHEN lang = 'unknown' THEN 1 ELSE 0 END), \
         SUM(CASE WHEN lang != 'unknown' THEN 1 ELSE 0 END), COUNT(DISTINCT audioName), \
         SUM(audioDuration = 12.25), SUM(userId = 1 AND processId = 1 AND categoryMappingId = 1 AND auditFormId = 2) \
         FROM `call` WHERE batchId = {}",
        batch.0
    );
    assert_eq!(place.rows(&counts).await, [["250", "1", "249", "250", "249", "250"]]);
    let lid_done = format!(
        "SELECT COUNT(*), SUM(lidDone = 1), SUM(ip = 'a.example') FROM fileDistribution WHERE batchId = {}",
        batch.0
    );
    assert_eq!(place.rows(&lid_done).await, [["250", "249", "249"]]);
    let lid_status = format!(
        "SELECT COUNT(*), COUNT(DISTINCT audioName), SUM(`language` = 'en') FROM lidStatus WHERE batchId = {}",
        batch.0
    );
    assert_eq!(place.rows(&lid_status).await, [["249", "249", "2"]]);
    let stages = format!(
        "SELECT dbInsertionStatus, lidStatus, remarks IS NULL FROM batchStatus WHERE id = {}",
        batch.0
    );
    assert_eq!(place.rows(&stages).await, [["Complete", "InProgress", "1"]]);
    let ready = format!("SELECT COUNT(*) FROM cofiReadyCall WHERE batchId = {}", batch.0);
    assert_eq!(place.value(&ready).await, "249");
}
