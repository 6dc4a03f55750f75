//! The accept loop, and the way of one connection through TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use cofi_identity::{Facts, NotAnAgent, PeerIdentity, tls::Refusal};
use cofi_proto::AgentName;
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Certificate, Connection, Door, Peer,
    connection::Over,
    guests::{Guests, Place},
};
use crate::access::{Denial, Who};

/// For TLS, from the first byte to the last.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// From then to the first call that is admitted.
const FIRST_CALL: Duration = Duration::from_secs(10);
/// For a peer to read why it was refused.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Connections through TLS that wait to be served. That takes no time, unless
/// the machine is busy.
const READY: usize = 16;
/// Between two tries to accept while the machine has no means for it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Without trouble, before trouble is told of again: while there are too many
/// connections, one is taken whenever one has gone.
const CALM: Duration = Duration::from_mins(1);
/// The clock may be set while a connection waits for its certificate to expire.
const CLOCK_STEP: Duration = Duration::from_secs(1);

impl Door {
    /// Opens the door: connections come out until it is stopped.
    pub(crate) fn open(
        self,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> ReceiverStream<io::Result<Connection>> {
        let (ready, connections) = mpsc::channel(READY);
        let hall = Hall { guests: Guests::new(self.limits), door: Arc::new(self), ready };
        let handshakes = tasks.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = hall.accept(&handshakes, &stop) => {}
            }
        });
        ReceiverStream::new(connections)
    }
}

/// Where connections are before they are served.
#[derive(Debug, Clone)]
struct Hall {
    door: Arc<Door>,
    guests: Guests,
    ready: mpsc::Sender<io::Result<Connection>>,
}

