//! Peers that speak HTTP/2 as it must not be spoken, or too much of it.

use std::time::{Duration, Instant};

use super::{
    frames::{
        Attacker, CONTINUATION, DATA, END_HEADERS, HEADERS, INITIAL_WINDOW, PING, RST_STREAM, Raw, SETTINGS,
        WINDOW_UPDATE, announced, frame, header, settings,
    },
    scene::{Scene, admitted},
};

/// For how long a flood goes on.
const FLOOD: Duration = Duration::from_secs(1);
/// Connections that it comes on.
const CONNECTIONS: usize = 4;
/// Streams that a connection may have at a time.
const STREAMS: u32 = 64;

/// Codes of RFC 9113.
const PROTOCOL_ERROR: i64 = 1;
const FLOW_CONTROL_ERROR: i64 = 3;
const REFUSED_STREAM: i64 = 7;
const ENHANCE_YOUR_CALM: i64 = 11;

/// HPACK: the header that was put into the table last.
const INDEXED: u8 = 0xbe;

fn stream(number: u32) -> u32 {
    2 * number + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_frames_hold_up_nobody_else() {
    let (mut scene, attackers) = Scene::set_alone().await;
    for attacker in &attackers {
        let floods = [
            ("SETTINGS", frame(SETTINGS, 0, 0, &[]), None),
            ("PING", frame(PING, 0, 0, &[7; 8]), None),
            ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()), None),
            ("empty DATA", frame(DATA, 0, 3, &[]), Some(ENHANCE_YOUR_CALM)),
        ];
        for floods in floods.chunks(2) {
            let raws = admitted(attacker, floods.len()).await;
            let flood = raws.iter().zip(floods).map(async |(raw, (_, bytes, _))| {
                raw.send(&frame(HEADERS, END_HEADERS, 3, &attacker.call())).await;
                raw.repeat(&bytes.repeat(500), FLOOD).await
            });
            let names: Vec<&str> = floods.iter().map(|(name, ..)| *name).collect();
            let sent = scene.attack(&format!("{names:?} of {}", attacker.name), flood).await;
            eprintln!("  {sent:?} times 500");
            for (raw, (name, _, end)) in raws.iter().zip(floods) {
                assert_eq!(raw.seen.goaway(), *end, "{name} of {}", attacker.name);
            }
        }
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_taken_back_at_once_end_the_connection() {
    let (mut scene, attackers) = Scene::set().await;
    for attacker in &attackers {
        let raws = admitted(attacker, CONNECTIONS).await;
        let resets = raws.iter().map(|raw| async move {
            let since = Instant::now();
            for round in 0..10_000 {
                let streams = (2 + round * 50..).take(50).map(stream);
                let pair = |stream| {
                    let mut bytes = frame(HEADERS, END_HEADERS, stream, &attacker.call());
                    bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
                    bytes
                };
                if !raw.send(&streams.flat_map(pair).collect::<Vec<u8>>()).await {
                    return (round * 50, since.elapsed());
                }
            }
            panic!("it may go on");
        });
        let told = scene.attack(&format!("resets of {}", attacker.name), resets).await;
        eprintln!("  {told:?}");
        assert!(raws.iter().all(|raw| raw.seen.goaway() == Some(ENHANCE_YOUR_CALM)), "{}", attacker.name);
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_an_end_or_too_many_of_them_are_not_taken() {
    let (mut scene, attackers) = Scene::set().await;
    for attacker in &attackers {
        let raws = admitted(attacker, CONNECTIONS).await;
        let more = [header("x", &[b'a'; 100]), vec![]];
        let endless = raws.iter().zip(more.iter().cycle()).map(async |(raw, more)| {
            raw.send(&frame(HEADERS, 0, 3, &attacker.call())).await;
            raw.repeat(&frame(CONTINUATION, 0, 3, more).repeat(20), FLOOD).await
        });
        let sent = scene.attack(&format!("CONTINUATION of {}", attacker.name), endless).await;
        eprintln!("  {sent:?} times 20");
        assert!(raws.iter().all(|raw| raw.seen.goaway() == Some(ENHANCE_YOUR_CALM)), "{}", attacker.name);
        drop(raws);

        // More than 16 KiB; and a bomb: a header that stands in the table, and is
        // meant ten thousand times.
        let long = [attacker.call(), header("x", &[b'a'; 10_000]), header("y", &[b'a'; 10_000])].concat();
        let mut entry = header("x", &[b'a'; 3_000]);
        entry[0] = 0x40;
        let bomb = [attacker.call(), entry, vec![INDEXED; 10_000]].concat();
        let raws = admitted(attacker, CONNECTIONS).await;
        let lists = raws.iter().zip([&long, &bomb].into_iter().cycle()).map(async |(raw, block)| {
            let (first, rest) = block.split_at(block.len() / 2);
            for call in 1..30 {
                raw.send(&frame(HEADERS, 0, stream(call), first)).await;
                raw.send(&frame(CONTINUATION, END_HEADERS, stream(call), rest)).await;
            }
        });
        scene.attack(&format!("lists of {}", attacker.name), lists).await;
        for raw in &raws {
            raw.sees(|seen| seen.ended() || seen.reset() == Some(PROTOCOL_ERROR)).await;
        }
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_and_streams_have_the_limits_that_were_announced() {
    let (scene, attackers) = Scene::set().await;
    for attacker in &attackers {
        // Those that end a connection.
        let most = 0x7fff_ffff_u32.to_be_bytes();
        let wrong = [
            ("window", frame(WINDOW_UPDATE, 0, 0, &most), FLOW_CONTROL_ERROR),
            ("no more window", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), PROTOCOL_ERROR),
            ("setting", frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW, u32::MAX)])), PROTOCOL_ERROR),
        ];
        for (name, bytes, code) in wrong {
            let [raw] = admitted(attacker, 1).await.try_into().ok().unwrap();
            raw.send(&bytes).await;
            raw.is_cut_within(Duration::from_secs(2)).await.expect(name);
            assert_eq!(raw.seen.goaway(), Some(code), "{name} of {}", attacker.name);
        }
        // More data than there is room for.
        let [raw] = admitted(attacker, 1).await.try_into().ok().unwrap();
        raw.send(&frame(HEADERS, END_HEADERS, 3, &attacker.call())).await;
        raw.repeat(&frame(DATA, 0, 3, &[0; 16_384]), FLOOD).await;
        assert!(raw.seen.ended() || raw.seen.resets() > 0, "{}: {:?}", attacker.name, raw.seen);
        if attacker.name == "nobody" {
            // It is not left that many calls.
            continue;
        }
        // More streams: those beyond are refused, the others go on.
        let [raw] = admitted(attacker, 1).await.try_into().ok().unwrap();
        for call in 1..STREAMS + 11 {
            raw.send(&frame(HEADERS, END_HEADERS, stream(call), &attacker.call())).await;
        }
        raw.sees(|seen| seen.reset() == Some(REFUSED_STREAM)).await;
        assert!(!raw.seen.ended(), "{}", attacker.name);
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_do_not_come_to_an_end_fill_no_memory() {
    let (mut scene, [nobody, viewer, agent]) = Scene::set_alone().await;
    let enrol = Attacker { path: "/cofi.v1.EnrolmentService/Enrol", ..nobody.clone() };
    let reflection =
        Attacker { path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ..viewer.clone() };
    let batches = Attacker { path: "/cofi.v1.BatchService/ListBatches", ..viewer.clone() };
    let session = Attacker { path: "/cofi.agent.v1.AgentService/Session", ..agent };
    for attacker in [nobody, enrol, reflection, batches, session] {
        // One that is announced longer than it may be is refused at once.
        let raw = Raw::open(&attacker, &[]).await;
        raw.send(&frame(HEADERS, END_HEADERS, 1, &attacker.call())).await;
        raw.send(&frame(DATA, 0, 1, &announced(1024 * 1024 + 1, b"x"))).await;
        raw.sees(|seen| seen.answers() > 0).await;
        drop(raw);

        // Ones that are just short enough, and do not come to their end.
        let mut raws = Vec::new();
        for _ in 0..8 {
            raws.push(Raw::open(&attacker, &[]).await);
        }
        let pouring = raws.iter().map(|raw| async {
            for call in 0..STREAMS {
                raw.send(&frame(HEADERS, END_HEADERS, stream(call), &attacker.call())).await;
                raw.pour(stream(call), &announced(1024 * 1024 - 100, b"x")).await;
            }
            let (mut poured, until) = (0, tokio::time::sleep(FLOOD));
            tokio::pin!(until);
            loop {
                for call in 0..STREAMS {
                    tokio::select! {
                        () = &mut until => return poured,
                        there = raw.pour(stream(call), &[7; 16_000]) => if !there { return poured },
                    }
                    poured += 16_000;
                }
                if poured >= 15 * 16_000 * STREAMS {
                    // No stream's window has room for more.
                    until.await;
                    return poured;
                }
            }
        });
        let what = format!("messages of {} to {}", attacker.name, attacker.path);
        let poured = scene.attack(&what, pouring).await;
        eprintln!("  {poured:?} bytes, {:?}", raws[0].seen);
    }
    scene.ends().await;
}
