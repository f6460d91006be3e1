//! Sockets of the simulated network, for the server and for the client.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use laterbase_client::transport::{ServiceTransport, Transport};
use tokio::time::{sleep, timeout};
use tower::service_fn;
use turmoil::net::{TcpListener, TcpStream};

/// Where servers listen.
pub(super) const PORT: u16 = 80;

/// How long opening a socket takes beside what the network takes.
const CONNECT_TIME: Duration = Duration::from_millis(50);

/// As long as the transport over real sockets waits.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// A listening socket of the host that it is bound on.
pub(super) struct SimulatedListener(TcpListener);

impl SimulatedListener {
    pub(super) async fn bind() -> io::Result<Self> {
        TcpListener::bind(("0.0.0.0", PORT)).await.map(Self)
    }
}

impl Listener for SimulatedListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        self.0.accept().await.expect("a simulated listener does not fail")
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Requests of the host that it is made on: HTTP/1.1 with connections that are kept and used
/// again, by the client that `reqwest` is built on.
pub(super) fn transport() -> impl Transport {
    let connector = service_fn(|target| Box::pin(connect(target)));
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    ServiceTransport::new(client)
}

async fn connect(target: Uri) -> io::Result<Wire> {
    // Otherwise whoever is refused tries again without end in the same moment.
    sleep(CONNECT_TIME).await;
    let host = target.host().expect("a server has a name").to_owned();
    let connecting = timeout(CONNECT_TIME_MAX, TcpStream::connect((host, PORT)));
    let stream = connecting.await.map_err(|_late| io::ErrorKind::TimedOut)??;
    Ok(Wire(TokioIo::new(stream)))
}

/// One connection.
struct Wire(TokioIo<TcpStream>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
