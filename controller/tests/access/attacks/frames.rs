//! HTTP/2 (RFC 9113) by hand: a peer that says what no library would let it say.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;

use crate::house::tls;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Bytes that may be sent on a connection before the other end has said more.
const FIRST_WINDOW: i64 = 65_535;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The setting of the window that each stream begins with.
pub(crate) const INITIAL_WINDOW: u16 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The payload of SETTINGS.
pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let one = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    settings.iter().flat_map(one).collect()
}

/// A text of HPACK (RFC 7541), without Huffman's code.
fn text(text: &[u8], to: &mut Vec<u8>) {
    let mut length = text.len();
    if length < 0x7f {
        to.push(u8::try_from(length).unwrap());
    } else {
        to.push(0x7f);
        length -= 0x7f;
        while length >= 0x80 {
            to.push(u8::try_from(length % 0x80).unwrap() | 0x80);
            length /= 0x80;
        }
        to.push(u8::try_from(length).unwrap());
    }
    to.extend(text);
}

/// A header that goes into no table.
pub(crate) fn header(name: &str, value: &[u8]) -> Vec<u8> {
    let mut block = vec![0];
    text(name.as_bytes(), &mut block);
    text(value, &mut block);
    block
}

/// Somebody who does harm.
#[derive(Clone)]
pub(crate) struct Attacker {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) token: Option<String>,
    /// A call that it may make.
    pub(crate) path: &'static str,
}

impl Attacker {
    /// The headers of its call.
    pub(crate) fn call(&self) -> Vec<u8> {
        call(self.path, self.token.as_deref())
    }
}

fn call(path: &str, token: Option<&str>) -> Vec<u8> {
    let usual = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    let mut block: Vec<u8> =
        usual.into_iter().flat_map(|(name, value)| header(name, value.as_bytes())).collect();
    if let Some(token) = token {
        block.extend(header("authorization", format!("Bearer {token}").as_bytes()));
    }
    block
}

/// A gRPC message, as DATA has it.
pub(crate) fn message(content: &[u8]) -> Vec<u8> {
    announced(u32::try_from(content.len()).unwrap(), content)
}

/// The same, of a length that need not be true.
pub(crate) fn announced(length: u32, content: &[u8]) -> Vec<u8> {
    [&[0][..], &length.to_be_bytes(), content].concat()
}

/// A connection that was taken through TLS and speaks HTTP/2 as it is told.
pub(crate) struct Raw {
    write: Arc<Mutex<WriteHalf<TlsStream<TcpStream>>>>,
    pub(crate) seen: Arc<Seen>,
    reading: JoinSet<()>,
}

/// What the controller said on it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    ended: AtomicBool,
    headers: AtomicU64,
    resets: AtomicU64,
    acknowledgements: AtomicU64,
    /// Bytes that may be sent on the connection, beside those that were.
    window: AtomicI64,
    /// The code of the last GOAWAY and one; 0: there was none.
    goaway: AtomicI64,
    /// The same of a stream.
    reset: AtomicI64,
}

impl Seen {
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Answers that began.
    pub(crate) fn answers(&self) -> u64 {
        self.headers.load(Ordering::Relaxed)
    }

    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }

    /// Why the controller ended the connection, if it said so.
    pub(crate) fn goaway(&self) -> Option<i64> {
        Some(self.goaway.load(Ordering::Relaxed) - 1).filter(|code| *code >= 0)
    }

    /// Why it ended a stream last.
    pub(crate) fn reset(&self) -> Option<i64> {
        Some(self.reset.load(Ordering::Relaxed) - 1).filter(|code| *code >= 0)
    }
}

impl Raw {
    /// A connection with these settings.
    pub(crate) async fn open(attacker: &Attacker, own: &[(u16, u32)]) -> Self {
        Self::try_open(attacker, own).await.unwrap()
    }

    /// The same, where it may not be let in.
    pub(crate) async fn try_open(attacker: &Attacker, own: &[(u16, u32)]) -> io::Result<Self> {
        let (mut raw, read) = Self::greet(attacker, own).await?;
        raw.reading.spawn(hear(read, raw.write.clone(), raw.seen.clone()));
        Ok(raw)
    }

    /// One that never reads what the controller says.
    pub(crate) async fn deaf(attacker: &Attacker) -> Self {
        Self::greet(attacker, &[]).await.unwrap().0
    }

