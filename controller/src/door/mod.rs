//! The listeners: connections are accepted, taken through TLS, and watched.
//!
//! ```text
//!  accept ── place among the guests ── TLS, 5 s ── first admitted call, 10 s ── served
//!    │              │                     │                 │                      │
//!    │ no file descriptors: it waits,     '── dropped ──────'                      │
//!    │ and somebody unknown has to go                                              │
//!    '── ends at once: evicted, certificate revoked, certificate expired ──────────'
//! ```

mod accept;
mod connection;
mod guests;
mod peer;
mod room;

use std::sync::Arc;

use cofi_identity::Revocations;
use cofi_proto::clock::Clock;
use rustls::ServerConfig;
use tokio::net::TcpListener;

pub(crate) use self::room::Room;
pub use self::{
    connection::Connection,
    guests::Limits,
    peer::{Certificate, Peer},
};
use crate::access::Denials;

/// A listener with all that it needs to judge who comes in.
#[derive(Debug)]
pub(crate) struct Door {
    /// Which one, in words.
    pub(crate) name: &'static str,
    pub(crate) listener: TcpListener,
    pub(crate) tls: Arc<ServerConfig>,
    /// Whether peers are agents, by their certificates.
    pub(crate) for_agents: bool,
    pub(crate) limits: Limits,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) denials: Denials,
    pub(crate) clock: Arc<dyn Clock>,
}