impl Hall {
    async fn accept(&self, handshakes: &TaskTracker, stop: &CancellationToken) {
        let (mut pause, mut trouble) = (SHORTEST_PAUSE, None::<Instant>);
        let is_calm = |last: Instant| last.elapsed() >= CALM;
        loop {
            match self.door.listener.accept().await {
                Ok((stream, address)) => {
                    pause = SHORTEST_PAUSE;
                    if trouble.take_if(|last| is_calm(*last)).is_some() {
                        tracing::info!(listener = self.door.name, "accepts connections again");
                    }
                    self.greet(stream, address, handshakes, stop);
                }
                Err(error) if concerns_one(&error) => {}
                Err(error) => {
                    if trouble.is_none_or(is_calm) {
                        tracing::warn!(listener = self.door.name, %error, "cannot accept connections");
                    }
                    trouble = Some(Instant::now());
                    // Whoever waits at the door is in the kernel's queue.
                    self.guests.evict();
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn greet(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        handshakes: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let Some(place) = self.guests.admit() else {
            self.deny(address.ip(), "too many connections");
            return;
        };
        let (hall, stop, evicted) = (self.clone(), stop.clone(), place.evicted());
        handshakes.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = evicted.cancelled() => hall.deny(address.ip(), "had to make room before it said who it is"),
                () = hall.receive(stream, address.ip(), place) => {}
            }
        });
    }

    /// Takes a connection through TLS and hands it on.
    async fn receive(&self, stream: TcpStream, address: IpAddr, place: Place) {
        // It costs speed at worst.
        stream.set_nodelay(true).ok();
        let acceptor = TlsAcceptor::from(self.door.tls.clone());
        match timeout(HANDSHAKE, acceptor.accept(stream).into_fallible()).await {
            Err(_) => self.deny(address, "no TLS handshake in time"),
            Ok(Err((error, stream))) => {
                match Refusal::find(&error) {
                    Some(Refusal::Peer(fault)) => {
                        self.deny(address, &format!("certificate: {}", fault.as_str()));
                    }
                    Some(refusal) => self.deny(address, &refusal.to_string()),
                    // Port scanners and health checks of TCP come and go.
                    None => tracing::debug!(listener = self.door.name, %address, %error, "no handshake"),
                }
                part(stream).await;
            }
            Ok(Ok(stream)) => self.hand_on(stream, address, place).await,
        }
    }

    async fn hand_on(&self, stream: TlsStream<TcpStream>, address: IpAddr, place: Place) {
        let (_, tls) = stream.get_ref();
        if tls.alpn_protocol() != Some(b"h2") {
            return self.deny(address, "a peer that does not speak HTTP/2");
        }
        let shown = match tls.peer_certificates().map(read).transpose() {
            Ok(shown) => shown,
            Err(error) => return self.deny(address, &error.to_string()),
        };
        if shown.is_some() != self.door.for_agents {
            return self.deny(address, "a certificate where none belongs, or none where one does");
        }
        let evicted = place.evicted();
        if let Some((agent, _)) = &shown
            && place.know(&Who::Agent(agent.clone()))
        {
            self.deny_to(&format!("agent:{agent}"), address, "too many connections, the oldest is cut");
        }
        let peer = Peer::of_connection(address, shown, place);
        let end = end(self.door.clone(), peer.clone(), evicted);
        let connection = Connection::new(stream, peer, Box::pin(end));
        // Nobody serves any more: the controller is stopping.
        self.ready.send(Ok(connection)).await.ok();
    }

    fn deny(&self, address: IpAddr, detail: &str) {
        self.deny_to("nobody", address, detail);
    }

    fn deny_to(&self, actor: &str, address: IpAddr, detail: &str) {
        self.door.denials.note(Denial {
            actor: actor.to_owned(),
            peer: address.to_string(),
            action: format!("{} connection", self.door.name),
            target: String::new(),
            detail: detail.to_owned(),
        });
    }
}

/// Whose certificate the first of those is that a peer has shown.
fn read(shown: &[CertificateDer<'static>]) -> Result<(AgentName, Certificate), NotAnAgent> {
    let agent = PeerIdentity::from_certificates(shown)?.agent;
    let der = shown.first().ok_or(NotAnAgent::NoCertificate)?.clone();
    Ok((agent, Certificate { facts: Facts::of(&der)?, der }))
}

/// Comes true when a connection is over.
async fn end(door: Arc<Door>, peer: Peer, evicted: CancellationToken) -> Over {
    let silent = async {
        if let Some(admitted) = peer.admitted()
            && timeout(FIRST_CALL, admitted.cancelled()).await.is_err()
        {
            return;
        }
        std::future::pending::<()>().await;
    };
    let facts = peer.certificate().map(|certificate| &certificate.facts);
    let revoked = async {
        match facts {
            Some(facts) => door.revocations.wait(facts.serial).await,
            None => std::future::pending().await,
        }
    };
    let expired = async {
        match facts {
            Some(facts) => until(&door, facts.validity.not_after_micros).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = silent => Over::Silent,
        () = evicted.cancelled() => Over::Evicted,
        () = revoked => Over::Revoked,
        () = expired => Over::Expired,
    }
}

async fn until(door: &Door, moment_micros: i64) {
    loop {
        let left = moment_micros.saturating_sub(door.clock.now_micros());
        let Ok(left @ 0..) = u64::try_from(left) else { return };
        sleep(Duration::from_micros(left + 1).min(CLOCK_STEP)).await;
    }
}

/// Lets a peer that was refused read why before the connection ends: what it
/// sent and nobody read would have the kernel throw our last words away.
async fn part(mut stream: TcpStream) {
    let reading = async {
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether it listened does not matter.
    timeout(LAST_WORDS, reading).await.ok();
}

/// Whether accepting failed because of the connection that would have been
/// accepted, and not of the machine.
fn concerns_one(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let of_one = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::INTR,
        Errno::PERM,
        Errno::PROTO,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NONET,
        Errno::NOPROTOOPT,
        Errno::OPNOTSUPP,
    ];
    error.raw_os_error().is_some_and(|code| of_one.iter().any(|errno| errno.raw_os_error() == code))
}
