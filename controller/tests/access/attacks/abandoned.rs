//! Peers that do not go on with what they began.

use std::{
    iter::repeat_with,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::{
    frames::{Attacker, CONTINUATION, END_HEADERS, HEADERS, INITIAL_WINDOW, PING, Raw, frame},
    program::{Program, Working},
    scene::{admitted, attackers},
};

/// Whoever does not answer the question whether it lives is cut after 20 s, and
/// as long after it has filled all buffers on the way whoever reads nothing.
const LATEST: Duration = Duration::from_secs(45);
/// Of each attacker and kind: an agent has eight in all.
const CONNECTIONS: usize = 3;

/// Sends one part a second; after how long that was over.
async fn trickles(raw: &Raw, parts: impl IntoIterator<Item = Vec<u8>>) -> Duration {
    let since = Instant::now();
    for part in parts {
        raw.send(&part).await;
        if raw.is_cut_within(Duration::from_secs(1)).await.is_some() {
            return since.elapsed();
        }
        assert!(since.elapsed() < LATEST, "it may go on");
    }
    panic!("it came to its end");
}

/// Headers that go on by a frame a second, and by a byte a second; how long each
/// of them did.
async fn goes_slowly(attacker: &Attacker) -> [Duration; 2] {
    let [frames, bytes] = admitted(attacker, 2).await.try_into().ok().unwrap();
    let block = attacker.call();
    let more = block[10..].iter().map(|byte| frame(CONTINUATION, 0, 3, &[*byte]));
    let in_frames = std::iter::once(frame(HEADERS, 0, 3, &block[..10])).chain(more);
    let in_bytes = frame(HEADERS, END_HEADERS, 3, &block).into_iter().map(|byte| vec![byte]);
    tokio::join!(trickles(&frames, in_frames), trickles(&bytes, in_bytes)).into()
}

/// Fills what the controller may say before it is read, and asks on.
async fn is_deaf(attacker: &Attacker) -> Duration {
    let since = Instant::now();
    let raw = Raw::deaf(attacker).await;
    raw.ask(1, attacker, b"").await;
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(1_000);
    let sending = async { while raw.send(&pings).await {} };
    timeout(LATEST, sending).await.expect("it may go on");
    since.elapsed()
}

/// Has many calls answered, and no window for the answers.
async fn takes_nothing(attacker: &Attacker) -> (Raw, u64) {
    let raw = Raw::open(attacker, &[(INITIAL_WINDOW, 0)]).await;
    for call in 0..64 {
        raw.ask(2 * call + 1, attacker, b"").await;
    }
    raw.sees(|seen| seen.answers() >= 64).await;
    let answers = raw.seen.answers();
    (raw, answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_go_on_is_cut_or_costs_next_to_nothing() {
    let program = Program::start().await;
    let mut agent = Working::begin(&program, "gpu-01").await;
    let [nobody, viewer, machine] = attackers(&program).await;
    let before = program.measure();

    let mut idle = Vec::new();
    for attacker in [&viewer, &machine] {
        idle.push(takes_nothing(attacker).await);
    }
    let deaf =
        async |attacker: &Attacker| join_all(repeat_with(|| is_deaf(attacker)).take(CONNECTIONS)).await;
    let during = async {
        for _ in 0..10 {
            sleep(Duration::from_secs(1)).await;
            program.answers().await;
            agent.goes_on().await;
        }
        let during = program.measure();
        eprintln!("{before:?}, during {during:?}");
        assert!(during.kib < before.kib + 64 * 1024, "{before:?}, {during:?}");
    };
    let (by_nobody, by_viewer, by_machine, deaf_viewer, deaf_machine, ()) = tokio::join!(
        goes_slowly(&nobody),
        goes_slowly(&viewer),
        goes_slowly(&machine),
        deaf(&viewer),
        deaf(&machine),
        during
    );
    eprintln!("slow headers: {by_nobody:?}, {by_viewer:?}, {by_machine:?}");
    eprintln!("deaf: {deaf_viewer:?}, {deaf_machine:?}");
    // A stranger has ten seconds in all.
    assert!(by_nobody[1] < Duration::from_secs(12), "{by_nobody:?}");
    for [in_frames, in_bytes] in [by_nobody, by_viewer, by_machine] {
        assert!(in_frames < Duration::from_secs(8) && in_bytes > in_frames, "{in_frames:?}, {in_bytes:?}");
    }
    // Those who take nothing answer the question whether they live: they stay.
    for (raw, answers) in idle {
        assert!(!raw.seen.ended() && answers == 64, "{:?}", raw.seen);
    }
    agent.goes_on().await;
    program.recovers(before).await;
}
