//! Reading: listings and their pages, counts, what others read.

use cofi_controller::ledger::{
    AgentRecord, AnyBatch, CallFilter, LedgerError, Lid, Placement, RecordingFilter, RecordingRecord,
};
use cofi_proto::{BatchId, RecordingId};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    scene,
};

/// A batch with recordings in every state: 0..3 planned, 3..6 stored,
/// 6..9 identified, 9..12 undecodable, 12..15 not placed.
async fn mixed(on: Engine) -> (Fixture, BatchId) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 15).await;
    scene::record(db.ledger(), batch, 3..12, "a").await;
    let mut results: Vec<_> = (6..9).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
    results.extend((9..12).map(|ordinal| scene::undecodable(batch, ordinal, 1)));
    scene::apply(db.ledger(), &results).await;
    let failures: Vec<_> = (12..15).map(|ordinal| scene::unplaceable(batch, ordinal)).collect();
    db.ledger().fail_placements(&failures, scene::NOW).await.unwrap();
    (db, batch)
}

fn ordinals(records: &[RecordingRecord]) -> Vec<i64> {
    records.iter().map(|record| record.ordinal).collect()
}

#[rstest]
#[tokio::test]
async fn filters_show_the_recordings_of_their_state(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    for (filter, expected) in [
        (RecordingFilter::All, (0..15).collect::<Vec<i64>>()),
        (RecordingFilter::Planned, (0..3).collect()),
        (RecordingFilter::Stored, (3..12).collect()),
        (RecordingFilter::LidPending, (3..6).collect()),
        (RecordingFilter::Identified, (6..9).collect()),
        (RecordingFilter::Failed, (9..15).collect()),
        (RecordingFilter::Cancelled, Vec::new()),
    ] {
        let records = db.ledger().recordings(batch, filter, -1, 100).await.unwrap();
        assert_eq!(ordinals(&records), expected, "{filter:?}");
    }
    db.ledger().cancel_batch(batch, scene::NOW).await.unwrap();
    let cancelled = db.ledger().recordings(batch, RecordingFilter::Cancelled, -1, 100).await.unwrap();
    assert_eq!(ordinals(&cancelled), [0, 1, 2, 12, 13, 14]);
    let unknown = db.ledger().recordings(BatchId(99), RecordingFilter::All, -1, 100).await;
    assert!(matches!(unknown, Err(LedgerError::NoSuchBatch(BatchId(99)))));
}

#[rstest]
#[tokio::test]
async fn recording_is_told_with_all_that_is_known_of_it(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    let records = db.ledger().recordings(batch, RecordingFilter::All, -1, 100).await.unwrap();
    let call = db.value("SELECT id FROM `call` WHERE audioName = 'call-7.wav'").await;
    let expected = RecordingRecord {
        ordinal: 7,
        audio_name: "call-7.wav".to_owned(),
        source_path: "in/call-7.wav".to_owned(),
        size: 1_000,
        placement: Placement::Stored,
        lid: Lid::Done,
        agent: Some("a".to_owned()),
        call: Some(call.parse().unwrap()),
        digest: Some(scene::digest(7)),
        attempts: 0,
        code: None,
        reason: None,
        language: Some("hi".to_owned()),
        duration_seconds: Some(12.25),
        release: None,
    };
    assert_eq!(records[7], expected);
    assert_eq!((&records[3].language, records[3].duration_seconds), (&None, None));
    assert_eq!(records[10].code.as_deref(), Some("undecodable"));
    assert_eq!((&records[13].code, &records[13].call), (&Some("source_changed".to_owned()), &None));
}

#[rstest]
#[tokio::test]
async fn pages_meet_without_gap_or_overlap(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 25).await;
    for size in [1, 5, 7, 24, 25, 26] {
        let mut seen = Vec::new();
        let mut after = -1;
        loop {
            let page = db.ledger().recordings(batch, RecordingFilter::All, after, size).await.unwrap();
            assert!(i64::try_from(page.len()).unwrap() <= size);
            let planned = db.ledger().planned_recordings(batch, after, size).await.unwrap();
            let planned: Vec<i64> = planned.iter().map(|planned| planned.recording.ordinal).collect();
            assert_eq!(planned, ordinals(&page));
            let Some(last) = page.last() else { break };
            after = last.ordinal;
            seen.extend(ordinals(&page));
        }
        assert_eq!(seen, (0..25).collect::<Vec<i64>>(), "pages of {size}");
    }
}

