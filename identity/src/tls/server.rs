//! The controller's two listeners.

use std::sync::Arc;

use cofi_proto::clock::Clock;
use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, danger::ClientCertVerifier},
    version::TLS13,
};

use super::{AgentGate, CurrentCredential, HTTP2, Time, TlsError, provider};

/// TLS for the listener of the agents: a client certificate that `gate`
/// accepts is part of the handshake.
pub fn agents_listener(
    certificate: Arc<CurrentCredential>,
    gate: Arc<AgentGate>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, TlsError> {
    listener(certificate, gate, clock)
}

/// TLS for the control listener. Clients show no certificate there.
pub fn control_listener(
    certificate: Arc<CurrentCredential>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, TlsError> {
    listener(certificate, rustls::server::WebPkiClientVerifier::no_client_auth(), clock)
}

fn listener(
    certificate: Arc<CurrentCredential>,
    verifier: Arc<dyn ClientCertVerifier>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(Time(clock)))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
