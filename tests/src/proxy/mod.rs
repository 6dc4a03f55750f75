//! A TCP proxy between the controller and its database, which forwards, stands
//! still, loses connections without a word, or cuts them: all at once, in the
//! middle of a reply, or around a COMMIT.
//!
//! ```text
//!   client ---> [ said: packets, understood ] ---> server
//!   client <--- [     answered: bytes       ] <--- server
//!                        |
//!                  what is told to it
//! ```
//!
//! Threads and blocking sockets: a connection has one for each direction.

mod conversation;
mod pump;

use std::{
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The server never hears of the COMMIT.
    BeforeCommit,
    /// The server has committed and said so, and the client never hears of it.
    AfterCommit,
}

/// Which COMMITs are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// The next one of a transaction with a statement of this name.
    NextWith(&'static str),
    /// Every so manieth; those of the controller's probes do not count.
    Every(u32),
}

/// A proxy at work.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    stands_still: bool,
    cut: Option<(Commits, When)>,
    /// Of each connection from now on: bytes, and what chooses among them.
    replies_at_most: Option<(Range<usize>, StdRng)>,
    commits: u32,
    cuts: u32,
    opened: u64,
    /// Connections below this one carry nothing any more.
    lost_below: u64,
    connections: Vec<(TcpStream, TcpStream)>,
}

impl Proxy {
    /// Starts one that leads to `target`, and forwards.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen")?;
        let address = listener.local_addr().context("listen")?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let accepting = shared.clone();
        thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.state().ended {
                    return;
                }
                // Without a server the client is cut off, as by the server.
                if let Ok(server) = TcpStream::connect(target) {
                    accepting.open(client, server).ok();
                }
            }
        })?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts connections around COMMITs from now on.
    pub fn cut(&self, commits: Commits, when: When) {
        self.shared.state().cut = Some((commits, when));
    }

    /// Cuts each new connection after so many bytes of replies, wherever that is.
    pub fn cut_replies_after(&self, bytes: Range<usize>, seed: u64) {
        self.shared.state().replies_at_most = Some((bytes, StdRng::seed_from_u64(seed)));
    }

    /// Forwards everything from now on.
    pub fn heal(&self) {
        let mut state = self.shared.state();
        state.cut = None;
        state.replies_at_most = None;
        state.stands_still = false;
        self.shared.changed.notify_all();
    }

    /// Forwards nothing until it heals; takes connections.
    pub fn stand_still(&self) {
        self.shared.state().stands_still = true;
    }

    /// Loses the connections that are open: they carry nothing any more, and
    /// neither side is told. New ones work.
    pub fn lose_connections(&self) {
        let mut state = self.shared.state();
        state.lost_below = state.opened;
    }

    /// Cuts the connections that are open.
    pub fn cut_all(&self) {
        let mut state = self.shared.state();
        for (client, server) in state.connections.drain(..) {
            cut(&client, &server);
        }
    }

    /// How many connections it cut around COMMITs, or in a reply.
    #[must_use]
    pub fn cuts(&self) -> u32 {
        self.shared.state().cuts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.heal();
        self.cut_all();
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut state = self.state();
        let id = state.opened;
        state.opened += 1;
        state.connections.push((client.try_clone()?, server.try_clone()?));
        let choose = |(bytes, random): &mut (Range<usize>, StdRng)| random.random_range(bytes.clone());
        let replies_at_most = state.replies_at_most.as_mut().map(choose);
        drop(state);
        pump::start(pump::Connection::new(self.clone(), id, replies_at_most), client, server)
    }

    /// Waits while nothing is forwarded. False if the connection is lost.
    fn may_pass(&self, connection: u64) -> bool {
        let mut state = self.state();
        while state.stands_still && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        connection >= state.lost_below
    }

    /// What is to be done about a COMMIT of a transaction with these statements.
    fn commits(&self, statements: &[String]) -> Option<When> {
        let mut state = self.state();
        let (commits, when) = state.cut?;
        let meant = match commits {
            Commits::NextWith(name) => statements.iter().any(|statement| statement == name),
            Commits::Every(number) => {
                let counts = statements.iter().any(|statement| statement != "probe");
                state.commits += u32::from(counts);
                counts && state.commits.is_multiple_of(number)
            }
        };
        if !meant {
            return None;
        }
        if matches!(commits, Commits::NextWith(_)) {
            state.cut = None;
        }
        state.cuts += 1;
        Some(when)
    }
}

fn cut(client: &TcpStream, server: &TcpStream) {
    // Either may have gone already.
    client.shutdown(Shutdown::Both).ok();
    server.shutdown(Shutdown::Both).ok();
}
