//! Peers that come and do not get as far as HTTP/2.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use cofi_proto::pb::v1::{ListAgentsRequest, fleet_service_client::FleetServiceClient};
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    frames::{Attacker, PREFACE, Raw},
    program::{Program, Working},
    scene::attackers,
};
use crate::house::tls;

/// Of each kind, at each listener.
const CONNECTIONS: usize = 20;

/// Reads until the other end is heard no more; after how long.
async fn cut(mut stream: impl AsyncRead + Unpin) -> Duration {
    let (since, mut ignored) = (Instant::now(), [0; 1024]);
    let reading = async { while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {} };
    timeout(Duration::from_secs(20), reading).await.expect("it is never cut");
    since.elapsed()
}

/// The first record of a handshake.
fn client_hello(config: Arc<ClientConfig>) -> Vec<u8> {
    let mut connection = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut record = Vec::new();
    connection.write_tls(&mut record).unwrap();
    record
}

/// Connections that say this and nothing more; after how long the first and the
/// last of them were cut.
async fn say(addresses: [SocketAddr; 2], words: &[u8]) -> (Duration, Duration) {
    let mut streams = Vec::new();
    for address in addresses.into_iter().cycle().take(2 * CONNECTIONS) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(words).await.unwrap();
        streams.push(stream);
    }
    let mut times = Vec::new();
    let mut cutting: tokio::task::JoinSet<Duration> = streams.into_iter().map(cut).collect();
    while let Some(time) = cutting.join_next().await {
        times.push(time.unwrap());
    }
    (times.iter().min().copied().unwrap(), times.iter().max().copied().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_a_handshake_is_cut_and_holds_up_nobody() {
    let program = Program::start().await;
    let mut agent = Working::begin(&program, "gpu-01").await;
    let before = program.measure();
    let hello = client_hello(program.operator_tls());
    let addresses = [program.control, program.agents];
    let attack = async {
        tokio::join!(
            say(addresses, b""),
            say(addresses, &hello),
            say(addresses, &hello[..3]),
            say(addresses, &hello[..hello.len() / 2]),
            say(addresses, PREFACE),
            say(addresses, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        )
    };
    let during = async {
        sleep(Duration::from_secs(1)).await;
        let took = program.answers().await;
        agent.goes_on().await;
        eprintln!("an operator was answered in {took:?}, {:?}", program.measure());
    };
    let (cut, ()) = tokio::join!(attack, during);
    eprintln!("first and last cut: {cut:?}");
    let (silent, hello, three, half, http2, http1) = cut;
    for (kind, (first, last)) in [("silence", silent), ("hello", hello), ("3 bytes", three), ("half", half)] {
        assert!(
            first > Duration::from_secs(4) && last < Duration::from_secs(8),
            "{kind}: {first:?}, {last:?}"
        );
    }
    for (kind, (_, last)) in [("HTTP/2", http2), ("HTTP/1", http1)] {
        assert!(last < Duration::from_secs(4), "{kind} without TLS: {last:?}");
    }
    agent.goes_on().await;
    program.recovers(before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_resets_leaves_nothing_behind() {
    let program = Program::start().await;
    let mut agent = Working::begin(&program, "gpu-01").await;
    let before = program.measure();
    for round in 0..1_000 {
        let address = if round % 2 == 0 { program.control } else { program.agents };
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_zero_linger().unwrap();
        if round % 100 == 0 {
            program.answers().await;
        }
    }
    agent.goes_on().await;
    program.recovers(before).await;
    assert!(!program.log().contains("ERROR") && !program.log().contains("WARN"), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_through_tls_has_to_speak_http2_and_to_make_a_call_soon() {
    let program = Program::start().await;
    let mut agent = Working::begin(&program, "gpu-01").await;
    let mut operator = FleetServiceClient::new(program.operator().await);
    operator.list_agents(ListAgentsRequest::default()).await.unwrap();
    let (control, agents) = (program.operator_tls(), program.agent_tls("gpu-02").await);
    let before = program.measure();

    for (address, config) in [(program.control, &control), (program.agents, &agents)] {
        let mut other = (**config).clone();
        for protocols in [vec![], vec![b"http/1.1".to_vec()]] {
            other.alpn_protocols = protocols;
            match tls(address, Arc::new(other.clone())).await {
                Ok(stream) => assert!(cut(stream).await < Duration::from_secs(2)),
                // It was told in the handshake.
                Err(error) => assert_ne!(error.kind(), ErrorKind::TimedOut),
            }
        }
    }

    let silent =
        async |address, config: &Arc<ClientConfig>| cut(tls(address, config.clone()).await.unwrap()).await;
    // One that makes calls which anybody may make goes on being a stranger.
    let [nobody, ..] = attackers(&program).await;
    let stranger = async {
        let raw = Raw::open(&nobody, &[]).await;
        let since = Instant::now();
        for stream in (1..).step_by(2) {
            raw.ask(stream, &nobody, b"").await;
            if raw.is_cut_within(Duration::from_millis(500)).await.is_some() {
                assert!(raw.seen.answers() > 5, "{:?}", raw.seen);
                break;
            }
        }
        since.elapsed()
    };
    // One that was refused does, too.
    let refused = async {
        let refused = Attacker { path: "/cofi.v1.FleetService/ListAgents", ..nobody.clone() };
        let raw = Raw::open(&refused, &[]).await;
        raw.ask(1, &refused, b"").await;
        raw.is_cut_within(Duration::from_secs(20)).await.expect("it is never cut")
    };
    let (first, second, stranger, refused) =
        tokio::join!(silent(program.control, &control), silent(program.agents, &agents), stranger, refused);
    eprintln!("cut after {first:?}, {second:?}, {stranger:?}, {refused:?}");
    for time in [first, second, stranger, refused] {
        assert!(time > Duration::from_secs(9) && time < Duration::from_secs(12), "{time:?}");
    }
    agent.goes_on().await;
    operator.list_agents(ListAgentsRequest::default()).await.unwrap();
    program.recovers(before).await;
}
