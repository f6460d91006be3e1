//! The holder's side: a thread that listens, and one for each connection.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::receipts::Receipts;
use super::{Holder, connection, socket};

/// Connections at a time. Whoever comes on top of that is turned away, and comes again.
const CONNECTIONS_MAX: usize = 64;

/// A rest after a connection could not be taken in: the process may be short of files.
const REST: Duration = Duration::from_millis(20);

/// Takes events for a store that this process has open, from other processes.
pub struct Listening {
    directory: PathBuf,
    /// A handle on the same socket.
    listener: UnixStream,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("directory", &self.directory).finish_non_exhaustive()
    }
}

struct Shared {
    is_stopping: AtomicBool,
    receipts: Mutex<Receipts>,
    /// By number.
    connections: Mutex<BTreeMap<u64, UnixStream>>,
}

impl Listening {
    /// Listens in the folder of a store that the caller has open, and has locked.
    ///
    /// # Errors
    /// Whatever keeps a socket from being made there. Others then wait for the store to be closed.
    pub fn start(directory: &Path, holder: Arc<dyn Holder>) -> io::Result<Self> {
        let receipts = Receipts::load(holder.reader()).map_err(io::Error::other)?;
        let listener = socket::listen(directory)?;
        let handle = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let shared = Arc::new(Shared {
            is_stopping: AtomicBool::new(false),
            receipts: Mutex::new(receipts),
            connections: Mutex::default(),
        });
        let thread = thread::Builder::new().name("laterbase-handover".to_owned());
        let accepting = Arc::clone(&shared);
        let thread = thread.spawn(move || accept(&listener, &holder, &accepting))?;
        let directory = directory.to_owned();
        Ok(Self { directory, listener: handle, shared, thread: Some(thread) })
    }

    /// Takes no more requests, and waits until those that were taken are answered.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.is_stopping.store(true, Ordering::Release);
        // This wakes the thread on Linux, and the connection does so elsewhere.
        if self.listener.shutdown(Shutdown::Both).is_err() {
            let _nobody_listens = socket::connect(&self.directory);
        }
        // Nobody comes any more: they wait for the store's lock, which the caller still has.
        let _gone_already = socket::remove(&self.directory);
        // A panic in there has cost one connection its answer.
        let _ended = thread.join();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, BTreeMap<u64, UnixStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

fn accept(listener: &UnixListener, holder: &Arc<dyn Holder>, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    loop {
        let accepted = listener.accept();
        if shared.is_stopping() {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let Ok((stream, _address)) = accepted else {
            thread::sleep(REST);
            continue;
        };
        if threads.len() < CONNECTIONS_MAX {
            number += 1;
            // One that cannot be served is dropped, and comes again.
            threads.extend(start(number, stream, holder, shared));
        }
    }
    // Requests that are being answered are answered; nothing more is read.
    for stream in shared.connections().values() {
        let _closed_already = stream.shutdown(Shutdown::Read);
    }
    for thread in threads {
        let _ended = thread.join();
    }
}

fn start(
    number: u64,
    stream: UnixStream,
    holder: &Arc<dyn Holder>,
    shared: &Arc<Shared>,
) -> Option<JoinHandle<()>> {
    shared.connections().insert(number, stream.try_clone().ok()?);
    let (holder, shared) = (Arc::clone(holder), Arc::clone(shared));
    let leaving = Arc::clone(&shared);
    let serve = move || {
        // However the thread ends.
        let _leaving = Leaving { shared: leaving, number };
        connection::serve(&stream, &*holder, &shared.receipts);
    };
    thread::Builder::new().name("laterbase-neighbour".to_owned()).spawn(serve).ok()
}

struct Leaving {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.connections().remove(&self.number);
    }
}
