//! A network link that breaks.

use std::{
    io::{self, Read},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;

#[cfg(test)]
mod tests;

/// A TCP proxy on loopback that drops everything after a number of bytes towards the server, and
/// carries nothing after that.
pub(super) struct CutLink {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl CutLink {
    /// Opens a link to `server` that lets `bytes` through.
    pub(super) fn open(server: SocketAddr, bytes: u64) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let link =
            Self { address: listener.local_addr()?, is_cut: Arc::new(AtomicBool::new(false)) };
        let is_cut = Arc::clone(&link.is_cut);
        // The thread ends with the cut, which drops the listener, or else with the process.
        thread::spawn(move || {
            let mut left = bytes;
            while let Ok((client, _)) = listener.accept() {
                // A client whose server cannot be reached sees its connection end.
                let Ok(connection) = Connection::open(client, server) else { continue };
                left -= connection.carry(left);
                if left == 0 {
                    // Before the two ends can see the cut.
                    is_cut.store(true, Ordering::Release);
                    drop(listener);
                    connection.end();
                    return;
                }
                connection.end();
            }
        });
        Ok(link)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }
}

/// A client's connection and the one to the server behind it.
struct Connection {
    client: TcpStream,
    upstream: TcpStream,
    /// Carries the server's answers.
    answering: JoinHandle<()>,
}

impl Connection {
    fn open(client: TcpStream, server: SocketAddr) -> io::Result<Self> {
        let upstream = TcpStream::connect(server)?;
        let (mut answers, mut back) = (upstream.try_clone()?, client.try_clone()?);
        let answering = thread::spawn(move || {
            // However it ends, the client has had the last answer.
            io::copy(&mut answers, &mut back).ok();
            back.shutdown(Shutdown::Both).ok();
        });
        Ok(Self { client, upstream, answering })
    }

    /// Carries at most `bytes_max` bytes to the server, and returns how many there were.
    fn carry(&self, bytes_max: u64) -> u64 {
        io::copy(&mut (&self.client).take(bytes_max), &mut &self.upstream).unwrap_or(0)
    }

    fn end(self) {
        // The answering thread reads the end of its stream, closes the client's side and ends.
        self.upstream.shutdown(Shutdown::Both).ok();
        self.answering.join().ok();
    }
}
