//! TLS on the machine's own network.

use std::{fmt, future::pending, io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use cofi_identity::tls::{CurrentCredential, Noted};
use futures_util::future::BoxFuture;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::ClientConfig};

use super::{Connection, Duplex, Network};
use crate::config::ControllerAddress;

/// A name can have several addresses. How long each of them has before the
/// next is tried, which is less than a dial has.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// Connections over TCP that are encrypted, and whose other end is the
/// controller that was dialled.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    shown: Option<Arc<CurrentCredential>>,
}

impl Tls {
    /// Connections with `client`. `shown` is the certificate that it shows, if
    /// any.
    #[must_use]
    pub fn new(client: Arc<ClientConfig>, shown: Option<Arc<CurrentCredential>>) -> Self {
        Self { connector: client.into(), shown }
    }

    /// Speaks TLS on `stream` with the controller that was dialled there.
    pub(crate) async fn secure<S: Duplex + 'static>(
        &self,
        stream: S,
        local: Option<SocketAddr>,
        controller: &ControllerAddress,
    ) -> io::Result<Connection> {
        let stream = self.connector.connect(controller.server_name(), stream).await?;
        let (stream, note) = Noted::new(stream);
        Ok(Connection { stream: Box::new(stream), local, note })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("shown", &self.shown).finish_non_exhaustive()
    }
}

#[async_trait]
impl Network for Tls {
    async fn connect(&self, controller: &ControllerAddress) -> io::Result<Connection> {
        let stream = tcp(controller).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr().ok();
        self.secure(stream, local, controller).await
    }

    fn renewed(&self) -> BoxFuture<'static, ()> {
        // Made now and not when it is first waited for: what is replaced in
        // between counts.
        match self.shown.as_ref().map(|shown| shown.replaced()) {
            Some(mut replaced) => Box::pin(async move { replaced.wait().await }),
            None => Box::pin(pending()),
        }
    }
}

async fn tcp(controller: &ControllerAddress) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((controller.host(), controller.port())).await?.take(ADDRESSES) {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed)
}