    async fn greet(
        attacker: &Attacker,
        own: &[(u16, u32)],
    ) -> io::Result<(Self, ReadHalf<TlsStream<TcpStream>>)> {
        let mut stream = tls(attacker.address, attacker.tls.clone()).await?;
        stream.get_ref().0.set_nodelay(true)?;
        let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &settings(own))].concat();
        stream.write_all(&greeting).await?;
        stream.flush().await?;
        let (read, write) = tokio::io::split(stream);
        let (write, seen) = (Arc::new(Mutex::new(write)), Arc::new(Seen::default()));
        seen.window.store(FIRST_WINDOW, Ordering::Relaxed);
        Ok((Self { write, seen, reading: JoinSet::new() }, read))
    }

    /// Sends bytes; false once the controller has ended the connection.
    pub(crate) async fn send(&self, bytes: &[u8]) -> bool {
        let mut write = self.write.lock().await;
        !self.seen.ended() && write.write_all(bytes).await.is_ok() && write.flush().await.is_ok()
    }

    /// Sends the same bytes again and again, for some time or until it is cut;
    /// how often. Nothing else can be said after it: the last may be half.
    pub(crate) async fn repeat(&self, bytes: &[u8], time: Duration) -> u64 {
        let mut count = 0;
        let sending = async {
            while self.send(bytes).await {
                count += 1;
            }
        };
        // A controller that does not read any more does not end the time.
        timeout(time, sending).await.ok();
        count
    }

    /// The attacker's call, with a whole message.
    pub(crate) async fn ask(&self, stream: u32, attacker: &Attacker, content: &[u8]) -> bool {
        let mut bytes = frame(HEADERS, END_HEADERS, stream, &attacker.call());
        bytes.extend(frame(DATA, END_STREAM, stream, &message(content)));
        self.send(&bytes).await
    }

    /// Sends what belongs to the body of a call, as soon as the connection's window
    /// has room for it; false once it is cut.
    pub(crate) async fn pour(&self, stream: u32, body: &[u8]) -> bool {
        let length = i64::try_from(body.len()).unwrap();
        while self.seen.window.load(Ordering::Relaxed) < length {
            if self.seen.ended() {
                return false;
            }
            sleep(Duration::from_millis(5)).await;
        }
        self.seen.window.fetch_sub(length, Ordering::Relaxed);
        self.send(&frame(DATA, 0, stream, body)).await
    }

    /// After how long the controller ended it; none if it did not in time.
    pub(crate) async fn is_cut_within(&self, patience: Duration) -> Option<Duration> {
        let since = Instant::now();
        while !self.seen.ended() {
            if since.elapsed() > patience {
                return None;
            }
            sleep(Duration::from_millis(10)).await;
        }
        Some(since.elapsed())
    }

    /// Waits for something to be seen.
    pub(crate) async fn sees(&self, what: impl Fn(&Seen) -> bool) {
        let since = Instant::now();
        while !what(&self.seen) {
            assert!(since.elapsed() < Duration::from_secs(10), "not seen: {:?}", self.seen);
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn hear(
    mut read: ReadHalf<TlsStream<TcpStream>>,
    write: Arc<Mutex<WriteHalf<TlsStream<TcpStream>>>>,
    seen: Arc<Seen>,
) {
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 9];
        if read.read_exact(&mut head).await.is_err() {
            break;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        payload.resize(usize::try_from(length).unwrap(), 0);
        if read.read_exact(&mut payload).await.is_err() {
            break;
        }
        let code = |at: usize| {
            let code = payload.get(at..at + 4).unwrap();
            i64::from(u32::from_be_bytes(code.try_into().unwrap())) + 1
        };
        match head[3] {
            HEADERS => _ = seen.headers.fetch_add(1, Ordering::Relaxed),
            RST_STREAM => {
                seen.resets.fetch_add(1, Ordering::Relaxed);
                seen.reset.store(code(0), Ordering::Relaxed);
            }
            GOAWAY => seen.goaway.store(code(4), Ordering::Relaxed),
            WINDOW_UPDATE if head[5..] == [0; 4] => {
                seen.window.fetch_add(code(0) - 1, Ordering::Relaxed);
            }
            SETTINGS | PING if head[4] & ACK != 0 => {
                seen.acknowledgements.fetch_add(1, Ordering::Relaxed);
            }
            SETTINGS | PING => {
                let answer = frame(head[3], ACK, 0, if head[3] == PING { &payload } else { &[] });
                // It may be in the middle of something that does not end.
                if let Ok(mut write) = write.try_lock() {
                    drop(write.write_all(&answer).await);
                    drop(write.flush().await);
                }
            }
            _ => {}
        }
    }
    seen.ended.store(true, Ordering::Relaxed);
}