#[rstest]
#[tokio::test]
async fn pending_identifications_of_an_agent_come_in_pages_over_its_batches(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        let batch = scene::batch_of(db.ledger(), 12).await;
        scene::record(db.ledger(), batch, 0..10, "a").await;
        scene::record(db.ledger(), batch, 10..12, "b").await;
        scene::apply(db.ledger(), &[scene::identified(batch, 4, 1, "hi"), scene::undecodable(batch, 5, 1)])
            .await;
        let open = (0..10).filter(|ordinal| ![4, 5].contains(ordinal));
        expected.extend(open.map(|ordinal| RecordingId { batch, ordinal }));
    }
    let agent = "a".parse().unwrap();
    for size in [1, 8, 9, 100] {
        let mut seen: Vec<RecordingId> = Vec::new();
        loop {
            let page = db.ledger().pending_lids(&agent, seen.last().copied(), size).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.iter().all(|pending| pending.agent == "a" && pending.round == 1));
            seen.extend(page.iter().map(|pending| pending.recording));
        }
        assert_eq!(seen, expected, "pages of {size}");
    }
}

#[rstest]
#[tokio::test]
async fn batches_are_listed_newest_first_in_pages(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let mut batches = Vec::new();
    for _ in 0..5 {
        batches.insert(0, scene::batch_of(db.ledger(), 1).await);
    }
    let first = db.ledger().batches(i64::MAX, 3).await.unwrap();
    let second = db.ledger().batches(first[2].id().0, 3).await.unwrap();
    let seen: Vec<BatchId> = first.iter().chain(&second).map(AnyBatch::id).collect();
    assert_eq!(seen, batches);
    assert!(db.ledger().batches(batches[4].0, 3).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn manifest_records_leave_out_what_is_in_no_manifest(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    let asked = [0, 7, 99].map(|ordinal| RecordingId { batch, ordinal });
    let records = db.ledger().manifest_records(&asked).await.unwrap();
    assert_eq!(records.len(), 2);
    let held = &records[&asked[1]];
    assert_eq!((held.placement, held.agent.as_deref()), (Placement::Stored, Some("a")));
    assert_eq!((held.digest, held.source.as_str()), (Some(scene::digest(7)), "/srv/calls"));
    // It has a language: there is nothing to identify.
    assert_eq!((held.planned.size, held.planned.mtime, held.planned.round), (1_000, 5, 0));
    assert_eq!((records[&asked[0]].placement, records[&asked[0]].digest), (Placement::Planned, None));
}

#[rstest]
#[tokio::test]
async fn calls_are_listed_by_status_and_by_whether_they_are_identified(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let (db, batch) = mixed(on).await;
    db.execute("UPDATE `call` SET status = 'Transcription' WHERE audioName IN ('call-3.wav', 'call-6.wav')")
        .await;
    let any = CallFilter { batch, status: None, identified: None };
    let pending = Some("Pending".to_owned());
    for (filter, expected) in [
        (any.clone(), vec![3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (CallFilter { identified: Some(true), ..any.clone() }, vec![6, 7, 8]),
        (CallFilter { identified: Some(false), ..any.clone() }, vec![3, 4, 5, 9, 10, 11]),
        (CallFilter { status: pending.clone(), identified: Some(true), ..any.clone() }, vec![7, 8]),
        (CallFilter { status: pending, ..any.clone() }, vec![4, 5, 7, 8, 9, 10, 11]),
        (CallFilter { status: Some("Complete".to_owned()), ..any.clone() }, vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|it| format!("call-{it}.wav")).collect();
        // In pages of two.
        let mut seen = Vec::new();
        let mut after = 0;
        loop {
            let page = db.ledger().calls(&filter, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.call;
            seen.extend(page.into_iter().map(|call| call.audio_name));
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
    let unknown = db.ledger().calls(&CallFilter { batch: BatchId(99), ..any }, 0, 2).await;
    assert!(matches!(unknown, Err(LedgerError::NoSuchBatch(BatchId(99)))));
}

#[rstest]
#[tokio::test]
async fn calls_of_an_earlier_service_are_listed_whatever_they_lack(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    db.execute("INSERT INTO batchStatus (id, batchDate) VALUES (40, '01-01-2020')").await;
    db.execute("INSERT INTO `call` (batchId, status) VALUES (40, NULL)").await;
    let filter = CallFilter { batch: BatchId(40), status: None, identified: None };
    let calls = db.ledger().calls(&filter, 0, 10).await.unwrap();
    assert!(matches!(&calls[..], [call] if call.audio_name.is_empty() && call.status.is_empty()));
}

#[rstest]
#[tokio::test]
async fn ready_calls_are_pending_and_identified(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, _) = mixed(on).await;
    db.execute("UPDATE `call` SET status = 'Complete' WHERE audioName = 'call-6.wav'").await;
    let ready = db.column("SELECT audioName FROM cofiReadyCall ORDER BY id").await;
    assert_eq!(ready, ["call-7.wav", "call-8.wav"]);
}

#[rstest]
#[tokio::test]
async fn the_contracts_queries_tell_how_far_a_batch_is(#[values(Sqlite, MariaDb)] on: Engine) {
    let (db, batch) = mixed(on).await;
    let progress = db
        .record(&format!(
            "SELECT COUNT(*) AS total, SUM(CASE WHEN lang = 'unknown' THEN 1 ELSE 0 END) AS pending_lid, \
             SUM(CASE WHEN lang != 'unknown' THEN 1 ELSE 0 END) AS lid_complete \
             FROM `call` WHERE batchId = {batch}"
        ))
        .await;
    assert_eq!([&progress["total"], &progress["pending_lid"], &progress["lid_complete"]], ["9", "6", "3"]);
}

#[rstest]
#[tokio::test]
async fn highlights_are_the_languages_and_the_newest_failures(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 40).await;
    scene::record(db.ledger(), batch, 0..30, "a").await;
    let mut results: Vec<_> = (0..3).map(|ordinal| scene::identified(batch, ordinal, 1, "hi")).collect();
    results.extend((3..5).map(|ordinal| scene::identified(batch, ordinal, 1, "en")));
    scene::apply(db.ledger(), &results).await;
    for ordinal in 5..14 {
        let failed = [scene::undecodable(batch, ordinal, 1)];
        db.ledger().apply_results(&failed, scene::NOW + ordinal).await.unwrap();
    }
    db.ledger().fail_placements(&[scene::unplaceable(batch, 35)], scene::NOW + 8).await.unwrap();
    db.ledger().fail_placements(&[scene::unplaceable(batch, 36)], scene::NOW).await.unwrap();
    let highlights = db.ledger().highlights(batch).await.unwrap();
    assert_eq!(highlights.languages, [("hi".to_owned(), 3), ("en".to_owned(), 2)]);
    let failed: Vec<i64> = highlights.failures.iter().map(|failure| failure.ordinal).collect();
    assert_eq!(failed, [13, 12, 11, 10, 9, 35, 8, 7, 6, 5]);
    assert_eq!(highlights.failures[5].code, "source_changed");
    assert_eq!(highlights.failures[5].reason, "its size is 0, was 1000");
}

#[rstest]
#[tokio::test]
async fn agent_is_written_once_and_kept_up_to_date(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let agent = AgentRecord {
        name: "gpu-2".parse().unwrap(),
        storage_id: "one".to_owned(),
        advertise_address: "10.0.0.2".to_owned(),
        version: "0.1.0".to_owned(),
        connected: true,
        last_seen: 1,
    };
    db.ledger().put_agent(&agent).await.unwrap();
    let again = AgentRecord { storage_id: "two".to_owned(), last_seen: 2, ..agent };
    db.ledger().put_agent(&again).await.unwrap();
    db.ledger().put_agent(&AgentRecord { name: "gpu-1".parse().unwrap(), ..again.clone() }).await.unwrap();
    assert_eq!(db.ledger().agent(&again.name).await.unwrap(), again);
    let names =
        |agents: Vec<AgentRecord>| agents.into_iter().map(|it| it.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(db.ledger().agents("", 10).await.unwrap()), ["gpu-1", "gpu-2"]);
    assert_eq!(names(db.ledger().agents("gpu-1", 10).await.unwrap()), ["gpu-2"]);

    db.ledger().agent_left(&again.name, 9).await.unwrap();
    let left = db.ledger().agent(&again.name).await.unwrap();
    assert_eq!((left.connected, left.last_seen), (false, 9));
    let unknown = db.ledger().agent(&"gpu-9".parse().unwrap()).await;
    assert!(matches!(unknown, Err(LedgerError::NoSuchAgent(_))), "{unknown:?}");
}

#[rstest]
#[tokio::test]
async fn holders_of_what_is_not_identified_are_told_with_their_numbers(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let batch = scene::batch_of(db.ledger(), 10).await;
    scene::record(db.ledger(), batch, 0..3, "b").await;
    scene::record(db.ledger(), batch, 3..8, "a").await;
    scene::apply(db.ledger(), &[scene::identified(batch, 0, 1, "hi"), scene::undecodable(batch, 3, 1)]).await;
    let holders = db.ledger().lid_holders(batch).await.unwrap();
    assert_eq!(holders, [("a".to_owned(), 4), ("b".to_owned(), 2)]);
}
