//! What is not so.

use std::time::{Duration, Instant};

use cofi_proto::pb::{
    agent::{self as pb, from_agent, from_controller, identity_service_client::IdentityServiceClient},
    v1::{AuditEntry, BatchState, ListAuditRequest, access_service_client::AccessServiceClient},
};
use tokio::time::{sleep, timeout};
use tonic::Code;

use super::{
    honest::{Honest, Work},
    wire::{Machine, identified, refused, stored},
};
use crate::attacks::{
    frames::{Attacker, DATA, END_HEADERS, HEADERS, Raw, frame, message},
    hello,
    program::Program,
};

const FILES: usize = 60;

/// What was refused, as the audit has it.
async fn denied(program: &Program, what: impl Fn(&AuditEntry) -> bool) -> AuditEntry {
    let mut access = AccessServiceClient::new(program.operator().await);
    let since = Instant::now();
    loop {
        let request = ListAuditRequest { denied_only: true, ..ListAuditRequest::default() };
        let entries = access.list_audit(request).await.unwrap().into_inner().entries;
        if let Some(found) = entries.iter().find(|entry| what(entry)) {
            return found.clone();
        }
        assert!(since.elapsed() < Duration::from_secs(20), "not audited: {entries:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

fn failed(recording: pb::RecordingId, class: pb::FailureClass) -> pb::LidResult {
    let failure = pb::LidFailure {
        code: "undecodable".to_owned(),
        reason: "a lie".to_owned(),
        attempts: 1,
        class: class.into(),
    };
    pb::LidResult {
        recording: Some(recording),
        round: 1,
        digest: bytes::Bytes::new(),
        outcome: Some(pb::lid_result::Outcome::Failure(failure)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_hold_is_theirs_whatever_a_machine_says() {
    let program = Program::start().await;
    let work = Work::plan(&program, FILES).await;
    let honest = Honest::begin(&program, "honest", Duration::ZERO).await;
    let everything = u64::try_from(FILES).unwrap();
    work.until("all to be stored", |batch| batch.counts.unwrap().stored == everything).await;
    let before = work.recordings().await;
    let theirs: Vec<(pb::RecordingId, Vec<u8>, u64)> = before
        .iter()
        .map(|recording| {
            let id = pb::RecordingId { batch_id: work.batch, ordinal: recording.ordinal };
            (id, recording.digest.clone(), recording.size_bytes)
        })
        .collect();
    let nobodys = pb::RecordingId { batch_id: 4_711, ordinal: 0 };

    let machine = Machine::join(&program, "hostile").await;
    let mut session = machine.begin().await;
    // It holds what the other one holds, with the right digests and with wrong
    // ones, and what there is not.
    let mut held: Vec<pb::Held> = theirs
        .iter()
        .map(|(id, digest, size)| pb::Held {
            recording: Some(*id),
            audio_name: "call.wav".to_owned(),
            size_bytes: *size,
            digest: if id.ordinal % 2 == 0 { digest.clone() } else { vec![7; 16] }.into(),
        })
        .collect();
    held.push(pb::Held { recording: Some(nobodys), ..held[0].clone() });
    session.holds(held).await;
    let mut released = 0;
    while released < FILES + 1 {
        match session.hears().await {
            Some(from_controller::Message::Release(group)) => released += group.recordings.len(),
            heard => panic!("{heard:?}"),
        }
    }
    // It has identified them, in any round and with any digest, and failed on
    // them, and on what there is not.
    let mut results = Vec::new();
    for (id, digest, _) in &theirs {
        for round in [1, 2, i32::MAX] {
            results.push(identified(*id, round, "fr", digest));
        }
        results.push(identified(*id, 1, "fr", &[]));
        results.push(failed(*id, pb::FailureClass::Recording));
        results.push(failed(*id, pb::FailureClass::Agent));
    }
    results.push(identified(nobodys, 1, "fr", &[]));
    for results in results.chunks(100) {
        session.say(from_agent::Message::Results(pb::ResultGroup { results: results.to_vec() })).await;
    }
    // It has removed them, and answers what nobody asked.
    let ids: Vec<pb::RecordingId> = theirs.iter().map(|(id, ..)| *id).collect();
    session.say(from_agent::Message::Removed(pb::RemovedGroup { recordings: ids.clone() })).await;
    for request in 0..20 {
        let verified = |id: &pb::RecordingId| pb::Verified {
            recording: Some(*id),
            state: Some(pb::verified::State::Absent(pb::Absent {})),
        };
        let group = pb::VerifiedGroup { request, recordings: ids.iter().map(verified).collect() };
        session.say(from_agent::Message::Verified(group)).await;
        let list = pb::HeldList { request, recordings: ids.clone(), last: true, unknown_files: 9 };
        session.say(from_agent::Message::HeldList(list)).await;
    }
    // It acknowledges and refuses what was sent to others, and what never was.
    let lane = machine.lane(&session.token).await.unwrap();
    for generation in [0, 1, 2, u64::MAX] {
        let deliveries = (0..200).map(|sequence| pb::DeliveryId { generation, sequence });
        let (id, digest, size) = &theirs[usize::try_from(generation % 2).unwrap()];
        assert_eq!(id.batch_id, work.batch);
        lane.report(deliveries.clone().map(|delivery| stored(delivery, *size, digest)).collect()).await;
        let refusals = deliveries.map(|delivery| refused(delivery, pb::RefusalCode::Integrity));
        lane.report(refusals.collect()).await;
    }
    // All of it is heard before this is answered; of its results only those that
    // change nothing are settled.
    let marker = identified(nobodys, 7, "fr", &[]);
    session.say(from_agent::Message::Results(pb::ResultGroup { results: vec![marker] })).await;
    loop {
        let Some(from_controller::Message::ResultReceipts(group)) = session.hears().await else {
            panic!("the session has ended")
        };
        if group.receipts.iter().any(|receipt| receipt.round == 7) {
            break;
        }
    }
    let after = work.recordings().await;
    assert_eq!(after, before, "rows of the honest machine have changed");

    honest.identifies();
    work.is_complete().await;
    work.is_all_of("honest").await;
    assert!(!program.log().contains("ERROR"), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_who_its_certificate_says_and_nobody_else() {
    let program = Program::start().await;
    let other = Machine::join(&program, "honest").await;
    let session = other.begin().await;
    let machine = Machine::join(&program, "hostile").await;
    let own = machine.begin().await;
    assert_ne!(own.token, session.token);

    let refused = machine.begin_as(hello("honest")).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let entry = denied(&program, |entry| entry.target == "agent:honest").await;
    assert_eq!((entry.actor.as_str(), entry.action.as_str()), ("agent:hostile", "AgentService.Session"));

    // The token of another one's session is of no use to it.
    for token in [&session.token, &bytes::Bytes::new(), &bytes::Bytes::from(vec![7; 500_000])] {
        let refused = machine.lane(token).await.err().unwrap();
        assert_eq!(refused.code(), Code::Aborted, "{refused}");
    }
    assert!(machine.lane(&own.token).await.is_ok());
    assert!(other.lane(&session.token).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_its_session_and_no_other() {
    let program = Program::start().await;
    let other = Machine::join(&program, "honest").await;
    let mut untouched = other.begin().await;
    let machine = Machine::join(&program, "hostile").await;

    let id = pb::RecordingId { batch_id: 1, ordinal: 1 };
    let held = pb::Held {
        recording: Some(id),
        audio_name: "a.wav".to_owned(),
        size_bytes: 1,
        digest: vec![7; 16].into(),
    };
    let groups = [
        from_agent::Message::Held(pb::HeldPage { recordings: vec![held.clone(); 1_001], last: true }),
        from_agent::Message::Held(pb::HeldPage { recordings: vec![pb::Held::default()], last: true }),
        from_agent::Message::Results(pb::ResultGroup { results: vec![identified(id, 1, "fr", &[]); 501] }),
        from_agent::Message::Results(pb::ResultGroup { results: vec![pb::LidResult::default()] }),
        from_agent::Message::Removed(pb::RemovedGroup { recordings: vec![id; 1_001] }),
        from_agent::Message::Verified(pb::VerifiedGroup {
            request: 1,
            recordings: vec![pb::Verified::default()],
        }),
        from_agent::Message::HeldList(pb::HeldList {
            recordings: vec![id; 1_001],
            ..pb::HeldList::default()
        }),
        from_agent::Message::Heartbeat(pb::Heartbeat::default()),
        from_agent::Message::Hello(hello("hostile")),
    ];
    for group in groups {
        let mut session = machine.begin().await;
        session.say(group.clone()).await;
        assert_eq!(session.hears().await, None, "{group:?}");
    }
    // Hellos that are none.
    let hellos = [
        pb::Hello { name: "x".repeat(900_000), ..hello("hostile") },
        pb::Hello { database_id: "x".repeat(900_000), ..hello("hostile") },
        pb::Hello { version: "x".repeat(900_000), ..hello("hostile") },
        pb::Hello { storage_id: "\u{202e}\n".repeat(100), ..hello("hostile") },
        pb::Hello { weight: u32::MAX, ..hello("hostile") },
        pb::Hello { receive_connections: 1_000, ..hello("hostile") },
        pb::Hello { protocol: 99, ..hello("hostile") },
        pb::Hello { heartbeat: None, ..hello("hostile") },
    ];
    for (number, hello) in hellos.into_iter().enumerate() {
        let refused = machine.begin_as(hello).await.err().unwrap();
        let codes = [Code::InvalidArgument, Code::FailedPrecondition];
        assert!(codes.contains(&refused.code()), "{number}: {:?}", refused.code());
        assert!(refused.message().len() < 2_000, "{number}: {} bytes of words", refused.message().len());
    }
    // Reports that are too many, or none.
    let mut session = machine.begin().await;
    for reports in
        [vec![pb::DeliveryReport::default()], vec![stored(pb::DeliveryId::default(), 1, &[7; 16]); 1_025]]
    {
        let mut lane = machine.lane(&session.token).await.unwrap();
        lane.report(reports).await;
        let ended = timeout(Duration::from_secs(5), lane.pieces.message()).await.expect("the lane goes on");
        assert!(!matches!(ended, Ok(Some(_))));
        session = machine.begin().await;
    }
    // Bytes.
    let attacker = Attacker {
        name: "hostile",
        address: program.agents,
        tls: program.agent_tls("garbage").await,
        token: None,
        path: "",
    };
    for path in [
        "/cofi.agent.v1.AgentService/Session",
        "/cofi.agent.v1.AgentService/Receive",
        "/cofi.agent.v1.IdentityService/Renew",
    ] {
        let attacker = Attacker { path, ..attacker.clone() };
        for garbage in [&[0xff; 1_000][..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 10], b""] {
            let raw = Raw::open(&attacker, &[]).await;
            raw.send(&frame(HEADERS, END_HEADERS, 1, &attacker.call())).await;
            raw.send(&frame(DATA, 1, 1, &message(garbage))).await;
            raw.sees(|seen| seen.answers() > 0).await;
        }
    }
    // The other one heard nothing of it.
    untouched.holds(vec![]).await;
    assert!(timeout(Duration::from_millis(200), untouched.down.message()).await.is_err());
    IdentityServiceClient::new(other.channel.clone()).get_trust(pb::GetTrustRequest {}).await.unwrap();
    assert!(!program.log().contains("ERROR"), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_refuses_everything_does_not_fail_a_batch_that_others_take() {
    // The last one acknowledges what it has not got.
    for code in [Some(pb::RefusalCode::Integrity), Some(pb::RefusalCode::DiskFull), None] {
        let program = Program::start().await;
        let machine = Machine::join(&program, "hostile").await;
        let session = machine.begin().await;
        session.holds(vec![]).await;
        let mut lane = machine.lane(&session.token).await.unwrap();
        let honest = Honest::begin(&program, "honest", Duration::from_millis(1)).await;
        honest.identifies();
        sleep(Duration::from_millis(300)).await;
        let work = Work::plan(&program, 800).await;
        let refusing = async {
            while let Ok(Some(piece)) = lane.pieces.message().await {
                if piece.tail.is_some() {
                    let delivery = piece.delivery.unwrap();
                    let report =
                        code.map_or_else(|| stored(delivery, 1, &[7; 16]), |code| refused(delivery, code));
                    lane.report(vec![report]).await;
                }
            }
        };
        tokio::select! {
            () = refusing => panic!("its stream ended"),
            batch = work.until("the batch to rest", |batch| {
                [BatchState::Complete, BatchState::CompleteWithFailures].contains(&batch.state())
            }) => {
                assert_eq!(batch.state(), BatchState::Complete, "{code:?}: {:?}", batch.newest_failures);
            }
        }
        work.is_all_of("honest").await;
        drop(session);
    }
}
