//! A network link on loopback that counts, keeps what went up, is slow, or breaks.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;

use super::http::{head_end, headers};

/// Bytes that a slow link carries at once, and the pause behind them.
const SLOW_BYTES: usize = 16 * 1024;
const SLOW_PAUSE: Duration = Duration::from_millis(2);

/// A TCP proxy. It ends when it is dropped.
pub(super) struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
    cuts: AtomicU64,
    is_slow: AtomicBool,
    has_ended: AtomicBool,
    /// After how many bytes, both ways together, the next connections break. Those that come when
    /// none is left do not.
    breaks: Mutex<VecDeque<u64>>,
    /// What each connection carried to the server.
    sent: Mutex<Vec<Vec<u8>>>,
}

/// What a link has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) connections: u64,
    pub(super) cuts: u64,
}

/// A request that brought events, as it went over a link.
#[derive(Clone, Debug)]
pub(super) struct Push {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Link {
    /// Opens a link to a server.
    pub(super) fn open(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let link = Self { address: listener.local_addr()?, shared: Arc::default() };
        let shared = Arc::clone(&link.shared);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if shared.has_ended.load(Ordering::Acquire) {
                    return;
                }
                // A client whose server cannot be reached sees its connection end.
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                carry(&shared, &client, &upstream).ok();
            }
        });
        Ok(link)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the next connections, each after so many bytes.
    pub(super) fn break_after(&self, bytes: impl IntoIterator<Item = u64>) {
        lock(&self.shared.breaks).extend(bytes);
    }

    /// How many of these connections have not come yet.
    pub(super) fn breaks_left(&self) -> usize {
        lock(&self.shared.breaks).len()
    }

    /// Carries no more than some megabytes a second from now on.
    pub(super) fn slow_down(&self) {
        self.shared.is_slow.store(true, Ordering::Relaxed);
    }

    pub(super) fn traffic(&self) -> Traffic {
        let Shared { up, down, connections, cuts, .. } = &*self.shared;
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Traffic { up: read(up), down: read(down), connections: read(connections), cuts: read(cuts) }
    }

    /// The requests with events that clients sent so far, one connection after the other.
    pub(super) fn pushes(&self) -> Vec<Push> {
        lock(&self.shared.sent).iter().flat_map(|bytes| pushes(bytes)).collect()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        TcpStream::connect(self.address).ok();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to carry both ways.
fn carry(shared: &Arc<Shared>, client: &TcpStream, upstream: &TcpStream) -> std::io::Result<()> {
    shared.connections.fetch_add(1, Ordering::AcqRel);
    let budget = lock(&shared.breaks).pop_front().unwrap_or(u64::MAX);
    let budget = Arc::new(AtomicU64::new(budget));
    let index = {
        let mut sent = lock(&shared.sent);
        sent.push(Vec::new());
        sent.len() - 1
    };
    for (from, to, sent_index) in [(client, upstream, Some(index)), (upstream, client, None)] {
        let way = Way {
            from: from.try_clone()?,
            to: to.try_clone()?,
            sent_index,
            budget: Arc::clone(&budget),
            shared: Arc::clone(shared),
        };
        thread::spawn(move || way.carry());
    }
    Ok(())
}

/// One direction of a connection.
struct Way {
    from: TcpStream,
    to: TcpStream,
    /// Where what goes up is kept; `None` on the way down.
    sent_index: Option<usize>,
    /// Bytes that both directions together may still carry.
    budget: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

impl Way {
    fn carry(mut self) {
        let mut buffer = vec![0; SLOW_BYTES];
        while let Ok(count @ 1..) = self.from.read(&mut buffer) {
            let passed = self.spend(count);
            self.count(&buffer[..passed]);
            let is_written = self.to.write_all(&buffer[..passed]).is_ok();
            if passed < count {
                self.shared.cuts.fetch_add(1, Ordering::AcqRel);
                self.end();
                return;
            }
            if !is_written {
                break;
            }
            if self.shared.is_slow.load(Ordering::Relaxed) {
                thread::sleep(SLOW_PAUSE);
            }
        }
        self.end();
    }

    /// Takes so many bytes off the budget, or what is left of it, and returns how many that were.
    fn spend(&self, count: usize) -> usize {
        let spent = |left: u64| Some(left.saturating_sub(count as u64));
        let left = self.budget.fetch_update(Ordering::AcqRel, Ordering::Acquire, spent);
        let left = left.unwrap_or_else(|left| left);
        usize::try_from(left).unwrap_or(usize::MAX).min(count)
    }

    fn count(&self, bytes: &[u8]) {
        let Shared { up, down, sent, .. } = &*self.shared;
        match self.sent_index {
            Some(index) => {
                lock(sent)[index].extend_from_slice(bytes);
                up.fetch_add(bytes.len() as u64, Ordering::AcqRel);
            }
            None => {
                down.fetch_add(bytes.len() as u64, Ordering::AcqRel);
            }
        }
    }

    fn end(&self) {
        self.from.shutdown(Shutdown::Both).ok();
        self.to.shutdown(Shutdown::Both).ok();
    }
}

/// The requests with events in what a connection carried up; one that was cut is left out.
fn pushes(mut bytes: &[u8]) -> Vec<Push> {
    let mut pushes = Vec::new();
    while let Some(end) = head_end(bytes) {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let headers = headers(&head);
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0_usize);
        let Some(body) = bytes.get(end..end + length) else { break };
        if head.starts_with("POST /sync HTTP") {
            pushes.push(Push { headers, body: body.to_vec() });
        }
        bytes = &bytes[end + length..];
    }
    pushes
}

#[cfg(test)]
mod tests;
