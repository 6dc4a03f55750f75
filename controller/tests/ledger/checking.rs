//! The checker finds what is planted, by name, and nothing in what Cofi itself
//! has written.

use cofi_controller::ledger::{Flaw, GiveUp, GiveUpScope, SharedTable, Standing, StandingRecord};
use cofi_language::LanguageTable;
use cofi_proto::BatchId;
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// Smaller than the scene's batches, so that pages follow each other.
const PAGE: i64 = 3;

/// Everything that the ledger finds wrong.
pub async fn flaws(db: &Fixture) -> Vec<Flaw> {
    flaws_in_pages(db, PAGE).await
}

/// The same, so many rows at a time.
pub async fn flaws_in_pages(db: &Fixture, size: i64) -> Vec<Flaw> {
    let (ledger, languages) = (db.ledger(), LanguageTable::default());
    let mut flaws = ledger.check_database().await.unwrap();
    for batch in ledger.check_scope(&[]).await.unwrap().batches {
        flaws.extend(ledger.check_batch(batch).await.unwrap());
        let mut after = -1;
        loop {
            let page = ledger.check_recordings(batch, &languages, after, size).await.unwrap();
            flaws.extend(page.flaws);
            let Some(last) = page.last else { break };
            after = last;
        }
        for table in SharedTable::ALL {
            let mut after = None;
            loop {
                let (last, found) =
                    ledger.check_strangers(batch, table, after.as_deref(), size).await.unwrap();
                flaws.extend(found);
                if last.is_none() {
                    break;
                }
                after = last;
            }
        }
    }
    flaws
}

/// Two batches with a recording in every state. Of the first, in order:
/// identified on a, b, a; stored; not identified; not placed; planned; retried.
/// The second is done with.
async fn scene(on: Engine) -> (Fixture, BatchId) {
    let db = Fixture::new(on).await;
    let ledger = db.ledger();
    for agent in ["a", "b"] {
        scene::meet(db.ledger(), agent).await;
    }
    db.execute("INSERT INTO batchStatus (id, batchStatus) VALUES (1, 'Complete')").await;
    db.execute("INSERT INTO `call` (batchId, audioName) VALUES (1, 'call-0.wav'), (1, 'call-0.wav')").await;
    let done = scene::batch_of(ledger, 2).await;
    scene::record(ledger, done, 0..2, "a").await;
    scene::apply(ledger, &[scene::identified(done, 0, 1, "hi"), scene::identified(done, 1, 1, "zz-own")])
        .await;
    ledger.settle_batch(done).await.unwrap();

    let batch = scene::batch_of(ledger, 8).await;
    scene::record(ledger, batch, [0, 2, 3, 4, 7], "a").await;
    scene::record(ledger, batch, [1], "b").await;
    let languages = ["en", "hi", "mr"];
    let mut results: Vec<_> =
        (0..).zip(languages).map(|(ordinal, code)| scene::identified(batch, ordinal, 1, code)).collect();
    results.push(scene::undecodable(batch, 7, 1));
    scene::apply(ledger, &results).await;
    ledger.retry(batch, &[7], scene::NOW + 1).await.unwrap();
    scene::apply(ledger, &[scene::undecodable(batch, 4, 1)]).await;
    ledger.fail_placements(&[scene::unplaceable(batch, 5)], scene::NOW).await.unwrap();
    ledger.settle_batch(batch).await.unwrap();
    (db, batch)
}

fn words(flaws: &[Flaw]) -> String {
    flaws.iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n")
}

#[rstest]
#[tokio::test]
async fn nothing_is_found_in_what_cofi_has_written(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = scene(on).await;
    let ledger = db.ledger();
    assert_eq!(words(&flaws(&db).await), "");
    let scope = ledger.check_scope(&[]).await.unwrap();
    assert_eq!((scope.batches.len(), scope.earlier, scope.being_planned), (2, 1, 0));
    // What b held is placed again, first nowhere, then on a.
    let agent: cofi_proto::AgentName = "b".parse().unwrap();
    let record = StandingRecord {
        agent: agent.clone(),
        standing: Standing::Lost,
        reason: "away".to_owned(),
        since: scene::NOW,
        deadline: None,
    };
    ledger.put_standing(&record).await.unwrap();
    let what = GiveUp { agent, stored_before: i64::MAX, scope: GiveUpScope::All, reason: "away".to_owned() };
    assert_eq!(ledger.give_up(&what, None, 10, scene::NOW + 2).await.unwrap().recordings, 1);
    ledger.settle_batch(batch).await.unwrap();
    assert_eq!(words(&flaws(&db).await), "");
    scene::record(ledger, batch, [1], "a").await;
    ledger.settle_batch(batch).await.unwrap();
    assert_eq!(words(&flaws(&db).await), "");
    ledger.cancel_batch(batch, scene::NOW + 3).await.unwrap();
    ledger.settle_batch(batch).await.unwrap();
    scene::begin(ledger, &scene::wish()).await;
    assert_eq!(words(&flaws(&db).await), "");
    assert_eq!(ledger.check_scope(&[]).await.unwrap().being_planned, 1);
}

