//! The ends that dial: agents and operators.

use std::sync::Arc;

use cofi_proto::clock::Clock;
use rustls::{
    ClientConfig, ConfigBuilder,
    client::{Resumption, WantsClientCert},
    version::TLS13,
};

use super::{
    CurrentCredential, HTTP2, Time, TlsError, TrustedServers, provider,
    servers::{Roots, Verifier},
};

/// TLS for an agent, which shows its certificate.
pub fn agent_client(
    certificate: Arc<CurrentCredential>,
    servers: Arc<TrustedServers>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(dialling(trusting(Verifier::new(servers), clock)?.with_client_cert_resolver(certificate)))
}

/// TLS for an operator, whose token comes later.
pub fn operator_client(
    servers: Arc<TrustedServers>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(dialling(trusting(Verifier::new(servers), clock)?.with_no_client_auth()))
}

/// A configuration that asks `verifier` about servers.
pub(super) fn trusting(
    verifier: Verifier<impl Roots + 'static>,
    clock: Arc<dyn Clock>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    Ok(ClientConfig::builder_with_details(provider(), Arc::new(Time(clock)))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

/// What all ends that dial have in common.
pub(super) fn dialling(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Arc::new(config)
}
