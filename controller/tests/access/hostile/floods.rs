//! Too much of it.

use std::time::{Duration, Instant};

use cofi_identity::{CertificateRequest, PrivateKey};
use cofi_proto::pb::agent::{self as pb, from_agent, identity_service_client::IdentityServiceClient};
use futures_util::future::join_all;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::{
    honest::{Honest, Work},
    wire::{Machine, identified},
};
use crate::attacks::program::{Program, heartbeat, hello};

/// What a flood may take of the controller's memory.
const ROOM_KIB: u64 = 192 * 1024;
/// For how long a machine does harm.
const FLOOD: Duration = Duration::from_secs(2);

async fn renew(machine: &Machine, key: &PrivateKey) -> Result<Vec<u8>, Status> {
    let request = CertificateRequest::write(key).unwrap();
    let request = pb::RenewRequest { certificate_request: request.into() };
    let renewed = IdentityServiceClient::new(machine.channel.clone()).renew(request).await?;
    Ok(renewed.into_inner().certificate.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_has_so_many_certificates_and_no_more() {
    let program = Program::start().await;
    let (machine, other) =
        (Machine::join(&program, "hostile").await, Machine::join(&program, "honest").await);
    let first = PrivateKey::generate().unwrap();
    let certificate = renew(&machine, &first).await.unwrap();
    let mut given = 2;
    let refused = loop {
        match renew(&machine, &PrivateKey::generate().unwrap()).await {
            Ok(_) => given += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((given, refused.code()), (16, Code::ResourceExhausted), "{refused}");
    assert!(refused.message().contains("cofi token create --join hostile"), "{refused}");
    // What it was given it can have again, and others are given theirs.
    assert_eq!(renew(&machine, &first).await.unwrap(), certificate);
    renew(&other, &PrivateKey::generate().unwrap()).await.unwrap();
    let again = Machine::join(&program, "hostile").await;
    renew(&again, &PrivateKey::generate().unwrap()).await.unwrap();
}

/// Floods a controller that an honest machine works with.
async fn flood(what: &str, harm: impl AsyncFn(&Machine, &Work)) {
    let program = Program::start_alone(&[], None).await;
    let honest = Honest::begin(&program, "honest", Duration::ZERO).await;
    honest.identifies();
    let machine = Machine::join(&program, "hostile").await;
    let before = program.measure();
    let work = Work::plan(&program, 500).await;
    let since = Instant::now();
    let during = async {
        work.is_complete().await;
        let done = since.elapsed();
        let answered = program.answers().await;
        let during = program.measure();
        eprintln!("{what}: the batch took {done:?}, an operator was answered in {answered:?}, {during:?}");
        assert!(during.kib < before.kib + ROOM_KIB, "{before:?}, {during:?}");
    };
    let harm = async {
        // Cut short whatever it does.
        timeout(FLOOD, harm(&machine, &work)).await.ok();
    };
    tokio::join!(harm, during);
    work.is_all_of("honest").await;
    drop(machine);
    drop(honest);
    assert!(program.log().lines().count() < 3_000, "{what}: {} lines of log", program.log().lines().count());
    assert!(!program.log().contains("ERROR"), "{}", program.log());
    program.recovers(before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_without_end_hold_up_nobody() {
    flood("sessions one after another", async |machine, _| {
        for session in 1.. {
            drop(machine.begin().await);
            if session % 100 == 0 {
                eprintln!("{session} sessions");
            }
        }
    })
    .await;
    flood("sessions at once", async |machine, _| {
        loop {
            let begun = join_all((0..60).map(|_| machine.begin_as(hello("hostile")))).await;
            eprintln!("{} of 60 sessions have begun", begun.iter().filter(|begun| begun.is_ok()).count());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_end_hold_up_nobody() {
    flood("heartbeats", async |machine, _| {
        let session = machine.begin().await;
        let mut beat = heartbeat();
        beat.engine.as_mut().unwrap().reason = "x".repeat(100_000);
        while session.say(from_agent::Message::Heartbeat(beat.clone())).await {}
    })
    .await;
    flood("results of what is on its way to others", async |machine, work| {
        let session = machine.begin().await;
        let recordings = (0..500).map(|ordinal| pb::RecordingId { batch_id: work.batch, ordinal });
        let results: Vec<_> = recordings.map(|recording| identified(recording, 1, "fr", &[])).collect();
        while session.say(from_agent::Message::Results(pb::ResultGroup { results: results.clone() })).await {}
    })
    .await;
    flood("offers", async |machine, work| {
        let session = machine.begin().await;
        let held = (0..500).map(|ordinal| pb::Held {
            recording: Some(pb::RecordingId { batch_id: work.batch, ordinal }),
            audio_name: "a.wav".to_owned(),
            size_bytes: 1,
            digest: vec![7; 16].into(),
        });
        // It does not read what it is told of them.
        let held: Vec<_> = held.collect();
        while session.holds(held.clone()).await {}
    })
    .await;
    flood("renewals", async |machine, _| {
        loop {
            let key = PrivateKey::generate().unwrap();
            join_all((0..32).map(|_| renew(machine, &key))).await;
        }
    })
    .await;
}
