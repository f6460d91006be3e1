//! A relay between a client and a server that counts what crosses the socket.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

#[cfg(test)]
mod tests;

/// Bytes that are handed on at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// What crossed the relay, TCP's own headers not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub connections: u64,
    /// How often a client spoke after its server had: the requests, where each waits for the
    /// answer to the one before on its connection.
    pub round_trips: u64,
    /// Bytes from clients.
    pub sent: u64,
    /// Bytes from the server.
    pub received: u64,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    round_trips: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// A running relay, on the runtime that it was started on.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Takes connections on a free port of this machine, and leads them to `server`.
    pub(crate) async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, counts) = (listener.local_addr()?, Arc::new(Counts::default()));
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&counts)));
        Ok(Self { address, counts, accepting })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What crossed since this was last asked. Bytes are counted before they are handed on, so
    /// what a client has received is in it.
    pub(crate) fn take(&self) -> Traffic {
        let take = |count: &AtomicU64| count.swap(0, Ordering::SeqCst);
        Traffic {
            connections: take(&self.counts.connections),
            round_trips: take(&self.counts.round_trips),
            sent: take(&self.counts.sent),
            received: take(&self.counts.received),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, counts: Arc<Counts>) {
    while let Ok((client, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let counts = Arc::clone(&counts);
        // A client whose connection breaks sees that itself.
        tokio::spawn(async move { relay(client, server, &counts).await.ok() });
    }
}

async fn relay(client: TcpStream, server: SocketAddr, counts: &Counts) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let client_speaks = AtomicBool::new(false);
    let up = hand_on(from_client, to_server, |bytes| {
        counts.sent.fetch_add(bytes, Ordering::SeqCst);
        if !client_speaks.swap(true, Ordering::SeqCst) {
            counts.round_trips.fetch_add(1, Ordering::SeqCst);
        }
    });
    let down = hand_on(from_server, to_client, |bytes| {
        counts.received.fetch_add(bytes, Ordering::SeqCst);
        client_speaks.store(false, Ordering::SeqCst);
    });
    // Each way ends by itself: a client that has said all still gets its answer.
    let (up, down) = tokio::join!(up, down);
    up.and(down)
}

/// Hands bytes on until there are no more, and says so to the other side.
async fn hand_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    count: impl Fn(u64),
) -> Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        count(length as u64);
        to.write_all(&chunk[..length]).await?;
    }
}
