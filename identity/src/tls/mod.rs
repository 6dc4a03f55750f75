//! TLS as both sides of Cofi speak it: version 1.3, HTTP/2 inside, nothing
//! resumed, and certificates that can be replaced while connections go on.
//!
//! | who | configuration | shows | asks for |
//! |---|---|---|---|
//! | controller, for agents | [`agents_listener`] | its certificate | an agent's certificate, not revoked |
//! | controller, for operators | [`control_listener`] | its certificate | nothing: tokens come later |
//! | agent | [`agent_client`] | its certificate | a certificate of the controller |
//! | operator | [`operator_client`] | nothing | a certificate of the controller |
//! | machine that joins | [`joining_client`] | nothing | one from the authority that its token names |
//!
//! Resuming is off on both sides. A resumed session carries the certificate of
//! the first handshake along without asking the verifier again: a revoked
//! agent would get in, and a renewed one would keep its old certificate.

mod client;
mod current;
mod gate;
mod joining;
mod noted;
mod refusal;
mod server;
mod servers;

use std::{sync::Arc, time::Duration};

use cofi_proto::clock::Clock;
use rustls::{crypto::CryptoProvider, server::VerifierBuilderError, time_provider::TimeProvider};
use rustls_pki_types::UnixTime;

pub use self::{
    client::{agent_client, operator_client},
    current::{CurrentCredential, Replaced},
    gate::AgentGate,
    joining::{OtherAuthority, joining_client},
    noted::{Note, Noted},
    refusal::{Fault, Refusal},
    server::{agents_listener, control_listener},
    servers::TrustedServers,
};

/// What both sides say they speak inside TLS (RFC 7301).
const HTTP2: &[u8] = b"h2";

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key, a certificate or a version was not accepted.
    #[error("set up tls")]
    Rustls(#[from] rustls::Error),
    /// The trusted authorities were not accepted.
    #[error("set up the verification of certificates")]
    Verifier(#[from] VerifierBuilderError),
}

/// The cryptography, named here and nowhere else: no default of the process
/// can take its place.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The time of day for the verification of certificates.
#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        unix_time(self.0.now_micros())
    }
}

/// A moment in microseconds since 1970-01-01 UTC, as the verification of
/// certificates takes it; None before 1970.
pub(crate) fn unix_time(micros: i64) -> Option<UnixTime> {
    Some(UnixTime::since_unix_epoch(Duration::from_micros(u64::try_from(micros).ok()?)))
}

#[cfg(test)]
mod tests;