/// `CALL` and `OTHER` stand for the calls of the recordings 1 and 2, `BATCH`
/// for the batch.
#[rstest]
#[case::meta("DELETE FROM cofiMeta", "meta")]
#[case::current("UPDATE batchStatus SET currentBatch = 1 WHERE id IN (1, BATCH)", "current_batches")]
#[case::standing(
    "INSERT INTO cofiAgentStanding (name, standing, reason, since) VALUES ('z', 'lost', 'away', 1)",
    "standing_without_agent"
)]
#[case::no_batch("DELETE FROM cofiBatch WHERE batchId = BATCH", "recordings_without_batch")]
#[case::count("UPDATE cofiBatch SET recordings = 9 WHERE batchId = BATCH", "batch_counts")]
#[case::bytes("UPDATE cofiBatch SET bytes = bytes + 1 WHERE batchId = BATCH", "batch_counts")]
#[case::last_entry("DELETE FROM cofiRecording WHERE batchId = BATCH AND ordinal = 6", "batch_counts")]
#[case::entry("DELETE FROM cofiRecording WHERE batchId = BATCH AND ordinal = 3", "ordinal_missing")]
#[case::entry_with_call("DELETE FROM cofiRecording WHERE batchId = BATCH AND ordinal = 3", "call_stranger")]
#[case::entry_with_file("DELETE FROM cofiRecording WHERE batchId = BATCH AND ordinal = 3", "file_stranger")]
#[case::entry_with_lid("DELETE FROM cofiRecording WHERE batchId = BATCH AND ordinal = 2", "lid_stranger")]
#[case::distributed("UPDATE batchStatus SET dbInsertionStatus = 'Complete' WHERE id = BATCH", "stage")]
#[case::identified("UPDATE batchStatus SET lidStatus = 'Complete' WHERE id = BATCH", "stage")]
#[case::not_begun("UPDATE batchStatus SET batchStatus = 'Pending' WHERE id = BATCH", "stage")]
#[case::end("UPDATE batchStatus SET dbInsertionEndTime = 'now' WHERE id = BATCH", "stage_times")]
#[case::hidden("UPDATE batchStatus SET remarks = NULL WHERE id = BATCH", "remarks")]
#[case::forgotten("UPDATE cofiBatch SET resting = 1 WHERE batchId = BATCH", "resting")]
#[case::restless("UPDATE cofiBatch SET resting = 0 WHERE batchId <> BATCH", "resting")]
#[case::at_rest("UPDATE batchStatus SET currentBatch = id <> BATCH WHERE id <> 1", "current_at_rest")]
#[case::lost_agent("UPDATE cofiRecording SET agent = NULL WHERE callId = CALL", "columns")]
#[case::lost_digest("UPDATE cofiRecording SET digest = NULL WHERE callId = CALL", "columns")]
#[case::lost_call("UPDATE cofiRecording SET callId = NULL WHERE callId = CALL", "columns")]
#[case::lost_time("UPDATE cofiRecording SET storedAt = NULL WHERE callId = CALL", "columns")]
#[case::never_settled("UPDATE cofiRecording SET settledAt = NULL WHERE callId = CALL", "columns")]
#[case::round_zero("UPDATE cofiRecording SET lidRound = 0 WHERE callId = CALL", "columns")]
#[case::planned_somewhere(
    "UPDATE cofiRecording SET agent = 'a' WHERE batchId = BATCH AND ordinal = 6",
    "columns"
)]
#[case::went_back("UPDATE cofiRecording SET placement = 'planned' WHERE callId = CALL", "columns")]
#[case::key("UPDATE cofiRecording SET nameKey = 'other' WHERE callId = CALL", "name_key")]
#[case::no_reason("UPDATE cofiRecording SET reason = NULL WHERE lid = 'failed'", "reason")]
#[case::no_code("UPDATE cofiRecording SET code = NULL WHERE placement = 'failed'", "reason")]
#[case::needless_reason("UPDATE cofiRecording SET code = 'x', reason = 'y' WHERE callId = CALL", "reason")]
#[case::no_failure("DELETE FROM cofiEvent WHERE kind = 'placement_failed'", "failure_event")]
#[case::no_round(
    "UPDATE cofiRecording SET lidRound = 2 WHERE batchId = BATCH AND ordinal = 3",
    "round_event"
)]
#[case::agent("DELETE FROM cofiAgent WHERE name = 'b'", "unknown_agent")]
#[case::file_gone(
    "DELETE FROM fileDistribution WHERE batchId = BATCH AND `file` = 'call-1.wav'",
    "file_missing"
)]
#[case::file_twice(
    "INSERT INTO fileDistribution (`file`, ip, batchId) VALUES ('call-1.wav', 'b.example', BATCH)",
    "file_doubled"
)]
#[case::file_phantom(
    "INSERT INTO fileDistribution (`file`, ip, batchId) VALUES ('call-6.wav', 'a.example', BATCH)",
    "file_unexpected"
)]
#[case::file_nameless(
    "INSERT INTO fileDistribution (ip, batchId) VALUES ('a.example', BATCH)",
    "file_stranger"
)]
#[case::file_elsewhere("UPDATE fileDistribution SET ip = '10.9.9.9' WHERE batchId = BATCH", "file_address")]
#[case::file_not_done(
    "UPDATE fileDistribution SET lidDone = 0 WHERE batchId = BATCH AND `file` = 'call-1.wav'",
    "file_lid_done"
)]
#[case::file_done(
    "UPDATE fileDistribution SET lidDone = 1 WHERE batchId = BATCH AND `file` = 'call-3.wav'",
    "file_lid_done"
)]
#[case::call_gone("DELETE FROM `call` WHERE id = CALL", "call_missing")]
#[case::call_twice("INSERT INTO `call` (batchId, audioName) VALUES (BATCH, 'call-1.wav')", "call_doubled")]
#[case::call_spelled("INSERT INTO `call` (batchId, audioName) VALUES (BATCH, 'Call-1.WAV')", "call_stranger")]
#[case::call_phantom(
    "INSERT INTO `call` (batchId, audioName) VALUES (BATCH, 'call-6.wav')",
    "call_unexpected"
)]
#[case::call_stranger("INSERT INTO `call` (batchId, audioName) VALUES (BATCH, 'else.wav')", "call_stranger")]
#[case::call_nameless("UPDATE `call` SET audioName = NULL WHERE id = CALL", "call_stranger")]
#[case::call_renamed("UPDATE `call` SET audioName = 'else.wav' WHERE id = CALL", "call_missing")]
#[case::call_moved("UPDATE `call` SET batchId = 1 WHERE id = CALL", "call_missing")]
#[case::call_astray("UPDATE cofiRecording SET callId = OTHER WHERE callId = CALL", "call_id")]
#[case::call_at("UPDATE `call` SET audioUrl = 'file:///elsewhere' WHERE id = CALL", "call_url")]
#[case::call_elsewhere("UPDATE `call` SET ip = NULL WHERE id = CALL", "call_address")]
#[case::call_lang("UPDATE `call` SET lang = 'fr' WHERE id = CALL", "call_lang")]
#[case::call_unknown("UPDATE `call` SET lang = 'unknown' WHERE id = CALL", "call_lang")]
#[case::call_early("UPDATE `call` SET lang = 'fr' WHERE audioName = 'call-3.wav'", "call_lang")]
#[case::call_language("UPDATE `call` SET languageId = NULL WHERE id = CALL", "call_language_id")]
#[case::call_other_language("UPDATE `call` SET languageId = 1 WHERE id = CALL", "call_language_id")]
#[case::call_duration("UPDATE `call` SET audioDuration = 99 WHERE id = CALL", "call_duration")]
#[case::call_short("UPDATE `call` SET audioDuration = 3 WHERE audioName = 'call-4.wav'", "call_duration")]
#[case::lid_gone("DELETE FROM lidStatus WHERE batchId = BATCH AND audioName = 'call-1.wav'", "lid_missing")]
#[case::lid_twice(
    "INSERT INTO lidStatus (batchId, audioName, `language`) VALUES (BATCH, 'call-1.wav', 'hi')",
    "lid_doubled"
)]
#[case::lid_early(
    "INSERT INTO lidStatus (batchId, audioName, `language`) VALUES (BATCH, 'call-3.wav', 'hi')",
    "lid_unexpected"
)]
#[case::lid_nameless("INSERT INTO lidStatus (batchId) VALUES (BATCH)", "lid_stranger")]
#[case::lid_stranger("INSERT INTO lidStatus (batchId, audioName) VALUES (BATCH, 'else.wav')", "lid_stranger")]
#[tokio::test]
async fn planted_damage_is_found_by_its_name(
    #[case] statement: &str,
    #[case] name: &str,
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = scene(on).await;
    let call =
        |ordinal| format!("SELECT callId FROM cofiRecording WHERE batchId = {batch} AND ordinal = {ordinal}");
    let (one, other) = (db.value(&call(1)).await, db.value(&call(2)).await);
    let statement = statement.replace("BATCH", &batch.to_string()).replace("CALL", &one);
    let statement = statement.replace("OTHER", &other);
    let changed = db.execute(&statement).await;
    assert!(changed > 0, "{statement}");
    let flaws = flaws(&db).await;
    assert!(flaws.iter().any(|flaw| flaw.kind.as_str() == name), "{statement}: {}", words(&flaws));
}

#[rstest]
#[tokio::test]
async fn batch_whose_status_was_deleted_is_found(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 2).await;
    db.execute("DELETE FROM batchStatus").await;
    let flaws = flaws(&db).await;
    assert_eq!((flaws.len(), flaws[0].kind.as_str()), (1, "batch_without_status"), "{}", words(&flaws));
    assert_eq!(flaws[0].batch, Some(batch));
}
