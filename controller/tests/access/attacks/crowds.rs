//! Many connections at once.

use std::{iter::repeat_with, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::TcpStream, time::Instant};

use super::{
    frames::{Attacker, Raw},
    program::Program,
    scene::{Scene, admitted},
};
use crate::house::tls;

const CROWD: usize = 2_000;

/// As many files as a crowd needs.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_that_say_nothing_keep_nobody_out() {
    raise_open_files();
    let (mut scene, [nobody, _, agent]) = Scene::set_alone().await;
    for attacker in [nobody, agent] {
        let crowd = async {
            let since = Instant::now();
            let connecting = repeat_with(|| TcpStream::connect(attacker.address)).take(CROWD);
            let streams: Vec<_> = stream::iter(connecting).buffer_unordered(64).collect().await;
            tokio::time::sleep(Duration::from_millis(1_500).saturating_sub(since.elapsed())).await;
            streams.iter().filter(|stream| stream.is_ok()).count()
        };
        let came = scene.attack(&format!("{CROWD} silent, as {}", attacker.name), [crowd]).await;
        assert_eq!(came, [CROWD]);
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_that_are_through_tls_keep_nobody_out() {
    raise_open_files();
    let (mut scene, [nobody, _, agent]) = Scene::set_alone().await;
    for (attacker, size) in [(nobody, CROWD), (agent, CROWD / 5)] {
        let crowd = async {
            let since = Instant::now();
            let dialling = repeat_with(|| tls(attacker.address, attacker.tls.clone())).take(size);
            let streams: Vec<_> = stream::iter(dialling).buffer_unordered(64).collect().await;
            (streams.iter().filter(|stream| stream.is_ok()).count(), since.elapsed())
        };
        let through = scene.attack(&format!("{size} through TLS, as {}", attacker.name), [crowd]).await;
        eprintln!("  {through:?} are through");
    }
    scene.ends().await;
}

/// Connections of an attacker that go on.
fn alive(raws: &[Raw]) -> usize {
    raws.iter().filter(|raw| !raw.seen.ended()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_give_anybody_all_connections() {
    let program = Program::start_with(&["--max-connections", "64"], None).await;
    let (mut scene, [nobody, viewer, _]) = Scene::of(program).await;
    let mut raws = Vec::new();
    // Few at a time: strangers have half of 16 connections.
    let hold = async {
        for _ in 0..10 {
            raws.extend(admitted(&viewer, 4).await);
        }
    };
    scene.attack("connections of a viewer", [hold]).await;
    eprintln!("  {} of {} go on", alive(&raws), raws.len());
    assert!((8..=16).contains(&alive(&raws)));
    // Nor together with strangers.
    let strangers = join_all(repeat_with(|| Raw::try_open(&nobody, &[])).take(40)).await;
    let strangers: Vec<Raw> = strangers.into_iter().filter_map(Result::ok).collect();
    scene.attack("and of strangers", [std::future::ready(())]).await;
    eprintln!("  {} of a viewer and {} of strangers go on", alive(&raws), alive(&strangers));
    drop((raws, strangers));
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_go_on_are_counted_by_who_makes_them() {
    let (mut scene, [nobody, viewer, agent]) = Scene::set().await;
    for (attacker, most) in [(nobody, 8 * 8), (viewer, 256), (agent, 64)] {
        let path =
            if attacker.name == "agent" { "/cofi.agent.v1.AgentService/Session" } else { attacker.path };
        let attacker = Attacker { path, ..attacker };
        let asking = repeat_with(|| open_calls(&attacker)).take(8);
        let raws: Vec<Raw> = scene.attack(&format!("calls of {}", attacker.name), asking).await;
        let refused: u64 = raws.iter().map(|raw| raw.seen.answers()).sum();
        eprintln!("  {refused} of {} were refused", 64 * raws.len());
        assert_eq!(refused, 64 * 8 - most, "{}", attacker.name);
    }
    scene.ends().await;
}

/// Calls without an end, as many as a connection may have.
async fn open_calls(attacker: &Attacker) -> Raw {
    use super::frames::{END_HEADERS, HEADERS, frame};

    let raw = Raw::open(attacker, &[]).await;
    for call in 0..64 {
        raw.send(&frame(HEADERS, END_HEADERS, 2 * call + 1, &attacker.call())).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    raw
}
