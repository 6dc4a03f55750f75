//! Refusals over real sockets, where the one who refuses hangs up at once.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Connects an agent with `credential` over loopback. It sends as HTTP/2 does,
/// before it reads; `writes` says for how long.
async fn refusal_of(controller: &Controller, credential: &Credential, writes: usize) -> Option<Refusal> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(controller.agents());
    let accept = async {
        let (socket, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = acceptor.accept(socket).await {
            stream.shutdown().await.unwrap();
        }
    };
    let connect = async {
        let socket = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(controller.agent(credential));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), socket).await.unwrap();
        let (mut stream, note) = Noted::new(stream);
        for _ in 0..writes {
            if stream.write_all(&[0; 16 * 1024]).await.is_err() || stream.flush().await.is_err() {
                return note.refusal();
            }
            tokio::task::yield_now().await;
        }
        stream.read_u8().await.unwrap_err();
        note.refusal()
    };
    tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(accept, connect) }).await.unwrap().1
}

#[tokio::test]
async fn a_refusal_reaches_who_reads_and_who_only_writes() {
    let controller = Controller::new();
    let credential = controller.credential();
    for writes in [0, 1, 10_000] {
        assert_eq!(refusal_of(&controller, &credential, writes.min(1)).await, None, "{writes}");
    }
    controller.revocations.revoke([credential.serial()]);
    for writes in [0, 1, 10_000] {
        let refusal = refusal_of(&controller, &credential, writes).await;
        assert_eq!(refusal, Some(Refusal::Own(Fault::Revoked)), "{writes}");
    }
}

/// A stream whose other side is gone, of which the system tells the writer
/// before the reader.
struct Late {
    reads: usize,
}

impl AsyncRead for Late {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads += 1;
        if self.reads < 3 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked);
        Poll::Ready(Err(io::Error::other(alert)))
    }
}

impl AsyncWrite for Late {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_write_fails_once_the_last_words_are_heard() {
    let (mut stream, note) = Noted::new(Late { reads: 0 });
    let failure = stream.write_all(b"words").await.unwrap_err();
    assert_eq!(failure.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(note.refusal(), Some(Refusal::Own(Fault::Revoked)));
}
