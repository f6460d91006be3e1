//! A relay of TCP connections that breaks each of them after a random number of bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::dice::Dice;

/// Most bytes that a connection carries, both ways together.
const BYTES_MAX: usize = 15_000;

/// Relays until it is dropped.
pub(crate) struct DamagedLink {
    pub(crate) address: SocketAddr,
    cuts: Arc<AtomicU32>,
    accepting: JoinHandle<()>,
}

impl DamagedLink {
    pub(crate) async fn start(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&cuts);
        let accepting = tokio::spawn(async move {
            let mut dice = Dice::new(seed);
            loop {
                let (near, _from) = listener.accept().await.unwrap();
                let (budget, counted) = (dice.below(BYTES_MAX), Arc::clone(&counted));
                tokio::spawn(async move {
                    if relay(near, server, budget).await {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, cuts, accepting }
    }

    pub(crate) fn cut_count(&self) -> u32 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for DamagedLink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Says whether the budget was used up, rather than the connection closed by an end of it.
async fn relay(mut near: TcpStream, server: SocketAddr, mut budget: usize) -> bool {
    let mut far = TcpStream::connect(server).await.unwrap();
    let (mut up, mut down) = (vec![0; 4_096], vec![0; 4_096]);
    loop {
        let (read, is_up) = tokio::select! {
            read = near.read(&mut up) => (read, true),
            read = far.read(&mut down) => (read, false),
        };
        let Ok(count) = read else { return false };
        if count == 0 {
            return false;
        }
        let passed = count.min(budget);
        let (to, bytes) = if is_up { (&mut far, &up) } else { (&mut near, &down) };
        if to.write_all(&bytes[..passed]).await.is_err() {
            return false;
        }
        budget -= passed;
        if budget == 0 {
            return true;
        }
    }
}
