//! Connections as the programs make them: TLS that verifies whom it reached.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use cofi_identity::{
    Credential, TrustBundle,
    files::ControllerFiles,
    tls::{CurrentCredential, TrustedServers, agent_client, operator_client},
    token::AccessToken,
};
use cofi_proto::clock::SystemClock;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::ClientConfig};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// What a controller keeps for those who call it from its own machine.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The authorities whose controllers are trusted.
    pub trust: TrustBundle,
    /// The operator's.
    pub token: AccessToken,
}

impl Keys {
    /// Reads what stands in a state directory. It is there after the first
    /// start.
    pub fn read(state_dir: &Path) -> Result<Self> {
        let files = ControllerFiles::open(&state_dir.join("identity")).context("open the identity")?;
        let trust = files.trust().context("read the authorities")?.context("no authorities")?;
        let token = files.operator_token().context("read the token")?.context("no operator's token")?;
        Ok(Self { trust, token })
    }

    /// A connection as an operator's program has it, without the token.
    pub fn control(&self, address: SocketAddr, timeout: Duration) -> Result<Channel> {
        let tls = operator_client(self.servers()?, Arc::new(SystemClock))?;
        connect(address, tls, timeout)
    }

    /// A connection as an agent with this certificate has it.
    pub fn agents(&self, address: SocketAddr, agent: &Credential, timeout: Duration) -> Result<Channel> {
        let shown = Arc::new(CurrentCredential::new(agent)?);
        connect(address, agent_client(shown, self.servers()?, Arc::new(SystemClock))?, timeout)
    }

    fn servers(&self) -> Result<Arc<TrustedServers>> {
        Ok(Arc::new(TrustedServers::new(&self.trust)?))
    }
}

/// A connection that is made when it is needed, and again when it was lost.
fn connect(address: SocketAddr, tls: Arc<ClientConfig>, timeout: Duration) -> Result<Channel> {
    let url = format!("https://{address}");
    let endpoint = Endpoint::new(url.clone()).with_context(|| format!("use the address {url}"))?;
    let tls = TlsConnector::from(tls);
    let connector = service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let stream = tls.connect(ServerName::from(address.ip()), tcp).await?;
            io::Result::<TokioIo<TlsStream<TcpStream>>>::Ok(TokioIo::new(stream))
        }
    });
    Ok(endpoint.timeout(timeout).connect_with_connector_lazy(connector))
}
